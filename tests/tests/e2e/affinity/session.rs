//! The affinity `app-cookie`: the session that the application opens is followed.

use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_tests::{Backend, Host, Setup};

use super::{Browser, MANY, entries, faults, found, set_state};

/// Opens a session at `/login`, in this form (`#` is the session), and serves the rest.
fn application(name: &str, form: &'static str) -> Backend {
    let sessions = AtomicUsize::new(0);
    Backend::new(name, move |exchange| {
        exchange.body()?;
        if exchange.request.target != "/login" {
            return exchange.echo();
        }
        let session = format!("{}{:04}", exchange.name().to_uppercase(), sessions.fetch_add(1, Ordering::SeqCst));
        exchange.respond(200, &format!("set-cookie: {}\r\n", form.replace('#', &session)), session)
    })
}

const FORM: &str = "JSESSIONID=#; Path=/; HttpOnly";

fn start(backends: &[&Backend], settings: &str) -> Host {
    Setup::over(backends)
        .pool(&format!("affinity = {{ plugin = 'app-cookie', name = 'JSESSIONID'{settings} }}"))
        .start()
}

#[test]
fn a_session_is_learned_from_the_response_and_followed_on_all_workers() {
    let [a, b] = ["a", "b"].map(|name| application(name, FORM));
    let host = start(&[&a, &b], "");
    for id in ["a", "b", "a", "b"] {
        let mut browser = Browser::default();
        let login = browser.get(&host, "/login");
        assert_eq!(login.backend(), id, "a login is the balancer's");
        assert_eq!(login.headers.all("set-cookie").len(), 1, "no cookie is added");
        for _ in 0..MANY {
            assert_eq!(browser.get(&host, "/").backend(), id);
        }
    }
    assert_eq!((entries(&host, "app-cookie"), faults(&host)), (4.0, 0.0));
    assert_eq!(found(&host), 4.0 * MANY as f64);
}

#[test]
fn a_session_that_is_renamed_stays() {
    let [a, b] = ["a", "b"].map(|name| application(name, FORM));
    let host = start(&[&a, &b], "");
    let mut browser = Browser::default();
    browser.get(&host, "/login");
    let before = browser.clone();
    let again = browser.get(&host, "/login");
    assert_eq!(again.backend(), "a");
    assert_ne!(browser.cookies, before.cookies);
    assert!((0..4).all(|_| browser.get(&host, "/").backend() == "a"));
    assert_eq!(entries(&host, "app-cookie"), 2.0);
}

#[test]
fn quotes_do_not_make_it_another() {
    let [a, b] = ["a", "b"].map(|name| application(name, "JSESSIONID=\"#\"; Path=/"));
    let host = start(&[&a, &b], "");
    let session = host.get("/login").text();
    for value in [session.clone(), format!("\"{session}\"")] {
        let mut browser = Browser::with("JSESSIONID", &value);
        assert!((0..4).all(|_| browser.get(&host, "/").backend() == "a"), "{value}");
    }
    assert_eq!(entries(&host, "app-cookie"), 1.0);
}

#[test]
fn without_cookies_it_is_in_the_path() {
    let [a, b] = ["a", "b"].map(|name| application(name, FORM));
    let host = start(&[&a, &b], ", path_parameter = 'jsessionid'");
    let sessions = ["a", "b"].map(|_| host.get("/login").text());
    for (session, id) in sessions.iter().zip(["a", "b"]) {
        for target in ["/app;jsessionid=#", "/app;v=1;jsessionid=#/page?q=1", "/;jsessionid=#;w=2"] {
            let target = target.replace('#', session);
            assert!((0..4).all(|_| host.get(&target).backend() == id), "{target}");
        }
    }
    let mut browser = Browser::with("JSESSIONID", &sessions[1]);
    let both = browser.get(&host, &format!("/;jsessionid={}", sessions[0]));
    assert_eq!(both.backend(), "b", "the cookie comes first");
}

#[test]
fn names_that_end_differently_each_time() {
    let [a, b] = ["a", "b"].map(|name| application(name, "ASPSESSIONID#=XYZ; path=/"));
    let affinity = "affinity = { plugin = 'app-cookie', name = 'ASPSESSIONID', prefix = true }";
    let host = Setup::over(&[&a, &b]).pool(affinity).start();
    for id in ["a", "b"] {
        let mut browser = Browser::default();
        assert_eq!(browser.get(&host, "/login").backend(), id);
        assert!((0..8).all(|_| browser.get(&host, "/").backend() == id));
    }
}

#[test]
fn a_session_that_is_not_known_is_bound_to_the_backend_that_takes_it() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "");
    let mut browsers = ["one", "two"].map(|session| Browser::with("JSESSIONID", session));
    let homes = browsers.each_mut().map(|browser| browser.get(&host, "/").backend().to_owned());
    assert_eq!(homes, ["a", "b"]);
    for _ in 0..8 {
        assert_eq!(browsers.each_mut().map(|browser| browser.get(&host, "/").backend().to_owned()), homes);
    }
    assert_eq!(entries(&host, "app-cookie"), 2.0);
}

#[test]
fn or_not_where_only_the_application_may_open_one() {
    let [a, b] = ["a", "b"].map(|name| application(name, FORM));
    let host = start(&[&a, &b], ", request_learn = false");
    let mut unknown = Browser::with("JSESSIONID", "made-up");
    let order: Vec<_> = (0..4).map(|_| unknown.get(&host, "/").backend().to_owned()).collect();
    assert_eq!(order, ["a", "b", "a", "b"]);
    assert_eq!((entries(&host, "app-cookie"), found(&host)), (0.0, 0.0));
    let mut browser = Browser::default();
    let login = browser.get(&host, "/login").backend().to_owned();
    assert!((0..8).all(|_| browser.get(&host, "/").backend() == login));
}

#[test]
fn a_session_that_ends_is_not_learned_again() {
    let a = Backend::new("a", |exchange| {
        exchange.respond(200, "set-cookie: JSESSIONID=; Max-Age=0\r\nset-cookie: JSESSIONIDX=1\r\n", "bye")
    });
    let host = start(&[&a], "");
    assert_eq!(host.get("/logout").text(), "bye");
    assert_eq!((entries(&host, "app-cookie"), faults(&host)), (0.0, 0.0));
}

#[test]
fn a_session_moves_when_its_backend_is_down_and_the_application_opens_another() {
    let [a, b] = ["a", "b"].map(|name| application(name, FORM));
    let host = start(&[&a, &b], "");
    let mut browser = Browser::default();
    assert_eq!(browser.get(&host, "/login").backend(), "a");
    set_state(&host, "a", "down");
    assert_eq!(browser.get(&host, "/login").backend(), "b");
    set_state(&host, "a", "ready");
    assert!((0..8).all(|_| browser.get(&host, "/").backend() == "b"));
    assert_eq!(faults(&host), 0.0);
}
