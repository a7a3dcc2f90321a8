//! What the host's part of a decision costs, from setting the deadline to the checked answer:
//! `cargo bench -p trimtab --bench decision`.
//!
//! An argument picks the lines whose title contains it. The guests are minimal; what a plugin computes comes on top, and
//! is in `plugins.rs`. Prints percentiles over many short batches: on a busy machine the low ones are those of a core to itself.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use trimtab::config::PluginLimits;
use trimtab::decide::{BackendLoad, Balancer, Facts, LocalTable, Moment, PoolLoad, Readiness, Row, Verdict, check};
use trimtab::plugin::{BalancerInstance, Registry, RegistryOptions, Seat, Source};

#[path = "../src/plugin/fixtures.rs"]
mod fixtures;

use fixtures::Guest;

const BACKENDS: usize = 4;
const BATCHES: usize = 5_000;
const DECISIONS: usize = 400;

fn main() {
    let registry = Registry::new(RegistryOptions::default()).unwrap();
    let _activity = registry.activity();
    println!("{:<34}{:>8}{:>8}{:>8}   ns a decision, {BACKENDS} backends", "", "median", "p10", "p1");
    let first = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.store (i32.const 68) (i32.const 0)) (i32.const 64)";
    let turn = "(i32.store8 (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (i32.wrap_i64 (i64.rem_u (call $turn) (i64.const 4)))) (i32.const 64)";
    let header = "(call $header (i32.const 256) (i32.const 6) (i32.const 128))
        (i32.store8 (i32.const 64) (i32.const 0)) (i32.store (i32.const 68) (i32.const 0)) (i32.const 64)";
    let guests = [
        ("constant verdict", Guest { pick: first, ..Guest::PASS }),
        (
            "one `turn`",
            Guest {
                head: r#"(import "trimtab:plugin/load@0.1.0" "turn" (func $turn (result i64)))"#,
                pick: turn,
                ..Guest::PASS
            },
        ),
        (
            "one header read",
            Guest {
                head: r#"(import "trimtab:plugin/request@0.1.0" "header" (func $header (param i32 i32 i32)))
                    (data (i32.const 256) "x-user")"#,
                pick: header,
                ..Guest::PASS
            },
        ),
    ];
    for (name, guest) in guests {
        measure(&registry, name, &guest);
    }
}

fn measure(registry: &Registry, title: &str, guest: &Guest<'_>) {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !title.contains(&wanted)) {
        return;
    }
    let definition =
        registry.load_blocking(title.into(), Source::Bytes(guest.component()), PluginLimits::default()).unwrap();
    let seat = Seat {
        definition,
        pool: "web".into(),
        worker: 0,
        workers: 1,
        settings: "{}".into(),
        keys: Vec::new(),
        load: Arc::new(PoolLoad::new(1)),
        rows: rows().into(),
        pools: Arc::new([]),
        table: Arc::new(LocalTable::new(0)),
    };
    let mut instance: BalancerInstance = registry.build_blocking(seat).unwrap();
    let readiness = [Readiness::Ready; BACKENDS];
    let mut facts = Box::new(Facts { protocol: "http/1.1", ..Facts::default() });
    facts.headers.insert("host", http::HeaderValue::from_static("example.com"));
    facts.headers.insert("user-agent", http::HeaderValue::from_static("a-browser/1.0 (of some length)"));
    facts.headers.insert("x-user", http::HeaderValue::from_static("anna.example"));
    let mut moment = Moment { key: Some(1), random: 7, now_us: 1_700_000_000_000_000, attempt: 0 };
    let mut times = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..DECISIONS {
            moment.now_us += 1;
            let (back, answer) = instance.pick(black_box(moment), facts);
            facts = back;
            let verdict: Verdict = answer.unwrap();
            check(verdict, black_box(&readiness), &facts.tried).unwrap();
            black_box(verdict);
        }
        times.push(start.elapsed().as_nanos() as f64 / DECISIONS as f64);
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[BATCHES * percent / 100];
    println!("{title:<34}{:>8.0}{:>8.0}{:>8.0}", at(50), at(10), at(1));
}

fn rows() -> Vec<Row> {
    let row = |i| Row {
        id: format!("b{i}").into(),
        address: format!("10.0.0.{i}:80").into(),
        weight: 1,
        readiness: Readiness::Ready,
        labels: Arc::new([]),
        load: Arc::new(BackendLoad::default()),
    };
    (0..BACKENDS).map(row).collect()
}
