//! A pool of a thousand backends is checked evenly, by control alone.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use trimtab_tests::{Setup, eventually};

/// Backends.
const MANY: usize = 1000;
/// Time between two checks of each.
const INTERVAL: Duration = Duration::from_secs(2);

/// Listens on all of 127.0.0.0/8, and notes when each connection was made.
fn noting() -> (SocketAddr, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let address = listener.local_addr().expect("a listener has an address");
    let times = Arc::new(Mutex::new(Vec::new()));
    std::thread::spawn({
        let times = Arc::clone(&times);
        move || {
            for _ in listener.incoming() {
                times.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
        }
    });
    (address, times)
}

#[test]
fn a_thousand_backends_are_checked_without_bursts() {
    const SLOT: Duration = Duration::from_millis(100);
    let (address, times) = noting();
    let backends = (0..MANY).map(|n| format!("'127.3.{}.{}:{}'", n / 250, n % 250 + 1, address.port()));
    let host = Setup::of(backends).pool("health = { tcp = true, interval = '2s', timeout = '1s' }").start();
    let workers = host.thread_time("worker");
    let taken = || times.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // All of them, and two more rounds.
    eventually("each was checked several times", || taken().len() >= 3 * MANY);
    let spent = host.thread_time("worker") - workers;
    let taken = taken();
    let from = taken[0] + INTERVAL;
    let until = *taken.last().expect("there are some");
    let slots = ((until - from).as_nanos() / SLOT.as_nanos()) as usize;
    let mut counts = vec![0; slots];
    for time in taken.iter().filter(|time| **time >= from) {
        if let Some(count) = counts.get_mut(((*time - from).as_nanos() / SLOT.as_nanos()) as usize) {
            *count += 1;
        }
    }
    // Evenly, it would be a twentieth of them in each slot. What a busy machine holds up comes a little later.
    let even = MANY * SLOT.as_millis() as usize / INTERVAL.as_millis() as usize;
    let most = counts.iter().max().copied().unwrap_or_default();
    let crowded = counts.iter().filter(|count| **count > 2 * even).count();
    assert!(most <= 5 * even && crowded * 10 <= slots, "{even} in each slot would be even: {counts:?}");
    let first_second = taken.iter().filter(|time| **time < taken[0] + Duration::from_millis(1500)).count();
    assert!(first_second >= MANY / 2, "the first checks are soon: {first_second}");
    assert!(spent < Duration::from_millis(20), "workers spent {spent:?} on what is not theirs");
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_backend_healthy", &[]), MANY as f64);
    assert_eq!(metrics.sum("trimtab_health_checks_total", &[("result", "failed")]), 0.0);
}
