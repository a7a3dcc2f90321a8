//! Answers that no host can take: they are invalid, and the fallback answers in their place. Refusals within bounds are
//! decisions, and are honoured.

use super::arena::Stranger;
use crate::affinity::guest::Guest;

fn invalid(stranger: Stranger) {
    let arena = stranger.enter();
    arena.load();
    arena.has_fault("invalid");
}

#[test]
fn a_backend_that_is_not_there() {
    invalid(Stranger::fixture("invalid.wat"));
    invalid(Stranger::affinity(
        Guest { find: "(return (call $backend (i32.const -1)))", ..Guest::default() }.component(),
    ));
}

#[test]
fn a_backend_that_is_down() {
    let arena = Stranger::fixture("first.wat").enter();
    arena.host.set_backend("web", "a", r#"{"state":"down"}"#);
    arena.load();
    arena.has_fault("invalid");
}

#[test]
fn a_backend_that_was_tried() {
    let (arena, _refusing) = Stranger::fixture("first.wat").enter_with_refusing();
    arena.load();
    arena.has_fault("invalid");
}

#[test]
fn no_verdict_at_all() {
    let arena = Stranger::of(&[("pick", "(return (call $verdict (i32.const 3) (i32.const 0)))")]).enter();
    arena.load();
    arena.has_fault("trap");
}

#[test]
fn refusals_out_of_range() {
    for status in [0, 200, 399, 600, 65535] {
        invalid(Stranger::of(&[("pick", &format!("(return (call $refuse (i32.const {status})))"))]));
    }
}

#[test]
fn a_pool_that_is_not_there() {
    invalid(Stranger::router("", "(i32.store (i32.const 68) (i32.const 2))"));
    invalid(Stranger::router(
        "",
        "(i32.store8 (i32.const 64) (i32.const 2)) (i32.store (i32.const 68) (i32.const 200))",
    ));
}

#[test]
fn refusals_of_everybody_are_honoured_and_counted_apart() {
    let router = "(i32.store8 (i32.const 64) (i32.const 2)) (i32.store (i32.const 68) (i32.const 429))";
    for (stranger, place) in
        [(Stranger::fixture("refuse.wat"), ("pool", "web")), (Stranger::router("", router), ("route", "hostile"))]
    {
        let arena = stranger.enter();
        arena.load_with(500, "", 429, || ());
        assert_eq!(arena.host.metrics().sum("trimtab_refusals_total", &[place]), 500.0);
        arena.has_no_fault();
    }
}

#[test]
fn headers_that_would_break_the_response() {
    let headers: [&[(&str, &[u8])]; 4] = [
        &[("set-cookie", b"t=1\r\nx-evil: 1")],
        &[("content-length", b"0")],
        &[("transfer-encoding", b"chunked")],
        &[("set-cookie", &b"t=1"[..]); 40],
    ];
    for headers in headers {
        invalid(Stranger::affinity(Guest { headers, ..Guest::default() }.component()));
    }
}
