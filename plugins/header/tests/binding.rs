//! Clients of `header`, natively: bound by a value, over everything that happens to a pool.

use std::collections::BTreeMap;
use std::time::Duration;

use header::Header;
use proptest::prelude::*;
use trimtab_sdk::testing::{BoundPool, Client, Request, clear_table, instance, pass, table_entries};
use trimtab_sdk::{Affinity, Readiness, Verdict};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const ALL: [(&str, u32); 5] = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)];
const X_USER: &str = r#"{"name": "X-User"}"#;

fn user(name: &str) -> Client {
    Client::with(Request::get("/").header("x-user", name))
}

fn send(pool: &mut BoundPool<Header>, client: &mut Client) -> String {
    pool.send(client, "a").backend.expect("a backend")
}

#[test]
fn a_value_stays_through_growth_drains_and_restarts() {
    let mut pool = BoundPool::<Header>::with_workers(3, X_USER, &ALL[..2]);
    let mut users: Vec<_> = (0..50).map(|n| user(&format!("u{n}"))).collect();
    let before: Vec<_> = users.iter_mut().map(|client| send(&mut pool, client)).collect();
    pool.replace(&ALL);
    pool.mark("a", Readiness::Draining);
    pool.weigh("b", 0);
    pool.restart();
    let after: Vec<_> = users.iter_mut().map(|client| send(&mut pool, client)).collect();
    assert_eq!(before, after);
    let new = pool.send(&mut user("new"), "c");
    assert!(new.backend.is_some_and(|id| id.as_str() > "b"), "a new value goes to a candidate");
    assert_eq!(table_entries(), 51);
}

#[test]
fn new_values_spread_by_weight() {
    let mut pool = BoundPool::<Header>::new(X_USER, &[("a", 1), ("b", 3)]);
    let mut counts = BTreeMap::new();
    for n in 0..2000 {
        *counts.entry(send(&mut pool, &mut user(&format!("u{n}")))).or_insert(0) += 1;
    }
    assert!((1400..1600).contains(&counts["b"]), "{counts:?}");
}

#[test]
fn a_value_whose_backend_is_not_there_is_rebound_for_good() {
    let mut pool = BoundPool::<Header>::with_workers(2, X_USER, &ALL);
    let mut client = user("u");
    let first = send(&mut pool, &mut client);
    pool.fail(&first);
    let visit = pool.send(&mut client, "a");
    assert_eq!(visit.attempts, 2);
    let second = visit.backend.expect("a backend");
    assert_ne!(first, second);
    pool.heal(&first);
    assert_eq!(send(&mut pool, &mut client), second);
    pool.mark(&second, Readiness::Down);
    let third = send(&mut pool, &mut client);
    pool.mark(&second, Readiness::Ready);
    assert_eq!(send(&mut pool, &mut client), third);
    let rest: Vec<_> = ALL.into_iter().filter(|(id, _)| *id != third).collect();
    pool.replace(&rest);
    assert_ne!(send(&mut pool, &mut client), third, "gone");
}

#[test]
fn a_value_is_forgotten_after_its_last_use() {
    let mut pool = BoundPool::<Header>::new(r#"{"name": "x-user", "ttl": 80}"#, &ALL[..1]);
    let mut client = user("u");
    send(&mut pool, &mut client);
    pool.replace(&[("a", 0), ("b", 1)]);
    for _ in 0..20 {
        pass(Duration::from_secs(30));
        assert_eq!(send(&mut pool, &mut client), "a", "each use renews it");
    }
    pass(Duration::from_secs(81));
    assert_eq!(send(&mut pool, &mut client), "b");
}

#[test]
fn workers_that_see_a_value_at_once_agree() {
    let mut pool = BoundPool::<Header>::with_workers(2, X_USER, &ALL);
    let request = user("u").request;
    let one = pool.find_on(0, &request, &[]);
    // The second request comes before the first is answered, and the pool has changed in between.
    let Verdict::Backend(index) = one else { panic!("{one:?}") };
    pool.mark(IDS[index as usize], Readiness::Draining);
    assert_eq!(pool.find_on(1, &request, &[]), one);
}

#[test]
fn a_lost_entry_falls_back_to_the_hash() {
    let mut pool = BoundPool::<Header>::new(X_USER, &ALL);
    let mut client = user("u");
    let first = send(&mut pool, &mut client);
    clear_table();
    assert_eq!(send(&mut pool, &mut client), first, "the pool is the same");
}

#[test]
fn who_sends_no_header_is_the_balancers() {
    let mut pool = BoundPool::<Header>::new(X_USER, &ALL);
    let visit = pool.send(&mut Client::new(), "d");
    assert_eq!((visit.backend.as_deref(), visit.found), (Some("d"), None));
    assert_eq!(table_entries(), 0);
    ALL.iter().for_each(|(id, _)| pool.mark(id, Readiness::Down));
    assert_eq!(pool.find_on(0, &user("u").request, &[]), Verdict::Pass, "nobody to bind to");
}

#[test]
fn settings_are_checked() {
    let error = |settings| Header::configure(settings, &instance(0, 1)).map(drop).expect_err("refused");
    assert!(error(r#"{"name": "x user"}"#).contains("`name`"));
    assert!(error(r#"{"name": "x", "ttl": 0}"#).contains("`ttl`"));
    assert!(error(r#"{"header": "x"}"#).contains("`header`"));
    let (_, plan) = Header::configure(X_USER, &instance(0, 1)).expect("settings");
    assert_eq!(plan.keys, ["header:x-user"]);
    let (_, plan) = Header::configure("{}", &instance(0, 1)).expect("the configuration may say `key`");
    assert!(plan.keys.is_empty());
}

proptest! {
    /// Values of any length and kind are bound, and a value that is where it should be stays.
    #[test]
    fn nobody_moves_without_need(
        values in proptest::collection::vec("\\PC{1,300}", 1..5),
        steps in proptest::collection::vec((0usize..5, 0u8..4), 1..30),
        workers in 1u32..4,
    ) {
        let mut pool = BoundPool::<Header>::with_workers(workers, X_USER, &ALL);
        let mut away = [false; 5];
        let mut bound: BTreeMap<&str, String> = BTreeMap::new();
        for (at, what) in steps {
            match what {
                0 => pool.mark(IDS[at], Readiness::Ready),
                1 => pool.mark(IDS[at], Readiness::Draining),
                2 => pool.mark(IDS[at], Readiness::Down),
                _ => pool.restart(),
            }
            if what < 3 {
                away[at] = what == 2;
            }
            for value in &values {
                let visit = pool.send(&mut user(value), "a");
                let was = bound.get(value.as_str()).and_then(|id| IDS.iter().position(|other| other == id));
                if let Some(was) = was.filter(|was| !away[*was]) {
                    prop_assert_eq!(visit.backend.as_deref(), Some(IDS[was]));
                }
                if let Some(id) = visit.backend {
                    bound.insert(value, id);
                }
            }
        }
    }

    /// A retry finds an untried candidate whenever there is one (the kit checks that it is untried).
    #[test]
    fn a_retry_finds_whoever_is_left(tried in proptest::sample::subsequence(vec![0u32, 1, 2, 3, 4], 0..=5)) {
        let mut pool = BoundPool::<Header>::new(X_USER, &ALL);
        let verdict = pool.find_on(0, &user("u").request, &tried);
        prop_assert_eq!(verdict != Verdict::Pass, tried.len() < 5);
    }
}
