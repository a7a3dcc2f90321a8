//! Checks follow what changes: backends by the admin API, and everything by a reload.

use trimtab_tests::{Backend, Setup, Spawned, eventually};

use super::{QUICK, answered_by, becomes, failure, health, state};

fn pool(check: &str) -> String {
    format!("retries = 0\nhealth = {{ {check}, {QUICK} }}")
}

#[test]
fn backends_come_move_and_go_at_run_time() {
    let (a, mut b, c) = (Backend::echo("a"), Spawned::new("b"), Backend::echo("c"));
    let host = Setup::over(&[&a]).pool(&pool("http = '/'")).start();
    let path = "/pools/web/backends/b";
    let put = |address: &str| host.admin("PUT", path, &format!(r#"{{"address":"{address}"}}"#)).0;
    assert_eq!(put(&b.address().to_string()), 201);
    becomes(&host, "b", "healthy");
    b.kill();
    becomes(&host, "b", "unhealthy");
    answered_by(&host, &["a"]);
    assert_eq!(put(&c.address().to_string()), 200);
    becomes(&host, "b", "healthy");
    answered_by(&host, &["a", "c"]);
    assert_eq!(host.admin("DELETE", path, "").0, 204);
    let asked = c.requests();
    let before = a.requests();
    eventually("others are checked on", || a.requests() > before + 5);
    assert!(c.requests() <= asked + 1, "nobody checks what has left");
}

#[test]
fn who_is_down_initially_is_let_in_by_its_first_success() {
    let (a, mut b) = (Backend::echo("a"), Spawned::new("b"));
    b.kill();
    let setup = Setup::of([a.entry(), b.entry()]).pool(&pool("http = '/', initial = 'down'"));
    let host = setup.start();
    answered_by(&host, &["a"]);
    b.restart();
    answered_by(&host, &["a", "b"]);
    // The same for who comes later.
    let c = Spawned::new("c");
    c.stop();
    let body = format!(r#"{{"address":"{}"}}"#, c.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/c", &body).0, 201);
    assert!((0..20).all(|_| host.get("/").backend() != "c"));
    c.proceed();
    answered_by(&host, &["a", "b", "c"]);
}

#[test]
fn a_reload_keeps_what_is_known() {
    let (a, mut b) = (Backend::echo("a"), Spawned::new("b"));
    let entries = [a.entry(), b.entry()];
    let setup = |more: &str| Setup::of(entries.clone()).pool(&(pool("http = '/'") + "\n" + more));
    let host = setup("").start();
    b.kill();
    becomes(&host, "b", "unhealthy");
    answered_by(&host, &["a"]);
    let (known, failed) = (health(&host, "b"), |health: &serde_json::Value| health["failed"].as_u64());
    for more in ["idle_timeout = '30s'", "max_idle = 7"] {
        host.reloaded(&setup(more).text());
        let now = health(&host, "b");
        assert_eq!((&now["state"], &now["last"]), (&known["state"], &known["last"]), "{now}");
        assert!(failed(&now) >= failed(&known), "{now}");
        assert!((0..10).all(|_| host.get("/").backend() == "a"));
    }
    // Another question changes the state only by its answers.
    let other = Setup::of(entries).pool(&pool("tcp = true"));
    host.reloaded(&other.text());
    assert_eq!(state(&host, "b"), "unhealthy");
    assert!((0..10).all(|_| host.get("/").backend() == "a"));
    b.restart();
    answered_by(&host, &["a", "b"]);
}

#[test]
fn without_checks_all_are_well_again() {
    let (a, b) = (Backend::echo("a"), Backend::status("b", 500));
    let checked = Setup::over(&[&a, &b]).pool(&pool("http = '/'")).text();
    let unchecked = Setup::over(&[&a, &b]).pool("retries = 0").text();
    let host = trimtab_tests::Host::start(&checked);
    becomes(&host, "b", "unhealthy");
    host.reloaded(&unchecked);
    assert!(health(&host, "b").is_null());
    answered_by(&host, &["a", "b"]);
    host.reloaded(&checked);
    becomes(&host, "b", "unhealthy");
    answered_by(&host, &["a"]);
}

#[test]
fn a_shorter_interval_holds_at_once() {
    let a = Backend::echo("a");
    let of =
        |interval: &str| Setup::over(&[&a]).pool(&format!("health = {{ http = '/', interval = '{interval}' }}")).text();
    let host = trimtab_tests::Host::start(&of("1h"));
    becomes(&host, "a", "healthy");
    host.reloaded(&of("50ms"));
    let before = a.requests();
    eventually("it is asked often now", || a.requests() > before + 5);
    assert_eq!(failure(&host, "a"), "");
}
