//! Limits: what they may be, and what is said of those that may not.

use std::time::Duration;

use super::{lines, listener, minimal, pool, report};

/// What is said of a line of the pool, and of one of the listener.
fn said(listener: &str, pool: &str) -> String {
    lines(&report(&minimal(listener, pool))).join("\n")
}

#[test]
fn limits_of_a_pool_and_of_its_backends() {
    let limits = pool("limits = { backend_requests = 7, queue_timeout = \"1s\" }").limits;
    assert_eq!((limits.requests, limits.bound_timeout), (None, Duration::from_millis(500)));
    assert_eq!((limits.at_backend(None), limits.at_backend(Some(9))), (Some(7), Some(9)), "its own goes before");
    let limits = pool("limits = { backend_connections = 3 }").limits;
    assert_eq!((limits.at_backend(None), limits.at_backend(Some(9))), (Some(3), Some(3)), "one each");
    assert!(said("", "limits = { requests = 0 }").contains("a whole number from 1 to 1000000000"));
    assert!(
        said("", "limits = { queue_timeout = \"1s\", bound_timeout = \"2s\" }").contains("longer than `queue_timeout`")
    );
    assert!(said("", "limits = { request = 1 }").contains("unknown key `request`"));
    assert!(said("", "limits = 5").contains("must be a table"));
}

#[test]
fn rates() {
    let rate = |text: &str| {
        let limit = listener(&format!("rate_limit = {{ rate = \"{text}\" }}")).rate_limit.expect("there is one");
        (limit.requests.get(), limit.per, limit.burst.get())
    };
    assert_eq!(rate("100/s"), (100, Duration::from_secs(1), 100));
    assert_eq!(rate("5 / m"), (5, Duration::from_secs(60), 5));
    assert_eq!(rate("20/10s"), (20, Duration::from_secs(10), 20));
    for wrong in ["100", "0/s", "-1/s", "1/fortnight", "x/s", "1/0s"] {
        let said = said(&format!("rate_limit = {{ rate = \"{wrong}\" }}"), "");
        assert!(said.contains("`rate`"), "{wrong}: {said}");
    }
    assert!(said("rate_limit = {}", "").contains("has no `rate`"));
    assert!(said("rate_limit = { rate = \"1/s\", key = [] }", "").contains("`key` names no key"));
    assert!(said("rate_limit = { rate = \"1/s\", key = \"cookies\" }", "").contains("is no key"));
}
