//! A host that nothing is asked of sleeps, and one that has to wait for a core blames no plugin.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trimtab_tests::{Backend, Folder, Host, Setup, eventually, plugin};

/// How long a host that is quiet is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Wakeups of all threads in a second.
const FEW: f64 = 20.0;

/// Context switches a second, over a while.
fn wakeups(host: &Host, time: Duration) -> f64 {
    let (begin, before) = (Instant::now(), host.switches());
    eventually("time passes", || begin.elapsed() >= time);
    (host.switches() - before) as f64 / begin.elapsed().as_secs_f64()
}

/// What was asked of it last may take a moment; then it sleeps.
fn sleeps(host: &Host, when: &str) {
    let mut seen = Vec::new();
    eventually(&format!("it sleeps {when}"), || {
        seen.push(wakeups(host, LOOK));
        seen.last().is_some_and(|wakeups| *wakeups < FEW)
    });
    eprintln!("{seen:.1?} wakeups a second {when}");
}

/// Two backends behind this fixture. Connections to them are kept, and watched.
fn behind(fixture: &str, lines: &str) -> (Host, [Backend; 2]) {
    let backends = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer(fixture));
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{lines}");
    let setup = Setup::over(&[&backends[0], &backends[1]]).pool("balancer = 'mine'").more(&section);
    (setup.start_in(folder), backends)
}

#[test]
fn an_idle_process_sleeps_after_all_that_happened() {
    let (host, _backends) = behind("pass.wat", "");
    sleeps(&host, "after the start");
    for _ in 0..100 {
        assert_eq!(host.get("/").status, 200);
    }
    sleeps(&host, "after requests");
    assert_eq!(host.swap("mine", &plugin::balancer("pass.wat")).status, 200);
    assert_eq!(host.get("/").status, 200);
    sleeps(&host, "after a swap");
}

#[test]
fn an_idle_process_sleeps_behind_an_open_breaker() {
    let breaker = "breaker = { faults = 5, window = '10s', delay = '200ms', max_delay = '1s' }";
    let (host, _backends) = behind("trap.wat", breaker);
    eventually("it opens", || {
        assert_eq!(host.get("/").status, 200);
        host.metrics().sum("trimtab_breaker_opened_total", &[]) > 0.0
    });
    sleeps(&host, "while it is open, and half-open without a request");
}

#[test]
fn a_plugin_that_waits_for_a_core_is_not_to_blame() {
    let (host, _backends) = behind("first.wat", "");
    let (busy, end) = (AtomicBool::new(true), Instant::now() + Duration::from_secs(3));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) && Instant::now() < end {
                    std::hint::spin_loop();
                }
            });
        }
        let load = || {
            let mut client = host.client();
            for _ in 0..200 {
                assert_eq!(client.get("/").status, 200);
            }
        };
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(load)).collect();
        let failed = clients.into_iter().any(|client| client.join().is_err());
        busy.store(false, Ordering::Relaxed);
        assert!(!failed, "no request fails");
    });
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_plugin_faults_total", &[]), 0.0, "{}", host.log());
    assert_eq!(metrics.sum("trimtab_fallbacks_total", &[]), 0.0);
}

#[test]
fn idle_connections_hold_no_buffers() {
    const CONNECTIONS: usize = 1000;
    /// One buffer of a parser is 8 KiB, and there are two.
    const MOST: usize = 9 << 10;
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let idle = || -> Vec<_> {
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| host.client()).collect();
        clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
        // They doze after one of these seconds.
        let begin = Instant::now();
        eventually("time passes", || begin.elapsed() >= LOOK);
        clients
    };
    let first = idle();
    let before = host.memory();
    let second = idle();
    let each = host.memory().saturating_sub(before) / CONNECTIONS;
    eprintln!("{each} bytes for an idle connection");
    assert!(each < MOST, "what the first held serves the second: {each} bytes for each");
    drop((first, second));
}
