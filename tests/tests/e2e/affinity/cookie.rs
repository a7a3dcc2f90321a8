//! The affinity `cookie`: when it is set, what it says, and what becomes of those that are none of ours.

use trimtab_tests::{Backend, Host, Response, Setup};

use super::{Browser, MANY, entries, faults, found};

/// The cookie `trimtab` that a response sets, if it does: its value, and what follows.
fn set(response: &Response) -> Option<(String, String)> {
    let ours = |cookie: &&str| cookie.starts_with("trimtab=");
    let mut all = response.headers.all("set-cookie").into_iter().filter(ours);
    let (value, after) = all.next()?.strip_prefix("trimtab=")?.split_once("; ")?;
    assert!(all.next().is_none(), "set once: {:?}", response.headers);
    Some((value.to_owned(), after.to_owned()))
}

fn start(backends: &[&Backend], settings: &str) -> Host {
    Setup::over(backends).pool(&format!("affinity = {{ plugin = 'cookie'{settings} }}")).start()
}

#[test]
fn it_is_set_on_the_first_response_and_not_again() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "");
    let mut browser = Browser::default();
    let first = browser.get(&host, "/");
    let (value, after) = set(&first).expect("a new client gets a cookie");
    assert_eq!(after, "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(value.len(), 22, "128 bits in base64url");
    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{value}");
    for _ in 0..MANY {
        let next = browser.get(&host, "/");
        assert_eq!((next.backend(), next.headers.get("set-cookie")), (first.backend(), None), "on every worker");
    }
    assert_eq!((faults(&host), entries(&host, "cookie")), (0.0, 0.0), "nothing is remembered here");
}

#[test]
fn on_one_connection_it_is_the_cookie_that_counts() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "");
    let mut client = host.client();
    let order: Vec<_> = (0..4).map(|_| client.get("/")).collect();
    let backends: Vec<_> = order.iter().map(Response::backend).collect();
    assert_eq!(backends, ["a", "b", "a", "b"], "a client that keeps no cookie is new each time");
    assert!(order.iter().all(|response| set(response).is_some()));
    let values: Vec<_> = order.iter().filter_map(set).collect();
    assert_eq!((&values[0], &values[1]), (&values[2], &values[3]), "one value for each backend");
    assert_ne!(values[0], values[1]);
}

#[test]
fn its_attributes_are_the_settings() {
    let a = Backend::echo("a");
    let settings = ", name = '__Secure-lb', path = '/app', domain = 'example.com', max_age = '1h', secure = true, \
                    http_only = false, same_site = 'none'";
    let host = start(&[&a], settings);
    let response = host.get("/");
    let cookie = response.headers.get("set-cookie").expect("a cookie");
    let (pair, after) = cookie.split_once("; ").expect("attributes");
    assert_eq!(after, "Path=/app; Domain=example.com; Max-Age=3600; Secure; SameSite=None");
    assert!(pair.starts_with("__Secure-lb="), "{pair}");
}

#[test]
fn one_that_ends_by_the_clock_is_set_with_each_response() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], ", max_age = 60");
    let mut browser = Browser::default();
    let first = browser.get(&host, "/");
    for _ in 0..4 {
        let next = browser.get(&host, "/");
        assert_eq!((next.backend(), set(&next)), (first.backend(), set(&first)));
    }
}

#[test]
fn it_is_found_among_others_and_they_are_passed_on() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "");
    let first = host.get("/");
    let (value, _) = set(&first).expect("a cookie");
    for lines in [
        format!("cookie: x=1; trimtab={value}; y=2\r\n"),
        format!("cookie: x=1;trimtab={value}\r\n"),
        format!("cookie: x=1\r\ncookie: trimtab={value}\r\n"),
        format!("Cookie: trimtab=\"{value}\"; trimtabx=1\r\n"),
        format!("cookie: xtrimtab=1; TRIMTAB=1; ; =; trimtab={value}\r\n"),
    ] {
        for _ in 0..2 {
            let response = host.client().get_with("/", &lines);
            assert_eq!((response.backend(), set(&response)), (first.backend(), None), "{lines}");
            let seen = response.echoed().all("cookie").join("; ");
            assert!(seen.contains(&value) && seen.contains('x'), "the backend sees all of {lines}: {seen}");
        }
    }
}

/// What may come in place of a value that was given out.
fn forged(value: &str) -> Vec<Vec<u8>> {
    let mut swapped: Vec<char> = value.chars().collect();
    swapped.rotate_left(11);
    let other = |at: usize| {
        let mut bytes = value.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let mut all: Vec<Vec<u8>> = (0..value.len()).map(other).collect();
    all.extend([
        Vec::new(),
        value.as_bytes()[1..].to_vec(),
        [value.as_bytes(), b"A"].concat(),
        [value.as_bytes(), b"=="].concat(),
        [value.as_bytes(), value.as_bytes()].concat(),
        swapped.iter().collect::<String>().into_bytes(),
        b"a".to_vec(),
        b"127.0.0.1:80".to_vec(),
        b"AAAAAAAAAAAAAAAAAAAAAA".to_vec(),
        b"\xff\xfe\x80".to_vec(),
        b"%00%0d%0a".to_vec(),
        vec![b'A'; 4000],
    ]);
    all
}

#[test]
fn a_forged_one_is_a_new_client_and_no_fault() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for settings in ["", ", strict = true"] {
        let host = start(&[&a, &b], settings);
        let (value, _) = set(&host.get("/")).expect("a cookie");
        let mut client = host.client();
        let forged = forged(&value);
        let mut by = Vec::new();
        for bytes in &forged {
            client.send("GET / HTTP/1.1\r\nhost: test\r\ncookie: trimtab=").send(bytes).send("\r\n\r\n");
            let response = client.response();
            let shown = bytes.escape_ascii();
            assert_eq!(response.status, 200, "{shown}: {}", response.text());
            assert!(set(&response).is_some(), "{shown} is replaced");
            by.push(response.backend().to_owned());
        }
        let at_a = by.iter().filter(|id| *id == "a").count();
        assert_eq!(at_a, forged.len() / 2, "the balancer has picked: {by:?}");
        assert_eq!((found(&host), faults(&host)), (0.0, 0.0));
    }
}

#[test]
fn of_two_the_first_counts() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "");
    let [(first, _), (second, _)] = [0, 1].map(|_| set(&host.get("/")).expect("a cookie"));
    let both = host.client().get_with("/", &format!("cookie: trimtab={first}; trimtab={second}\r\n"));
    assert_eq!((both.backend(), set(&both)), ("a", None));
    let stale = host.client().get_with("/", &format!("cookie: trimtab=x; trimtab={second}\r\n"));
    assert!(set(&stale).is_some(), "as with no cookie at all");
}

#[test]
fn pools_do_not_take_each_others() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Backend::echo);
    // The other pool has backends of the same ids.
    let entries = [("a", &c), ("b", &d)].map(|(id, backend)| trimtab_tests::backend::entry(id, backend.address(), ""));
    let more = format!(
        "[[route]]\npath = '/other'\npool = 'other'\n[pool.other]\nbackends = [{}]\naffinity = 'cookie'",
        entries.join(", ")
    );
    let host = Setup::over(&[&a, &b]).pool("affinity = 'cookie'").more(&more).start();
    let mut browser = Browser::default();
    let (here, _) = set(&browser.get(&host, "/")).expect("a cookie");
    let (there, _) = set(&browser.get(&host, "/other")).expect("that of the other pool is none");
    assert_ne!(here, there, "a value tells nothing of the ids");
    assert!(set(&browser.get(&host, "/")).is_some(), "and the other way round: such pools need names of their own");
    assert_eq!(faults(&host), 0.0);
}
