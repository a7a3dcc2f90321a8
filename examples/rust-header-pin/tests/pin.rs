//! The example, natively.

use rust_header_pin::HeaderPin;
use trimtab_sdk::Readiness;
use trimtab_sdk::testing::{Load, Pool, Request, lines, set_load};

fn pool() -> Pool<HeaderPin> {
    let pool = Pool::new("{}", &[("b1", 1), ("b2", 1), ("b3", 1)]);
    set_load(Load { in_flight: vec![4, 9, 2], ..Load::default() });
    pool
}

#[test]
fn without_the_header_the_least_loaded_is_picked() {
    let mut pool = pool();
    assert_eq!(pool.picks(2), "b3 b3");
    assert_eq!(pool.retry(&["b3"]).as_deref(), Some("b1"));
    assert_eq!(pool.retry(&["b1", "b2", "b3"]), None);
}

#[test]
fn an_idle_pool_is_spread_by_chance() {
    let mut pool = pool();
    set_load(Load::default());
    let picks = pool.picks(300);
    for id in ["b1", "b2", "b3"] {
        assert!(picks.matches(id).count() > 60, "{id} in {picks}");
    }
}

#[test]
fn the_header_pins() {
    let mut pool = pool();
    pool.request = Request::get("/").header("X-Backend", "b2");
    assert_eq!(pool.picks(2), "b2 b2");
    assert_eq!(pool.retry(&["b2"]).as_deref(), Some("b3"), "a retry goes elsewhere");
    lines();
    pool.mark("b2", Readiness::Draining);
    assert_eq!(pool.picks(1), "b3", "a backend that is not ready cannot be pinned");
    assert_eq!(lines(), ["debug: no backend `b2` is ready: picking another"]);
}
