//! The affinity `header`: a value is bound to a backend, and it is the memory that binds.

use trimtab_tests::{Backend, Host, Setup, eventually};

use super::{MANY, entries, faults, found, set_state};

fn start(backends: &[&Backend], settings: &str) -> Host {
    Setup::over(backends).pool(&format!("affinity = {{ plugin = 'header'{settings} }}")).start()
}

/// Whom this user gets, on a new connection.
fn home(host: &Host, user: &str) -> String {
    let response = host.client().get_with("/", &format!("x-user: {user}\r\n"));
    assert_eq!((response.status, response.headers.get("set-cookie")), (200, None));
    response.backend().to_owned()
}

#[test]
fn a_value_goes_to_one_backend_on_all_workers() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&[&a, &b, &c], ", name = 'X-User'");
    let users: Vec<_> = (0..12).map(|number| format!("user-{number}")).collect();
    let homes: Vec<_> = users.iter().map(|user| home(&host, user)).collect();
    for id in ["a", "b", "c"] {
        assert!(homes.iter().any(|home| home == id), "they are spread: {homes:?}");
    }
    for _ in 0..MANY / 4 {
        assert!(users.iter().map(|user| home(&host, user)).eq(homes.clone()));
    }
    assert_eq!((entries(&host, "header"), found(&host)), (12.0, 12.0 * 9.0));
}

#[test]
fn those_without_it_are_the_balancers() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", name = 'x-user'");
    for lines in ["", "x-users: 1\r\n", "", "user: 1\r\n"].iter().zip(["a", "b", "a", "b"]) {
        assert_eq!(host.client().get_with("/", lines.0).backend(), lines.1);
    }
    assert_eq!((entries(&host, "header"), found(&host), faults(&host)), (0.0, 0.0, 0.0));
}

#[test]
fn an_empty_value_and_a_long_one_are_no_trouble() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", name = 'x-user'");
    for user in [String::new(), "x".repeat(8000), "a, b".to_owned(), "\u{fffd}\u{1f980}".to_owned()] {
        let first = home(&host, &user);
        for _ in 0..4 {
            let next = home(&host, &user);
            assert!(user.is_empty() || next == first, "{user}: {first}, then {next}");
        }
    }
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn the_key_may_be_something_else() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", key = 'query:tenant'");
    for tenant in 0..8 {
        let target = format!("/?tenant={tenant}");
        let first = host.get(&target);
        for _ in 0..4 {
            assert_eq!(host.get(&target).backend(), first.backend());
        }
    }
    assert_eq!(entries(&host, "header"), 8.0);
}

#[test]
fn what_was_not_used_for_ttl_is_forgotten() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", name = 'x-user', ttl = '1s'");
    let users: Vec<_> = (0..10).map(|number| format!("user-{number}")).collect();
    set_state(&host, "b", "draining");
    assert!(users.iter().all(|user| home(&host, user) == "a"));
    set_state(&host, "b", "ready");
    // Expired entries go when others are written, the oldest first.
    let mut others = 0;
    eventually("what was not used is forgotten", || {
        others += 1;
        home(&host, &format!("other-{others}"));
        entries(&host, "header") <= f64::from(others)
    });
    let homes: Vec<_> = users.iter().map(|user| home(&host, user)).collect();
    assert!(homes.iter().any(|home| home == "b"), "they go by the hash, as new ones: {homes:?}");
}

#[test]
fn what_is_used_is_not_forgotten() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", name = 'x-user', ttl = '1s'");
    let users: Vec<_> = (0..10).map(|number| format!("user-{number}")).collect();
    set_state(&host, "b", "draining");
    assert!(users.iter().all(|user| home(&host, user) == "a"));
    home(&host, "idle");
    set_state(&host, "b", "ready");
    // For as long as it takes to forget somebody else.
    let mut others = 0;
    eventually("somebody else is forgotten", || {
        others += 1;
        home(&host, &format!("other-{others}"));
        assert!(users.iter().all(|user| home(&host, user) == "a"), "each use counts from anew");
        entries(&host, "header") < f64::from(10 + 1 + others)
    });
    assert!(users.iter().all(|user| home(&host, user) == "a"));
}

#[test]
fn a_full_table_drops_the_oldest_and_goes_on() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b])
        .pool("affinity = { plugin = 'header', name = 'x-user' }")
        .more("[plugin.header]\ntable = '64KiB'")
        .start();
    let mut client = host.client();
    for user in 0..2000 {
        assert_eq!(client.get_with("/", &format!("x-user: user-{user}\r\n")).status, 200);
    }
    let labels = [("plugin", "header"), ("pool", "web")];
    let bytes = host.metrics().sum("trimtab_table_bytes", &labels);
    assert!(bytes > 0.0 && bytes <= 65536.0, "{bytes} bytes");
    let kept = entries(&host, "header");
    assert!(kept > 100.0 && kept < 2000.0, "{kept} entries");
    assert_eq!(home(&host, "user-1999"), home(&host, "user-1999"));
    assert_eq!(faults(&host), 0.0, "a full table is no fault");
}
