//! Bodies are streamed, both ways, at the pace of the slower side.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use trimtab_tests::{Backend, Next, Setup, eventually};

#[test]
fn each_chunk_of_a_response_arrives_at_once() {
    let (next, told) = channel::<&str>();
    let told = Mutex::new(told);
    let a = Backend::new("a", move |exchange| {
        exchange.start_chunks("")?;
        while let Ok(chunk) = told.lock().expect("one request").recv() {
            exchange.wire.send_chunk(chunk)?;
        }
        exchange.finish_chunks("")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    client.head("GET").expect("the head comes before the first chunk");
    for chunk in ["one", "two", "three"] {
        next.send(chunk).expect("the backend waits");
        assert_eq!(client.wire.chunk().expect("a chunk"), Some(chunk.as_bytes().to_vec()));
    }
    drop(next);
    assert_eq!(client.wire.chunk().expect("the last chunk"), None);
}

#[test]
fn each_chunk_of_a_request_arrives_at_once() {
    let (arrived, seen) = channel();
    let a = Backend::new("a", move |exchange| {
        exchange.leave_body();
        while let Some(chunk) = exchange.wire.chunk()? {
            let _ = arrived.send(chunk);
        }
        exchange.wire.trailers()?;
        exchange.respond(200, "", "done")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    for chunk in ["one", "two", "three"] {
        client.wire.send_chunk(chunk).expect("the host takes it");
        let seen = seen.recv_timeout(Duration::from_secs(5)).expect("the backend has it");
        assert_eq!(seen, chunk.as_bytes());
    }
    assert_eq!(client.send("0\r\n\r\n").response().text(), "done");
}

#[test]
fn both_ways_at_once() {
    let a = Backend::new("a", |exchange| {
        exchange.leave_body();
        exchange.start_chunks("")?;
        while let Some(chunk) = exchange.wire.chunk()? {
            exchange.wire.send_chunk(chunk)?;
        }
        exchange.wire.trailers()?;
        exchange.finish_chunks("")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    client.head("POST").expect("the response starts before the request ends");
    for chunk in ["ping", "pong"] {
        client.wire.send_chunk(chunk).expect("the host takes it");
        assert_eq!(client.wire.chunk().expect("a chunk"), Some(chunk.as_bytes().to_vec()));
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.wire.chunk().expect("the last chunk"), None);
}

/// More than the sockets on the way can hold, and far less than a test machine has.
const MUCH: usize = 64 << 20;
/// What the host may grow by while a body goes through.
const GROWTH: usize = 8 << 20;

#[test]
fn a_backend_that_stops_reading_stalls_the_upload() {
    let (go, told) = channel::<()>();
    let told = Mutex::new(told);
    let a = Backend::new("a", move |exchange| {
        if exchange.request.target == "/much" {
            let _ = told.lock().expect("one request").recv();
        }
        exchange.echo()
    });
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/warm").status, 200);
    let before = host.memory();
    let mut client = host.client();
    client.send(format!("POST /much HTTP/1.1\r\nhost: test\r\ncontent-length: {MUCH}\r\n\r\n"));
    client.wire.patience(Duration::from_millis(500));
    let (block, mut total) = (vec![b'x'; 64 * 1024], 0);
    let stalled = loop {
        assert!(total < MUCH, "all went though nobody read");
        match client.wire.send_some(&block[..block.len().min(MUCH - total)]) {
            Ok(count) => total += count,
            Err(error) => break error,
        }
    };
    assert_eq!(stalled.kind(), ErrorKind::WouldBlock);
    let grown = host.memory().saturating_sub(before);
    assert!(grown < GROWTH, "grown by {grown} bytes");
    go.send(()).expect("the backend waits");
    client.wire.patience(Duration::from_secs(10));
    while total < MUCH {
        total += client.wire.send_some(&block[..block.len().min(MUCH - total)]).expect("it goes on");
    }
    assert_eq!(client.response().json()["body_length"], MUCH, "and nothing is lost");
}

#[test]
fn a_client_that_stops_reading_stalls_the_response() {
    let (sent, amount) = channel::<usize>();
    let a = Backend::new("a", move |exchange| {
        if exchange.request.target == "/warm" {
            return exchange.echo();
        }
        exchange.wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {MUCH}\r\n\r\n"))?;
        exchange.wire.patience(Duration::from_millis(500));
        let (block, mut total) = (vec![b'x'; 64 * 1024], 0);
        let mut stalled = false;
        while total < MUCH {
            match exchange.wire.send_some(&block[..block.len().min(MUCH - total)]) {
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !std::mem::replace(&mut stalled, true) {
                        let _ = sent.send(total);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Next::Keep)
    });
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/warm").status, 200);
    let before = host.memory();
    let mut client = host.client();
    client.send("GET /much HTTP/1.1\r\nhost: test\r\n\r\n");
    let stalled_at = amount.recv_timeout(Duration::from_secs(10)).expect("the backend is held back");
    assert!(stalled_at < MUCH);
    let grown = host.memory().saturating_sub(before);
    assert!(grown < GROWTH, "grown by {grown} bytes");
    let response = client.response();
    assert_eq!(response.body.len(), MUCH, "and nothing is lost");
}

#[test]
fn many_large_bodies_need_little_memory() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        let body = std::mem::take(&mut exchange.request.body);
        exchange.respond(200, "", body)
    });
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.client().post("/", "warm").text(), "warm");
    let before = host.memory();
    let body = vec![b'x'; 32 << 20];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(host.client().post("/", &body).body == body));
        }
    });
    let grown = host.memory().saturating_sub(before);
    // An eighth of what was on its way at once, most of it what the allocator keeps.
    assert!(grown < 2 * GROWTH, "grown by {grown} bytes");
    eventually("nothing is in flight", || host.backend("web", "a")["in_flight"] == 0);
}
