//! Real processes that are killed, stopped and restarted, under load.

use trimtab_tests::{Host, Setup, Spawned, eventually, under_load};

use super::{answered_by, becomes, failure, health};

const FALL: u64 = 3;
const RISE: u64 = 2;

fn pool_of(backends: &[Spawned]) -> Host {
    let check = "http = '/', interval = '200ms', timeout = '150ms', rise = 2, fall = 3";
    // What a stopped backend holds up is taken elsewhere.
    Setup::of(backends.iter().map(Spawned::entry))
        .pool(&format!("health = {{ {check} }}\nretries = 3\nresponse_timeout = '5s'"))
        .start()
}

fn count(host: &Host, id: &str, result: &str) -> u64 {
    health(host, id)[result].as_u64().unwrap_or_default()
}

fn three() -> [Spawned; 3] {
    ["a", "b", "c"].map(Spawned::new)
}

#[test]
fn a_killed_backend_leaves_and_comes_back() {
    let mut backends = three();
    let host = pool_of(&backends);
    answered_by(&host, &["a", "b", "c"]);
    eventually("all were checked twice", || ["a", "b", "c"].iter().all(|id| count(&host, id, "passed") >= 2));
    let before = count(&host, "a", "failed");
    under_load(host.address(), || {
        backends[0].kill();
        becomes(&host, "a", "unhealthy");
    });
    assert_eq!(failure(&host, "a"), "connection refused");
    // Looking takes time, too: one check more may have been counted.
    let failed = count(&host, "a", "failed") - before;
    assert!((FALL..=FALL + 1).contains(&failed), "{failed} failures");
    answered_by(&host, &["b", "c"]);

    let before = count(&host, "a", "passed");
    under_load(host.address(), || {
        backends[0].restart();
        becomes(&host, "a", "healthy");
    });
    let passed = count(&host, "a", "passed") - before;
    assert!((RISE..=RISE + 1).contains(&passed), "{passed} successes");
    answered_by(&host, &["a", "b", "c"]);
}

#[test]
fn a_stopped_backend_leaves_and_comes_back() {
    let backends = three();
    let host = pool_of(&backends);
    eventually("all were checked twice", || ["a", "b", "c"].iter().all(|id| count(&host, id, "passed") >= 2));
    let before = count(&host, "b", "failed");
    backends[1].stop();
    becomes(&host, "b", "unhealthy");
    let failed = count(&host, "b", "failed") - before;
    assert!((FALL..=FALL + 1).contains(&failed), "{failed} failures");
    assert_eq!(failure(&host, "b"), "no response within 150ms");
    under_load(host.address(), || answered_by(&host, &["a", "c"]));

    let before = count(&host, "b", "passed");
    backends[1].proceed();
    becomes(&host, "b", "healthy");
    let passed = count(&host, "b", "passed") - before;
    assert!((RISE..=RISE + 1).contains(&passed), "{passed} successes");
    answered_by(&host, &["a", "b", "c"]);
}

#[test]
fn all_down_is_a_fast_503_and_recovers() {
    let mut backends = three();
    let host = pool_of(&backends);
    backends.iter_mut().for_each(Spawned::kill);
    ["a", "b", "c"].into_iter().for_each(|id| becomes(&host, id, "unhealthy"));
    eventually("nobody is asked", || host.get("/").status == 503);
    let attempts = || host.metrics().sum("trimtab_backend_requests_total", &[]);
    let before = attempts();
    assert!((0..20).all(|_| host.get("/").status == 503));
    assert_eq!(attempts(), before, "nobody is tried");
    backends.iter_mut().for_each(Spawned::restart);
    answered_by(&host, &["a", "b", "c"]);
}
