//! Which requests are recorded. Anybody can send a `traceparent`, so by default it chooses the trace that a span joins and
//! nothing else: neither its flag nor its id makes us record a request, or keeps us from it. The choice of a trusted
//! caller counts as `OTEL_TRACES_SAMPLER` says.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, SamplingResult, ShouldSample};

use super::settings::{Share, TracesSampler};

#[derive(Debug, Clone)]
pub(super) struct ServerSampler {
    chosen: Sampler,
    trust_callers: bool,
}

impl ServerSampler {
    pub(super) fn new(sampler: TracesSampler, share: Share, trust_callers: bool) -> Self {
        let follows = |root| Sampler::ParentBased(Box::new(root));
        let chosen = match sampler {
            TracesSampler::AlwaysOn => Sampler::AlwaysOn,
            TracesSampler::AlwaysOff => Sampler::AlwaysOff,
            TracesSampler::Traceidratio => Sampler::TraceIdRatioBased(share.0),
            TracesSampler::ParentbasedAlwaysOn => follows(Sampler::AlwaysOn),
            TracesSampler::ParentbasedAlwaysOff => follows(Sampler::AlwaysOff),
            TracesSampler::ParentbasedTraceidratio => follows(Sampler::TraceIdRatioBased(share.0)),
        };
        Self { chosen, trust_callers }
    }
}

impl ShouldSample for ServerSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_step_of_ours = parent.is_some_and(|parent| {
            let span = parent.span();
            span.span_context().is_valid() && !span.span_context().is_remote()
        });
        if is_step_of_ours {
            let follow = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
            return follow.should_sample(parent, trace, name, kind, attributes, links);
        }
        if self.trust_callers {
            return self.chosen.should_sample(parent, trace, name, kind, attributes, links);
        }
        // An id of our own, because a caller could choose one that is within the share.
        let ours = RandomIdGenerator::default().new_trace_id();
        self.chosen.should_sample(None, ours, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    fn records(sampler: TracesSampler, trust: bool, flags: TraceFlags, trace: u128, remote: bool) -> bool {
        let id = TraceId::from(trace);
        let span = SpanContext::new(id, SpanId::from(7), flags, remote, TraceState::default());
        let parent = Context::new().with_remote_span_context(span);
        let sampler = ServerSampler::new(sampler, Share(0.0), trust);
        let result = sampler.should_sample(Some(&parent), id, "x", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn only_a_trusted_caller_has_a_say() {
        use TracesSampler::{AlwaysOff, AlwaysOn, ParentbasedAlwaysOff, ParentbasedAlwaysOn};
        use TracesSampler::{ParentbasedTraceidratio, Traceidratio};
        let (yes, no) = (TraceFlags::SAMPLED, TraceFlags::default());
        for (sampler, trust, flags, expected) in [
            (ParentbasedAlwaysOn, false, no, true),
            (ParentbasedAlwaysOff, false, yes, false),
            (ParentbasedTraceidratio, false, yes, false),
            (ParentbasedAlwaysOn, true, no, false),
            (ParentbasedAlwaysOff, true, yes, true),
            (ParentbasedTraceidratio, true, yes, true),
            (AlwaysOn, true, no, true),
            (AlwaysOff, true, yes, false),
            (Traceidratio, true, yes, false),
        ] {
            assert_eq!(records(sampler, trust, flags, 1, true), expected, "{sampler:?} {trust} {flags:?}");
        }
    }

    #[test]
    fn a_caller_cannot_choose_an_id_that_is_within_the_share() {
        let chosen = Share(0.000_001);
        let parent = SpanContext::new(
            TraceId::from(1_u128 << 64),
            SpanId::from(7),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let parent = Context::new().with_remote_span_context(parent);
        let decide = |trust| {
            let sampler = ServerSampler::new(TracesSampler::Traceidratio, chosen, trust);
            let id = parent.span().span_context().trace_id();
            sampler.should_sample(Some(&parent), id, "x", &SpanKind::Server, &[], &[]).decision
        };
        assert_eq!(decide(true), SamplingDecision::RecordAndSample, "the id is within the share");
        assert_eq!(decide(false), SamplingDecision::Drop);
    }

    #[test]
    fn a_step_follows_its_request() {
        for sampler in [TracesSampler::AlwaysOn, TracesSampler::AlwaysOff] {
            assert!(records(sampler, false, TraceFlags::SAMPLED, 1, false));
            assert!(!records(sampler, false, TraceFlags::default(), 1, false));
        }
    }
}
