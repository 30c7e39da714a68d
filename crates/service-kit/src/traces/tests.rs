//! A collector that takes a connection and never answers: nobody waits for it, and the memory has an end.

use std::net::TcpListener;
use std::thread;

use actix_web::test::TestRequest;
use common::Timestamp;

use super::*;
use crate::metrics::MetricRegistry;

/// The address of a collector that holds every connection and says nothing.
fn silent_collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    format!("http://{address}")
}

#[test]
fn r_16_a_slow_collector_costs_spans_and_never_a_request() {
    actix_web::rt::System::new().block_on(async {
        let endpoint = serde_json::from_value(silent_collector().into()).unwrap();
        let settings = TraceSettings {
            endpoint,
            service_name: "s".to_owned(),
            sampler: TracesSampler::AlwaysOn,
            share: Share(1.0),
            delay: Duration::from_millis(1),
            trust_callers: false,
        };
        let registry = MetricRegistry::new("s", "1", Timestamp::from_unix_millis(0));
        let metrics = registry.spans();
        let traces = Traces::start(Some(settings), "1", metrics.clone()).unwrap();
        // One batch can be on its way, the queue behind it full: the rest finds no place. Whoever waited for the collector
        // would wait here for ever.
        let beyond = 1_000;
        for _ in 0..MAX_WAITING + BATCH + beyond {
            let request = TestRequest::get().uri("/x").to_srv_request();
            traces.request(&request).unwrap().end("GET /x".to_owned(), 200, Vec::new());
        }
        let dropped = usize::try_from(metrics.dropped.get()).unwrap();
        assert!(dropped >= beyond, "{dropped} were dropped");
        assert_eq!(metrics.exported.get(), 0);
        // Its end would wait for the collector.
        std::mem::forget(traces);
    });
}
