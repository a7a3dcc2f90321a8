//! Runs natively, without Wasm, by the test kit of the SDK: `cargo test`.

use trimtab_sdk::Readiness;
use trimtab_sdk::testing::{BoundPool, Client};
use {{snake}}::Steer;

/// Who answers this client, where a balancer would pick this backend for it, and how many cookies that sets.
fn answered(pool: &mut BoundPool<Steer>, client: &mut Client, picked: &str) -> (Option<String>, usize) {
    let visit = pool.send(client, picked);
    (visit.backend, visit.added.len())
}

#[test]
fn a_client_comes_back() {
    let mut pool = BoundPool::new("{}", &[("b1", 1), ("b2", 1), ("b3", 1)]);
    let mut client = Client::new();
    assert_eq!(answered(&mut pool, &mut client, "b2"), (Some("b2".to_owned()), 1));
    assert_eq!(answered(&mut pool, &mut client, "b1"), (Some("b2".to_owned()), 0));
    pool.mark("b2", Readiness::Draining);
    assert_eq!(answered(&mut pool, &mut client, "b1"), (Some("b2".to_owned()), 0), "draining keeps its clients");
}

#[test]
fn where_its_backend_is_not_there_it_is_bound_to_another() {
    let mut pool = BoundPool::new("{}", &[("b1", 1), ("b2", 1), ("b3", 1)]);
    let mut client = Client::new();
    client.set_cookie("backend", "b9");
    assert_eq!(answered(&mut pool, &mut client, "b2"), (Some("b2".to_owned()), 1));
    pool.mark("b2", Readiness::Down);
    assert_eq!(answered(&mut pool, &mut client, "b3"), (Some("b3".to_owned()), 1));
    pool.fail("b3");
    assert_eq!(answered(&mut pool, &mut client, "b1"), (Some("b1".to_owned()), 1), "after b3 was tried");
}
