//! Clients of WebSocket and server-sent events: when they reconnect they land on the backend they had.

use std::io;

use trimtab_tests::{Backend, Client, Exchange, Host, Next, Response, Setup, eventually};

use super::{Browser, add, faults, found, remove, set_state};

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";

/// Switches at `/chat` and echoes, streams events without end at `/events`, and serves the rest.
fn talkative(name: &str) -> Backend {
    Backend::new(name, |exchange| match exchange.request.target.as_str() {
        "/chat" => chat(exchange),
        "/events" => events(exchange),
        _ => exchange.echo(),
    })
}

fn chat(exchange: &mut Exchange<'_>) -> io::Result<Next> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    exchange.wire.send(format!("{head}set-cookie: app=1\r\nx-backend: {}\r\n\r\n", exchange.name()))?;
    loop {
        let bytes = exchange.wire.some()?;
        if bytes.is_empty() {
            return Ok(Next::Close);
        }
        exchange.wire.send(bytes)?;
    }
}

fn events(exchange: &mut Exchange<'_>) -> io::Result<Next> {
    let after = exchange.request.headers.get("last-event-id").unwrap_or("0").to_owned();
    exchange.start_chunks("content-type: text/event-stream\r\ncache-control: no-store\r\n")?;
    exchange.wire.send_chunk(format!("id: 1\ndata: {} after {after}\n\n", exchange.name()))?;
    exchange.wire.ended();
    Ok(Next::Close)
}

/// Opens a connection that stays: the head of the response, and the connection.
fn open(host: &Host, browser: &mut Browser, target: &str, lines: &str) -> (Response, Client) {
    let mut client = host.client();
    client.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n{lines}{}\r\n", browser.lines()));
    let (head, _) = client.head("GET").expect("a head");
    browser.keep(&head);
    (head, client)
}

/// Opens a WebSocket and says something; answers who it is with.
fn talk(host: &Host, browser: &mut Browser) -> (String, Client) {
    let (head, mut client) = open(host, browser, "/chat", UPGRADE);
    assert_eq!(head.status, 101);
    client.send("hello");
    assert_eq!(client.wire.exact(5).expect("the echo"), b"hello");
    (head.backend().to_owned(), client)
}

/// Opens a stream of events and reads the first; answers who it is from.
fn listen(host: &Host, browser: &mut Browser, last: &str) -> (String, Client) {
    let (head, mut client) = open(host, browser, "/events", &format!("last-event-id: {last}\r\n"));
    assert_eq!((head.status, head.headers.get("content-type")), (200, Some("text/event-stream")));
    let event = client.wire.chunk().expect("a chunk").expect("an event");
    let expected = format!("id: 1\ndata: {} after {last}\n\n", head.backend());
    assert_eq!(String::from_utf8_lossy(&event), expected);
    (head.backend().to_owned(), client)
}

fn start(backends: &[&Backend]) -> Host {
    Setup::over(backends).pool("affinity = 'cookie'").start()
}

#[test]
fn the_cookie_is_set_on_the_switch_itself() {
    let [a, b] = ["a", "b"].map(talkative);
    let host = start(&[&a, &b]);
    let mut browser = Browser::default();
    let (head, mut client) = open(&host, &mut browser, "/chat", UPGRADE);
    assert_eq!((head.status, head.headers.get("upgrade")), (101, Some("websocket")));
    let cookies = head.headers.all("set-cookie");
    assert!(cookies.len() == 2 && cookies[0] == "app=1" && cookies[1].starts_with("trimtab="), "{cookies:?}");
    client.send("one");
    assert_eq!(client.wire.exact(3).expect("the echo"), b"one", "nothing came between");
    let (head, _client) = open(&host, &mut browser, "/chat", UPGRADE);
    assert_eq!((head.backend(), head.headers.all("set-cookie")), ("a", vec!["app=1"]), "and not again");
}

#[test]
fn a_websocket_that_reconnects_lands_where_it_was() {
    let [a, b, c] = ["a", "b", "c"].map(talkative);
    let host = start(&[&a, &b, &c]);
    let mut browsers = vec![Browser::default(); 6];
    let homes: Vec<_> = browsers.iter_mut().map(|browser| talk(&host, browser).0).collect();
    assert_eq!(homes, ["a", "b", "c", "a", "b", "c"]);
    for _ in 0..4 {
        assert!(browsers.iter_mut().map(|browser| talk(&host, browser).0).eq(homes.clone()));
    }
    assert_eq!((found(&host), faults(&host)), (24.0, 0.0));
    assert_eq!(browsers[1].get(&host, "/").backend(), "b", "and plain requests go there as well");
}

#[test]
fn a_websocket_reconnects_to_a_draining_backend_and_moves_when_it_goes() {
    let [a, b] = ["a", "b"].map(talkative);
    let host = start(&[&a, &b]);
    let mut browser = Browser::default();
    let (home, mut client) = talk(&host, &mut browser);
    assert_eq!(home, "a");
    set_state(&host, "a", "draining");
    assert_eq!(talk(&host, &mut browser).0, "a");
    assert_eq!(talk(&host, &mut Browser::default()).0, "b");
    remove(&host, "a");
    client.send("still");
    assert_eq!(client.wire.exact(5).expect("the echo"), b"still", "what is open stays open");
    assert_eq!(talk(&host, &mut browser).0, "b");
    add(&host, &a);
    assert_eq!(talk(&host, &mut browser).0, "b");
}

#[test]
fn a_stream_of_events_is_resumed_where_it_was() {
    let [a, b] = ["a", "b"].map(talkative);
    let host = start(&[&a, &b]);
    let mut browsers = vec![Browser::default(); 4];
    let homes: Vec<_> = browsers.iter_mut().map(|browser| listen(&host, browser, "0").0).collect();
    assert_eq!(homes, ["a", "b", "a", "b"]);
    eventually("the backends see that the clients are gone", || a.open() + b.open() == 0);
    for last in ["1", "2", "3"] {
        let open: Vec<_> = browsers.iter_mut().map(|browser| listen(&host, browser, last)).collect();
        assert!(open.iter().map(|(home, _)| home.clone()).eq(homes.clone()), "all at once");
        // The client's network breaks.
        open.iter().for_each(|(_, client)| client.wire.reset_on_drop());
    }
    assert_eq!((found(&host), faults(&host)), (12.0, 0.0));
}

#[test]
fn a_stream_that_the_backend_breaks_is_resumed_there() {
    let [a, b] = ["a", "b"].map(talkative);
    let host = start(&[&a, &b]);
    let mut browser = Browser::default();
    let (home, mut client) = listen(&host, &mut browser, "0");
    assert_eq!(home, "a");
    a.close_connections();
    assert!(client.wire.ended(), "the client sees the break");
    assert_eq!(listen(&host, &mut browser, "1").0, "a");
}

#[test]
fn a_stream_moves_when_its_backend_is_gone() {
    let [mut a, b] = ["a", "b"].map(talkative);
    let host = start(&[&a, &b]);
    let mut browser = Browser::default();
    let (home, mut client) = listen(&host, &mut browser, "0");
    assert_eq!(home, "a");
    a.stop();
    assert!(client.wire.ended());
    assert_eq!(listen(&host, &mut browser, "1").0, "b", "a retry, unseen by the client");
    let failed = [("pool", "web"), ("backend", "a"), ("outcome", "connect-error")];
    let tried = || host.metrics().sum("trimtab_backend_requests_total", &failed);
    let before = tried();
    assert_eq!(listen(&host, &mut browser, "2").0, "b");
    assert_eq!(tried(), before, "the cookie followed");
}

#[test]
fn a_websocket_is_followed_by_what_is_remembered_too() {
    let [a, b] = ["a", "b"].map(talkative);
    let host = Setup::over(&[&a, &b]).pool("affinity = { plugin = 'app-cookie', name = 'app' }").start();
    let mut browser = Browser::default();
    let (home, _client) = talk(&host, &mut browser);
    assert_eq!(browser.cookies["app"], "1", "the session came with the switch");
    for _ in 0..4 {
        assert_eq!(talk(&host, &mut browser).0, home);
    }
    assert_eq!(found(&host), 4.0);
}
