//! What a decision costs, and whether it grows with the rules or with the groups: `cargo bench -p access-rules`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a bench that cannot begin stops loudly"
)]

use std::hint::black_box;

use access_rules::{Caller, Expression, Facts, RepeatedSlashes, Request, RouteTable, decide, load_rules};
use common::Principal;
use criterion::{Criterion, criterion_group, criterion_main};

const EXPRESSION: &str =
    "(groups.admin || groups.g999 && permissions['read:things']) && clientType in ['web', 'apiKey', '']";

fn routes(count: usize) -> RouteTable {
    let routes: Vec<String> = (0..count)
        .map(|n| {
            let expression = EXPRESSION.replace('\'', "\\u0027");
            format!(
                r#""/area{}/thing{n}/:id": {{"GET": {{"authorization": {{"expression": "{expression}", "public": false}}}}}}"#,
                n % 100
            )
        })
        .collect();
    let file = format!("{{{}}}", routes.join(","));
    load_rules("auth.json", file.as_bytes(), RepeatedSlashes::Refuse).unwrap().table
}

fn member_of(groups: usize) -> Principal {
    Principal {
        id: "ada".to_owned(),
        groups: (0..groups).map(|n| format!("g{}", 999 - n)).collect(),
        permissions: ["read:things".to_owned()].into(),
        ..Principal::default()
    }
}

fn decisions(criterion: &mut Criterion) {
    for (routes_count, groups) in [(10, 1), (10, 1_000), (10_000, 1), (10_000, 1_000)] {
        let (table, principal) = (routes(routes_count), member_of(groups));
        let target = format!("/area{}/thing{}/42?page=2", (routes_count - 1) % 100, routes_count - 1);
        let request = Request { method: b"GET", target: target.as_bytes(), facts: Facts::default() };
        assert!(decide(&table.find(&request), Caller::Known(&principal), &request.facts).is_allow());
        criterion.bench_function(&format!("decide/{routes_count} routes/{groups} groups"), |bencher| {
            bencher.iter(|| {
                let found = table.find(black_box(&request));
                decide(&found, Caller::Known(black_box(&principal)), &request.facts).is_allow()
            });
        });
    }
}

fn expressions(criterion: &mut Criterion) {
    criterion.bench_function("parse", |bencher| {
        bencher.iter(|| Expression::parse(black_box(EXPRESSION)).unwrap())
    });
    let expression = Expression::parse(EXPRESSION).unwrap();
    let principal = member_of(1_000);
    criterion.bench_function("evaluate/1000 groups", |bencher| {
        bencher.iter(|| expression.evaluate(&Facts::default(), Some(black_box(&principal))).unwrap());
    });
    let file_of_rules = || routes(black_box(1_000));
    criterion.bench_function("load/1000 routes", |bencher| bencher.iter(file_of_rules));
}

criterion_group!(benches, decisions, expressions);
criterion_main!(benches);
