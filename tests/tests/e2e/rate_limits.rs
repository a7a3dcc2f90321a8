//! Rate limits of listeners and routes, by key and over two workers.

use trimtab_tests::{Backend, Host, Response, Setup};

/// Statuses of so many requests, each on a connection of its own, with a key.
fn statuses(host: &Host, key: &str, requests: usize) -> Vec<u16> {
    (0..requests).map(|_| host.client().get_with("/", &format!("x-key: {key}\r\n")).status).collect()
}

fn passed(statuses: &[u16]) -> usize {
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

fn limited(response: &Response, most: u32) {
    assert_eq!((response.status, response.reason()), (429, "rate-limited"));
    let seconds = response.headers.get("retry-after").and_then(|text| text.parse().ok()).unwrap_or_default();
    assert!((1..=most).contains(&seconds), "retry-after: {seconds}");
}

#[test]
fn each_key_has_its_own_limit_over_all_workers() {
    let a = Backend::echo("a");
    let limit = "rate_limit = { rate = \"1/h\", burst = 20, key = [\"header:x-key\", \"client-address\"] }";
    let host = Setup::over(&[&a]).listener(limit).start();
    assert_eq!(passed(&statuses(&host, "one", 40)), 20);
    assert_eq!(passed(&statuses(&host, "two", 25)), 20);
    // Without the header it is the address that counts.
    let mut client = host.client();
    assert_eq!((0..30).filter(|_| client.get("/").status == 200).count(), 20);
    limited(&client.get("/"), 3600);
    assert_eq!(a.requests(), 60);
    let limited = host.metrics().sum("trimtab_limited_total", &[("listener", "web")]);
    assert_eq!(limited, 20.0 + 5.0 + 10.0 + 1.0);
}

#[test]
fn a_limit_is_exact_under_load() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("rate_limit = { rate = \"1/h\", burst = 500 }").start();
    let passed: usize = std::thread::scope(|scope| {
        let ask = || {
            let mut client = host.client();
            (0..200).filter(|_| client.get("/").status == 200).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(passed, 500);
}

#[test]
fn a_route_has_a_limit_beside_the_listeners_and_a_rate_comes_back() {
    let a = Backend::echo("a");
    let route = "[[route]]\npath = \"/api\"\npool = \"web\"\nrate_limit = { rate = \"20/s\", burst = 1 }";
    let host = Setup::over(&[&a]).more(route).start();
    let mut client = host.client();
    assert!((0..20).all(|_| client.get("/").status == 200), "others are not limited");
    assert_eq!(client.get("/api").status, 200);
    limited(&client.get("/api"), 1);
    trimtab_tests::eventually("it may ask again", || client.get("/api").status == 200);
    assert!(host.metrics().sum("trimtab_limited_total", &[("route", "route-1")]) >= 1.0);
}

#[test]
fn a_limit_goes_on_over_a_reload_that_leaves_it() {
    let a = Backend::echo("a");
    let with = |burst: u32, pool: &str| {
        let limit = format!("rate_limit = {{ rate = \"1/h\", burst = {burst} }}");
        Setup::over(&[&a]).listener(&limit).pool(pool)
    };
    let host = with(3, "").start();
    assert_eq!(passed(&statuses(&host, "", 5)), 3);
    host.reloaded(&with(3, "retries = 1").text());
    assert_eq!(passed(&statuses(&host, "", 2)), 0);
    host.reloaded(&with(4, "retries = 1").text());
    assert_eq!(passed(&statuses(&host, "", 5)), 4, "another limit begins anew");
}
