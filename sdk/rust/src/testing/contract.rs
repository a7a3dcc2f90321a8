//! What holds for every balancer that answers whenever it can, and for every shaper: checks to be called from a
//! plugin's tests.
//!
//! Whether the answers are good ones is for tests of its own.

use std::time::{Duration, Instant};

use super::{Load, Pool, Request, Shaping, instance, moments, set_load, with_request};
use crate::draw::{Bits, below};
use crate::{Backend, Balancer, Readiness, Shaper, Verdict};

const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const READINESS: [Readiness; 4] = [Readiness::Ready, Readiness::Ready, Readiness::Draining, Readiness::Down];
/// For 10 000 backends, natively: half of what a request may wait because of a change.
const LIMIT: Duration = Duration::from_millis(5);

/// Over random tables, loads and retries: whoever is answered is a candidate and untried, and `pass` is answered
/// only when there is nobody.
///
/// # Panics
///
/// When that does not hold.
pub fn assert_answers<B: Balancer>(settings: &str) {
    let mut bits = Bits::new(1);
    for _ in 0..500 {
        let rows: Vec<_> =
            IDS[..below(8, bits.next()) as usize].iter().map(|id| (*id, below(4, bits.next()) as u32)).collect();
        let mut pool = Pool::<B>::with_workers(1 + below(3, bits.next()) as u32, settings, &rows);
        let in_flight = rows.iter().map(|_| below(5, bits.next()) as u32).collect();
        let latency_us = rows.iter().map(|_| Some(below(9_000, bits.next()) as u32).filter(|us| us % 3 > 0)).collect();
        let failures = rows.iter().map(|_| below(3, bits.next()) as u32).collect();
        set_load(Load { in_flight, latency_us, failures, ..Load::default() });
        let mut candidates = Vec::new();
        for (id, weight) in &rows {
            let readiness = READINESS[below(4, bits.next()) as usize];
            pool.mark(id, readiness);
            if readiness == Readiness::Ready && *weight > 0 {
                candidates.push(*id);
            }
        }
        for _ in 0..10 {
            assert_among(pool.pick(), &candidates);
            let tried: Vec<_> = rows.iter().map(|(id, _)| *id).filter(|_| below(2, bits.next()) == 0).collect();
            if !tried.is_empty() {
                let left: Vec<_> = candidates.iter().copied().filter(|id| !tried.contains(id)).collect();
                assert_among(pool.retry(&tried), &left);
            }
        }
    }
}

/// With 10 000 backends of mixed weights, some down: natively an `update` takes less than 5 ms, as does an `adjust`, of
/// the 10 ms that a request may wait for one; and 1 000 picks find a candidate each.
///
/// # Panics
///
/// When that does not hold.
pub fn assert_large_tables<B: Balancer>(settings: &str) {
    let mut table = large_table(10_000);
    set_load(Load { in_flight: vec![0; table.len()], ..Load::default() });
    let (mut balancer, _) = match B::configure(settings, &instance(0, 1)) {
        Ok(configured) => configured,
        Err(reason) => panic!("`configure` refused {settings}: {reason}"),
    };
    let update = quickest(|| balancer.update(&table));
    let mut turn = 0;
    let adjust = quickest(|| {
        turn += 1;
        table[turn].weight += 1;
        balancer.adjust(&table);
    });
    assert!(update < LIMIT && adjust < LIMIT, "update took {update:?}, adjust {adjust:?}");
    for moment in moments(1).take(1_000) {
        let verdict = with_request(&Request::get("/"), || balancer.pick(moment));
        let Verdict::Backend(index) = verdict else { panic!("{verdict:?} with thousands of candidates") };
        assert!(table[index as usize].is_candidate(), "{index} is no candidate");
    }
}

/// With 10 000 backends of mixed weights, some down: backends that are no candidates get nothing, some other does, the
/// same table gets the same weights, and natively it takes less than 5 ms.
///
/// # Panics
///
/// When that does not hold.
pub fn assert_shapes<S: Shaper>(settings: &str) {
    let table = large_table(10_000);
    let mut shaping = Shaping::<S>::new(settings);
    let weights = shaping.shape(&table);
    let of_nobody = weights.iter().zip(&table).position(|(weight, backend)| *weight > 0 && !backend.is_candidate());
    assert_eq!(of_nobody, None, "a weight for a backend that is no candidate");
    assert!(weights.iter().any(|weight| *weight > 0), "no weight for anybody");
    assert_eq!(shaping.shape(&table), weights, "other weights for the same table");
    let took = quickest(|| drop(shaping.shape(&table)));
    assert!(took < LIMIT, "`shape` took {took:?}");
}

/// So many backends `b0`, `b1`, … of the weights 0 to 6 in turn, each tenth of them down. Labels are the `zone`s a, b
/// and c, and the `priority`s 0 to 3.
pub fn large_table(backends: u32) -> Vec<Backend> {
    let backend = |index: u32| Backend {
        id: format!("b{index}"),
        address: format!("b{index}.test:80"),
        weight: index % 7,
        readiness: if index.is_multiple_of(10) { Readiness::Down } else { Readiness::Ready },
        labels: vec![
            ("priority".to_owned(), (index % 4).to_string()),
            ("zone".to_owned(), ["a", "b", "c"][index as usize % 3].to_owned()),
        ],
    };
    (0..backends).map(backend).collect()
}

/// The quickest of some runs is what it takes; the others waited for a core.
fn quickest(mut run: impl FnMut()) -> Duration {
    let mut timed = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..10).map(|_| timed()).min().unwrap_or_default()
}

fn assert_among(answer: Option<String>, candidates: &[&str]) {
    match answer {
        Some(id) => assert!(candidates.contains(&id.as_str()), "{id} is not among {candidates:?}"),
        None => assert!(candidates.is_empty(), "`pass` with {candidates:?}"),
    }
}
