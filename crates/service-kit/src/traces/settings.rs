//! What the variables say about traces. Their names and values are those of the OpenTelemetry specification.

use std::time::Duration;

use reqwest::Url;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// How traces are made and where they go.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    pub endpoint: OtlpEndpoint,
    pub service_name: String,
    pub sampler: TracesSampler,
    pub share: Share,
    /// Whether the choice of a caller to record counts.
    pub trust_callers: bool,
    /// Between two exports.
    pub delay: Duration,
}

/// `OTEL_TRACES_SAMPLER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracesSampler {
    AlwaysOn,
    AlwaysOff,
    Traceidratio,
    ParentbasedAlwaysOn,
    ParentbasedAlwaysOff,
    ParentbasedTraceidratio,
}

/// `OTEL_TRACES_SAMPLER_ARG`: from 0, nothing, to 1, everything.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(pub f64);

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err("must be a number from 0 to 1") }
    }
}

/// `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector, without the path of the signal.
#[derive(Debug, Clone)]
pub struct OtlpEndpoint(Url);

impl OtlpEndpoint {
    /// Where traces go.
    pub(super) fn traces(&self) -> String {
        format!("{}/v1/traces", self.0.as_str().trim_end_matches('/'))
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl<'de> Deserialize<'de> for OtlpEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || D::Error::custom("must be an http or https URL, for instance http://otel-collector:4318");
        let url = Url::parse(&text).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(D::Error::custom("must not hold credentials: they go to OTEL_EXPORTER_OTLP_HEADERS"));
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_shares() {
        let endpoint = |text: &str| serde_json::from_value::<OtlpEndpoint>(text.into());
        for (text, traces) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("https://collector/", "https://collector/v1/traces"),
            ("http://collector/otlp", "http://collector/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(text).unwrap().traces(), traces);
        }
        for text in ["", "collector:4318", "grpc://collector", "http://", "http://c?x", "http://c#x"] {
            assert!(endpoint(text).unwrap_err().to_string().contains("must be an http"), "{text}");
        }
        assert!(endpoint("http://a:hunter2@c").unwrap_err().to_string().contains("OTLP_HEADERS"));
        let share = |number: f64| Share::try_from(number).is_ok();
        assert!([0.0, 0.25, 1.0].into_iter().all(share));
        assert!(![-0.1, 1.1, f64::NAN, f64::INFINITY].into_iter().any(share));
    }
}
