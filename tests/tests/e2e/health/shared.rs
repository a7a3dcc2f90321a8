//! One check for each question and address, however many pools ask it.

use trimtab_tests::{Backend, Setup, eventually};

use super::{QUICK, becomes, health};

/// Checks that control has counted for a backend of a pool.
fn checks(host: &trimtab_tests::Host, pool: &str) -> u64 {
    host.backend(pool, "a")["health"]["passed"].as_u64().unwrap_or_default()
}

#[test]
fn two_pools_share_a_check() {
    let a = Backend::status("a", 200);
    let other = |check: &str| {
        format!(
            "[[route]]\npath = '/other'\npool = 'other'\n[pool.other]\nbackends = [{}]\nhealth = {{ {check} }}",
            a.entry()
        )
    };
    let check = format!("http = '/healthz', {QUICK}");
    let pool = format!("health = {{ {check} }}");
    let host = Setup::over(&[&a]).pool(&pool).more(&other(&check)).start();
    eventually("it was asked some times", || a.requests() >= 10);
    let (web, other_pool) = (checks(&host, "web"), checks(&host, "other"));
    let asked = a.requests() as u64;
    assert!(web + 2 > asked && other_pool + 2 > asked, "{web} and {other_pool} of {asked}");
    assert!(web <= asked && other_pool <= asked, "{web} and {other_pool} of {asked}");

    // Another question is another check.
    let different = Setup::over(&[&a]).pool(&pool).more(&other("http = '/other', interval = '100ms'")).text();
    host.reloaded(&different);
    let paths = || a.seen().iter().map(|request| request.target.clone()).collect::<std::collections::BTreeSet<_>>();
    eventually("both are asked", || paths().len() == 2);
}

#[test]
fn each_pool_has_thresholds_of_its_own() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        exchange.respond(if exchange.connection < 3 { 200 } else { 500 }, "", "")
    });
    let other = "interval = '100ms', timeout = '100ms', fall = 1000";
    let more = format!(
        "[[route]]\npath = '/other'\npool = 'other'\n[pool.other]\nbackends = [{}]\nhealth = {{ http = '/', {other} }}",
        a.entry()
    );
    let host = Setup::over(&[&a]).pool(&format!("health = {{ http = '/', {QUICK} }}")).more(&more).start();
    becomes(&host, "a", "unhealthy");
    assert_eq!(host.backend("other", "a")["health"]["state"], "healthy");
    assert_eq!(host.backend("other", "a")["health"]["last"], health(&host, "a")["last"]);
}
