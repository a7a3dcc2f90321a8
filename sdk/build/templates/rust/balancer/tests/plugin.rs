//! Runs natively, without Wasm, by the test kit of the SDK: `cargo test`.

use trimtab_sdk::Readiness;
use trimtab_sdk::testing::{Pool, Request};
use {{snake}}::Steer;

fn pool() -> Pool<Steer> {
    Pool::new("{}", &[("b1", 1), ("b2", 1), ("b3", 1)])
}

#[test]
fn the_header_names_the_backend() {
    let mut pool = pool();
    pool.request = Request::get("/").header("x-backend", "b2");
    assert_eq!(pool.picks(3), "b2 b2 b2");
    pool.mark("b2", Readiness::Down);
    assert!(!pool.picks(20).contains("b2"));
}

#[test]
fn without_it_all_get_some_and_what_was_tried_gets_none() {
    let mut pool = pool();
    let picks = pool.picks(300);
    assert!(["b1", "b2", "b3"].iter().all(|id| picks.contains(id)), "{picks}");
    assert_eq!(pool.retry(&["b1", "b3"]).as_deref(), Some("b2"));
    assert_eq!(pool.retry(&["b1", "b2", "b3"]), None);
}
