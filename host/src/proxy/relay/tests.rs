//! Both directions at once over pipes of any size, and their ends. No sockets.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

impl Carrier for DuplexStream {
    fn bare(&self) -> Option<&TcpStream> {
        None
    }
}

/// A client and a backend with a relay between. Each holds `size` bytes that nobody has read.
fn between(size: usize) -> (DuplexStream, DuplexStream, impl Future<Output = Result<u64, Broken>>) {
    let (client, mut near_client) = duplex(size);
    let (backend, mut near_backend) = duplex(size);
    let relayed = async move {
        let mut relay = Relay::new(Bytes::from_static(b"early "), Bytes::new());
        let (mut scratch, pipes) = ([0; 7], Pipes::default());
        let mut means = Means { scratch: &mut scratch, pipes: &pipes };
        poll_fn(|cx| relay.poll(cx, &mut near_client, &mut near_backend, &mut means)).await?;
        Ok(relay.moved())
    };
    (client, backend, relayed)
}

#[tokio::test]
async fn all_of_it_arrives_however_small_the_pieces() {
    let sent: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let (client, backend, relayed) = between(3);
    let (mut from_client, mut to_backend) = tokio::io::split(client);
    let (mut from_backend, mut to_client) = tokio::io::split(backend);
    let (mut seen_by_backend, mut seen_by_client) = (Vec::new(), Vec::new());
    let (moved, ..) = tokio::join!(
        relayed,
        async {
            to_backend.write_all(&sent).await.expect("taken");
            to_backend.shutdown().await.expect("ended");
        },
        async {
            to_client.write_all(&sent).await.expect("taken");
            to_client.shutdown().await.expect("ended");
        },
        from_client.read_to_end(&mut seen_by_client),
        from_backend.read_to_end(&mut seen_by_backend),
    );
    assert_eq!(moved.expect("no error"), 6 + 2 * sent.len() as u64);
    assert!(seen_by_client == sent);
    assert!(seen_by_backend == [b"early ", &*sent].concat());
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other() {
    let (mut client, mut backend, relayed) = between(64);
    let talk = async {
        client.shutdown().await.expect("ended");
        let mut seen = Vec::new();
        backend.read_to_end(&mut seen).await.expect("the end is passed on");
        assert_eq!(seen, b"early ");
        backend.write_all(b"late").await.expect("taken");
        backend.shutdown().await.expect("ended");
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).await.expect("the other end, too");
        assert_eq!(seen, b"late");
    };
    assert_eq!(tokio::join!(relayed, talk).0.expect("no error"), 10);
}

#[tokio::test]
async fn a_client_that_is_gone_is_an_error() {
    let (client, mut backend, relayed) = between(64);
    drop(client);
    backend.write_all(b"more").await.expect("room for it");
    assert_eq!(relayed.await.expect_err("nobody takes it").side, Side::Client);
}

#[tokio::test]
async fn a_backend_that_is_gone_is_heard_to_its_end() {
    let (mut client, mut backend, relayed) = between(64);
    backend.write_all(b"last words").await.expect("room for it");
    drop(backend);
    client.write_all(b"more").await.expect("room for it");
    let mut heard = String::new();
    let (relayed, read) = tokio::join!(relayed, client.read_to_string(&mut heard));
    read.expect("an end in order");
    assert_eq!(heard, "last words");
    relayed.expect("it is no error");
}
