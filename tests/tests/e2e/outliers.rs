//! Backends that their own outcomes take out of the pool, and the one request that brings them back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use trimtab_tests::{Backend, Host, Setup, Tally, eventually};

/// A backend that fails while it is told to; it counts what it got.
struct Moody {
    backend: Backend,
    fails: Arc<AtomicBool>,
}

impl Moody {
    /// Answers 500 to every nth request while it is in a mood.
    fn new(name: &str, nth: usize) -> Self {
        let fails = Arc::new(AtomicBool::new(true));
        let (mood, count) = (Arc::clone(&fails), AtomicUsize::new(0));
        let backend = Backend::new(name, move |exchange| {
            exchange.body()?;
            let fails = mood.load(Ordering::SeqCst) && count.fetch_add(1, Ordering::SeqCst).is_multiple_of(nth);
            exchange.respond(if fails { 500 } else { 200 }, "", "")
        });
        Self { backend, fails }
    }

    fn set(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }
}

/// So many requests, answered well or not.
fn ask(host: &Host, requests: usize) {
    let mut client = host.client();
    (0..requests).for_each(|_| drop(client.get("/")));
}

fn because(host: &Host, id: &str) -> String {
    host.backend("web", id)["because"]
        .as_array()
        .map_or(String::new(), |why| why.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" "))
}

fn ejected(host: &Host, id: &str) -> f64 {
    host.metrics().sum("trimtab_backend_ejected", &[("pool", "web"), ("backend", id)])
}

#[test]
fn errors_in_a_row_eject_and_a_trial_brings_back() {
    let (a, b, c) = (Moody::new("a", 1), Backend::echo("b"), Backend::echo("c"));
    let pool = "outlier = { consecutive_errors = 3, ejection = '300ms' }";
    let host = Setup::over(&[&a.backend, &b, &c]).pool(pool).start();
    let mut clients = 0;
    eventually("it is out", || {
        clients += usize::from(host.get("/").status == 500);
        because(&host, "a") == "ejected"
    });
    assert!(clients >= 3, "not before the third: {clients}");
    assert_eq!(ejected(&host, "a"), 1.0);
    assert_eq!(host.backend("web", "a")["state"], "down");
    // It fails its trials: each costs one request, and the time grows.
    let before = a.backend.requests();
    eventually("it was tried", || {
        let _ = host.get("/");
        a.backend.requests() >= before + 2
    });
    eventually("it is out again", || because(&host, "a") == "ejected");
    assert!(host.log().contains("ejected again: it failed its trial"));
    a.set(false);
    eventually("it is back", || {
        let _ = host.get("/");
        because(&host, "a").is_empty()
    });
    let tally = Tally::of(&host, 30);
    assert_eq!((tally.by("a"), tally.by("b")), (10, 10));
}

/// While it is on trial, whoever asks: one request and no more.
#[test]
fn a_trial_is_one_request() {
    let gate = trimtab_tests::Gate::default();
    let held = gate.backend("a");
    // What stands where: `a` refuses first, then holds whatever comes.
    let (b, c) = (Backend::echo("b"), Backend::echo("c"));
    let fails = Arc::new(AtomicBool::new(true));
    let mood = Arc::clone(&fails);
    let front = Backend::new("a", move |exchange| {
        exchange.body()?;
        if mood.load(Ordering::SeqCst) {
            return exchange.respond(500, "", "");
        }
        // It passes on to the one that holds, so that the test decides when it is answered.
        trimtab_tests::Client::connect(held.address()).get("/held");
        exchange.respond(200, "", "")
    });
    let pool = "outlier = { consecutive_errors = 1, ejection = '300ms' }";
    let host = Setup::over(&[&front, &b, &c]).pool(pool).start();
    eventually("it is out", || {
        let _ = host.get("/");
        because(&host, "a") == "ejected"
    });
    fails.store(false, Ordering::SeqCst);
    let before = front.requests();
    let mut held = Vec::new();
    eventually("it is tried", || {
        let mut client = host.client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        held.push(client);
        front.requests() > before
    });
    for _ in 0..50 {
        let backend = host.get("/").backend().to_owned();
        assert!(["b", "c"].contains(&backend.as_str()), "{backend}");
    }
    assert_eq!(front.requests(), before + 1, "one request, over both workers");
    assert_eq!(ejected(&host, "a"), 0.5);
    gate.open();
    assert!(held.iter_mut().all(|client| client.response().status == 200));
    eventually("it is back", || because(&host, "a").is_empty());
}

#[test]
fn one_that_fails_half_of_its_requests_is_far_below_the_rest() {
    let (a, b, c) = (Moody::new("a", 2), Backend::echo("b"), Backend::echo("c"));
    // Never two in a row: only the share can tell.
    let rate = "success_rate = 80, interval = '200ms', requests = 20, ejection = '1h'";
    let pool = format!("outlier = {{ consecutive_errors = 1000, {rate} }}");
    let host = Setup::over(&[&a.backend, &b, &c]).pool(&pool).start();
    eventually("it is out", || {
        ask(&host, 100);
        because(&host, "a") == "ejected"
    });
    assert_eq!(Tally::of(&host, 50).by("a"), 0);
    assert!(host.log().contains("far fewer of its responses are successes"), "{}", host.log());
}

#[test]
fn timeouts_and_broken_connections_count_apart() {
    let (silent, b) = (Backend::silent("a"), Backend::echo("b"));
    let pool = "response_timeout = '100ms'\n\
                outlier = { consecutive_timeouts = 2, consecutive_connect_errors = false, ejection = '1h' }";
    let host = Setup::over(&[&silent, &b]).pool(pool).start();
    eventually("it is out", || {
        assert_eq!(host.get("/").backend(), "b", "each request is answered, elsewhere");
        because(&host, "a") == "ejected"
    });
    assert!(host.log().contains("too many timeouts in a row"));
    let refusing = trimtab_tests::unreachable::Refusing::new();
    let entries = [trimtab_tests::backend::entry("a", refusing.address(), ""), b.entry()];
    let pool = "outlier = { consecutive_connect_errors = 4, ejection = '1h' }";
    let host = Setup::of(entries).pool(pool).start();
    eventually("it is out", || {
        assert_eq!(host.get("/").backend(), "b");
        because(&host, "a") == "ejected"
    });
    assert!(host.log().contains("too many connect errors in a row"));
}

#[test]
fn no_more_are_ejected_than_the_share() {
    let all: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| Moody::new(name, 1)).collect();
    let backends: Vec<_> = all.iter().map(|moody| &moody.backend).collect();
    let pool = "outlier = { consecutive_errors = 1, ejection = '1h', max_ejected = 50 }";
    let host = Setup::over(&backends).pool(pool).start();
    let out = || ["a", "b", "c", "d"].iter().filter(|id| because(&host, id) == "ejected").count();
    eventually("half of them are out", || {
        ask(&host, 10);
        out() == 2
    });
    ask(&host, 100);
    assert_eq!(out(), 2);
}

#[test]
fn an_ejection_outlives_a_reload_and_ends_with_its_setting() {
    let (a, b, c) = (Moody::new("a", 1), Backend::echo("b"), Backend::echo("c"));
    let setup = |pool: &str| Setup::over(&[&a.backend, &b, &c]).pool(pool);
    let with = setup("outlier = { consecutive_errors = 1, ejection = '1h' }");
    let host = with.start();
    eventually("it is out", || {
        let _ = host.get("/");
        because(&host, "a") == "ejected"
    });
    host.reloaded(&setup("outlier = { consecutive_errors = 2, ejection = '1h' }\nretries = 1").text());
    assert_eq!(because(&host, "a"), "ejected");
    assert_eq!(Tally::of(&host, 20).by("a"), 0);
    host.reloaded(&setup("").text());
    assert_eq!(because(&host, "a"), "");
    a.set(false);
    assert!(Tally::of(&host, 30).by("a") > 0);
}
