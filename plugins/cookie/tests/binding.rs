//! Clients of `cookie`, natively: bound, rebound, refused.

use std::time::Duration;

use cookie::Cookie;
use proptest::prelude::*;
use trimtab_sdk::Readiness;
use trimtab_sdk::testing::{BoundPool, Client, Response, Visit, pass};

const ABC: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];
const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn to(visit: &Visit) -> (Option<&str>, bool) {
    (visit.backend.as_deref(), !visit.added.is_empty())
}

#[test]
fn a_client_comes_back_over_workers_restarts_and_changes_of_the_pool() {
    let mut pool = BoundPool::<Cookie>::with_workers(3, "{}", &ABC);
    let mut client = Client::new();
    assert_eq!(to(&pool.send(&mut client, "b")), (Some("b"), true));
    for _ in 0..6 {
        assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), false), "set once");
    }
    pool.replace(&[("d", 1), ("c", 1), ("b", 1)]);
    assert_eq!(to(&pool.send(&mut client, "d")), (Some("b"), false), "of another index");
    pool.restart();
    assert_eq!(to(&pool.send(&mut client, "d")), (Some("b"), false));
    pool.weigh("b", 0);
    assert_eq!(to(&pool.send(&mut client, "d")), (Some("b"), false), "a weight of 0 is for new clients");
}

#[test]
fn a_draining_backend_keeps_its_clients() {
    let mut pool = BoundPool::<Cookie>::new("{}", &ABC);
    let (mut old, mut new) = (Client::new(), Client::new());
    pool.send(&mut old, "a");
    pool.mark("a", Readiness::Draining);
    assert_eq!(to(&pool.send(&mut old, "b")), (Some("a"), false));
    assert_eq!(to(&pool.send(&mut new, "b")), (Some("b"), true));
}

#[test]
fn it_is_set_on_every_kind_of_response() {
    for status in [101, 200, 204, 304, 404, 500] {
        let mut pool = BoundPool::<Cookie>::new("{}", &ABC);
        pool.response = Response::of(status);
        let mut client = Client::new();
        assert_eq!(to(&pool.send(&mut client, "c")), (Some("c"), true), "{status}");
    }
}

#[test]
fn a_client_whose_backend_fails_is_rebound() {
    let mut pool = BoundPool::<Cookie>::new("{}", &ABC);
    let mut client = Client::new();
    pool.send(&mut client, "a");
    pool.fail("a");
    let visit = pool.send(&mut client, "a");
    assert_eq!((to(&visit), visit.attempts), ((Some("b"), true), 2));
    pool.heal("a");
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), false), "and stays");
    pool.mark("b", Readiness::Down);
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("c"), true));
    pool.replace(&[("a", 1)]);
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("a"), true));
}

#[test]
fn strict_refuses_where_the_backend_is_not_there_and_nobody_else() {
    let mut pool = BoundPool::<Cookie>::new(r#"{"strict": true}"#, &ABC);
    let mut client = Client::new();
    assert_eq!(pool.send(&mut client, "a").status, 200);
    pool.mark("a", Readiness::Draining);
    assert_eq!(pool.send(&mut client, "b").status, 200);
    pool.mark("a", Readiness::Down);
    assert_eq!(pool.send(&mut client, "b").status, 503, "down");
    pool.replace(&[("b", 1)]);
    assert_eq!(pool.send(&mut client, "b").status, 503, "gone");
    pool.restart();
    assert_eq!(pool.send(&mut client, "b").status, 503, "gone before this instance began");
    pool.replace(&ABC);
    assert_eq!(to(&pool.send(&mut client, "b")), (Some("a"), false), "back");
    pool.fail("a");
    assert_eq!(pool.send(&mut client, "b").status, 503, "tried");

    let mut forger = client.clone();
    let value = client.cookie("trimtab").expect("a cookie").to_owned();
    let other = |c: u8| if c == b'A' { 'B' } else { 'A' };
    let tag_changed = format!("{}{}", other(value.as_bytes()[0]), &value[1..]);
    let seal_changed = format!("{}{}{}", &value[..15], other(value.as_bytes()[15]), &value[16..]);
    for forged in ["", "a", "a.test:80", &value[1..], &tag_changed, &seal_changed] {
        forger.set_cookie("trimtab", forged);
        assert_eq!(to(&pool.send(&mut forger, "c")), (Some("c"), true), "`{forged}` is a new client");
    }
}

#[test]
fn with_a_max_age_the_time_counts_from_the_last_visit() {
    let mut pool = BoundPool::<Cookie>::new(r#"{"max_age": "1h"}"#, &ABC);
    let mut client = Client::new();
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("a"), true));
    for _ in 0..3 {
        pass(Duration::from_secs(3000));
        assert_eq!(to(&pool.send(&mut client, "b")), (Some("a"), true));
    }
    pass(Duration::from_secs(3600));
    assert_eq!(to(&pool.send(&mut client, "b")), (Some("b"), true));
}

proptest! {
    /// Whatever happens to the pool, a client is where it was, as long as that is not down, failing or gone.
    #[test]
    fn nobody_moves_without_need(
        steps in proptest::collection::vec((0usize..5, 0u8..5, 0usize..5), 1..40),
        workers in 1u32..4,
    ) {
        let rows: Vec<_> = IDS.iter().map(|id| (*id, 1)).collect();
        let mut pool = BoundPool::<Cookie>::with_workers(workers, "{}", &rows);
        let mut clients: Vec<_> = IDS.iter().map(|_| Client::new()).collect();
        let mut away = [false; 5];
        let mut bound: Vec<Option<String>> = vec![None; 5];
        for (at, what, picked) in steps {
            match what {
                0 => pool.mark(IDS[at], Readiness::Ready),
                1 => pool.mark(IDS[at], Readiness::Draining),
                2 => pool.mark(IDS[at], Readiness::Down),
                3 => pool.restart(),
                _ => {}
            }
            if what < 3 {
                away[at] = what == 2;
            }
            for (client, bound) in clients.iter_mut().zip(&mut bound) {
                let visit = pool.send(client, IDS[picked]);
                let was = bound.as_ref().and_then(|id| IDS.iter().position(|other| other == id));
                if let Some(was) = was.filter(|was| !away[*was]) {
                    prop_assert_eq!(visit.backend.as_deref(), Some(IDS[was]));
                }
                if visit.backend.is_some() {
                    *bound = visit.backend;
                }
            }
        }
    }

    /// What is not ours is a new client's, and breaks nothing.
    #[test]
    fn any_value_is_taken(value in "\\PC{0,40}", strict: bool) {
        let mut pool = BoundPool::<Cookie>::new(&format!(r#"{{"strict": {strict}}}"#), &ABC);
        let mut client = Client::new();
        client.set_cookie("trimtab", &value);
        let visit = pool.send(&mut client, "c");
        prop_assert_eq!(to(&visit), (Some("c"), true));
    }
}
