//! Whose cookies are good: those of the same `secret_file`, over fellow balancers and restarts.

use trimtab_tests::{Backend, Folder, Host, Setup};

use super::{Browser, faults, found};

/// A host with the secret of this text, or with one of its own.
fn start(backends: &[&Backend], secret: Option<&str>, settings: &str) -> Host {
    let folder = Folder::new();
    let setup = Setup::over(backends).pool(&format!("affinity = {{ plugin = 'cookie'{settings} }}"));
    match secret {
        Some(text) => {
            folder.write("secret", text);
            setup.server("secret_file = 'secret'").start_in(folder)
        }
        None => setup.start_in(folder),
    }
}

const SECRET: &str = "correct horse battery staple\n";

/// Two browsers, bound to `a` and to `b`.
fn two(host: &Host) -> [Browser; 2] {
    let mut browsers = [Browser::default(), Browser::default()];
    for (browser, id) in browsers.iter_mut().zip(["a", "b"]) {
        assert_eq!(browser.get(host, "/").backend(), id);
    }
    browsers
}

#[test]
fn fellow_balancers_agree() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let one = start(&[&a, &b], Some(SECRET), "");
    // The order and company of the backends does not matter, nor the end of the file's line.
    let other = start(&[&c, &b, &a], Some(SECRET.trim_end()), "");
    for (mut browser, id) in two(&one).into_iter().zip(["a", "b"]) {
        let response = browser.get(&other, "/");
        assert_eq!((response.backend(), response.headers.get("set-cookie")), (id, None));
        assert_eq!(browser.get(&one, "/").backend(), id);
    }
    assert_eq!((found(&one), found(&other)), (2.0, 2.0));
}

#[test]
fn a_restart_forgets_nobody() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let mut before = start(&[&a, &b], Some(SECRET), "");
    let browsers = two(&before);
    assert!(before.stop().success());
    let after = start(&[&a, &b], Some(SECRET), "");
    for (mut browser, id) in browsers.into_iter().rev().zip(["b", "a"]) {
        let response = browser.get(&after, "/");
        assert_eq!((response.backend(), response.headers.get("set-cookie")), (id, None));
    }
    assert_eq!(found(&after), 2.0);
}

#[test]
fn after_a_restart_strict_knows_the_cookie_of_a_backend_that_is_gone() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let before = start(&[&a, &b], Some(SECRET), ", strict = true");
    let [mut at_a, mut at_b] = two(&before);
    drop(before);
    let after = start(&[&b], Some(SECRET), ", strict = true");
    let response = at_a.get(&after, "/");
    assert_eq!((response.status, response.reason()), (503, "refused-by-plugin"));
    assert_eq!(at_b.get(&after, "/").backend(), "b");
}

#[test]
fn without_a_secret_a_restart_forgets_and_says_so() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for strict in ["", ", strict = true"] {
        let mut before = start(&[&a, &b], None, strict);
        assert!(before.log().contains("secret_file"), "it is warned of");
        let [mut browser, _] = two(&before);
        assert!(before.stop().success());
        let after = start(&[&a, &b], None, strict);
        assert_eq!(after.get("/").backend(), "a");
        let response = browser.get(&after, "/");
        let set = response.headers.all("set-cookie").len();
        assert_eq!((response.status, response.backend(), set), (200, "b", 1), "a new client, whose turn it is");
        assert_eq!((found(&after), faults(&after)), (0.0, 0.0));
    }
}

#[test]
fn another_secret_is_another_cookie() {
    let a = Backend::echo("a");
    let [one, other] = [SECRET, "correct horse battery stable\n"].map(|secret| start(&[&a], Some(secret), ""));
    let mut browser = Browser::default();
    browser.get(&one, "/");
    assert_eq!(browser.get(&other, "/").headers.all("set-cookie").len(), 1);
    assert_eq!((found(&other), faults(&other)), (0.0, 0.0));
}
