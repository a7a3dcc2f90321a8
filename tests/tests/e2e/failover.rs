//! The whole of it together: real processes are killed, stopped, restarted and slow under load, and clients do not notice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trimtab_tests::{Client, Host, Setup, Spawned, eventually, under_load};

const CHECKS: &str = "health = { http = '/', interval = '200ms', timeout = '200ms', rise = 2, fall = 2 }";

fn three() -> [Spawned; 3] {
    ["a", "b", "c"].map(Spawned::new)
}

fn pool_of(backends: &[Spawned], pool: &str) -> Host {
    let host = Setup::of(backends.iter().map(Spawned::entry)).pool(CHECKS).pool(pool).start();
    let mut seen = std::collections::BTreeSet::new();
    eventually("all answer", || {
        seen.insert(host.get("/").backend().to_owned());
        seen.len() == backends.len()
    });
    host
}

fn state(host: &Host, id: &str) -> String {
    host.backend("web", id)["state"].as_str().unwrap_or_default().to_owned()
}

/// What one request took, and who answered it with what.
struct Answered {
    at: Instant,
    took: Duration,
    status: u16,
    backend: String,
}

/// Clients that ask on and on, each on a connection of its own, while `work` goes on. By client, in order.
fn clients<R>(host: &Host, count: usize, work: impl FnOnce() -> R) -> (R, Vec<Vec<Answered>>) {
    let (done, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let worked = std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let (mut client, mut answers) = (Client::connect(host.address()), Vec::new());
                while !done.load(Ordering::Relaxed) {
                    let at = Instant::now();
                    let response = client.get("/");
                    let backend = response.backend().to_owned();
                    answers.push(Answered { at, took: at.elapsed(), status: response.status, backend });
                }
                all.lock().expect("a client has failed").push(answers);
            });
        }
        let worked = work();
        done.store(true, Ordering::Relaxed);
        worked
    });
    (worked, all.into_inner().expect("a client has failed"))
}

#[test]
fn a_kill_loses_no_request() {
    let mut backends = three();
    let host = pool_of(&backends, "");
    for victim in &mut backends {
        let id = victim.name().to_owned();
        under_load(host.address(), || {
            victim.kill();
            eventually("it is out", || state(&host, &id) == "down");
            victim.restart();
            eventually("it is back", || state(&host, &id) == "ready");
        });
    }
}

#[test]
fn a_kill_without_checks_loses_no_request() {
    let mut backends = three();
    let host = Setup::of(backends.iter().map(Spawned::entry)).start();
    under_load(host.address(), || {
        let answered = || host.metrics().sum("trimtab_backend_requests_total", &[("outcome", "success")]);
        let before = answered();
        backends[1].kill();
        eventually("the others go on", || answered() > before + 1000.0);
    });
}

#[test]
fn a_stopped_backend_costs_each_client_one_wait_at_most() {
    let backends = three();
    let host = pool_of(&backends, "response_timeout = '1m'");
    let ((), answered) = clients(&host, 8, || {
        backends[0].stop();
        eventually("it is out", || state(&host, "a") == "down");
        let enough = || host.metrics().sum("trimtab_requests_total", &[]);
        let before = enough();
        eventually("the others go on", || enough() > before + 1000.0);
    });
    // Nobody waits for the timeout of a minute: a check finds out, and who waits there is taken elsewhere.
    for answers in &answered {
        assert!(answers.iter().all(|answer| answer.status == 200));
        let waits: Vec<_> = answers.iter().filter(|answer| answer.took > Duration::from_millis(250)).collect();
        assert!(waits.len() <= 1, "{} waits", waits.len());
        assert!(waits.iter().all(|answer| answer.took < Duration::from_secs(10)));
    }
    backends[0].proceed();
}

#[test]
fn a_restarted_backend_gets_no_herd() {
    let mut backends = three();
    // Who has fewest requests in flight would get all of them.
    let host = pool_of(&backends, "balancer = 'least-connections'\nslow_start = '12s'");
    backends[0].kill();
    eventually("it is out", || state(&host, "a") == "down");
    backends[0].restart();
    let ((back, held), answered) = clients(&host, 8, || {
        eventually("it is back", || state(&host, "a") == "ready");
        let (back, mut held) = (Instant::now(), Vec::new());
        while back.elapsed() < Duration::from_millis(600) {
            held.push(host.backend("web", "a")["in_flight"].as_u64().unwrap_or(u64::MAX));
        }
        (back, held)
    });
    let soon = answered.iter().flatten().filter(|answer| answer.at > back);
    assert!(soon.clone().count() > 0 && soon.clone().all(|answer| answer.status == 200));
    // With a tenth of the weight it has one request at a time, whoever else is how busy; with all of it, it would have a
    // third of the eight.
    let mean = held.iter().sum::<u64>() as f64 / held.len() as f64;
    assert!(mean < 2.0, "{mean} requests at a time: {held:?}");
    eventually("it gets its share", || {
        let ((), answered) =
            clients(&host, 8, || trimtab_tests::wait::until(Instant::now() + Duration::from_millis(200)));
        let all: Vec<_> = answered.iter().flatten().collect();
        all.iter().filter(|answer| answer.backend == "a").count() * 5 > all.len()
    });
}

#[test]
fn all_down_is_answered_at_once_and_ends() {
    let mut backends = three();
    let host = pool_of(&backends, "");
    backends.iter_mut().for_each(Spawned::kill);
    eventually("nobody is ready", || ["a", "b", "c"].iter().all(|id| state(&host, id) == "down"));
    let ((), answered) = clients(&host, 4, || {
        eventually("all are refused", || host.metrics().sum("trimtab_requests_total", &[("code", "5xx")]) > 1000.0);
    });
    let slow = answered.iter().flatten().filter(|answer| answer.took > Duration::from_millis(250)).count();
    let all = answered.iter().map(Vec::len).sum::<usize>();
    assert!(slow * 100 <= all, "{slow} of {all} took long to be refused");
    backends.iter_mut().for_each(Spawned::restart);
    eventually("all are back", || ["a", "b", "c"].iter().all(|id| state(&host, id) == "ready"));
    let ((), answered) = clients(&host, 4, || {
        let served = || host.metrics().sum("trimtab_requests_total", &[("code", "2xx")]);
        let before = served();
        eventually("all are served", || served() > before + 500.0);
    });
    assert!(answered.iter().flatten().all(|answer| answer.status == 200));
}
