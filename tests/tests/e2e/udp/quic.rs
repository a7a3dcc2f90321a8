//! QUIC, by a client and a server of other people: connections that are many datagrams, both ways at once.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use rustls::RootCertStore;
use tokio::runtime::Runtime;
use trimtab_tests::{Authority, Setup};

use super::{UDP, open};

/// Bytes there and back.
const MUCH: usize = 4 << 20;

/// A server that says its name by the first stream of a connection, and what it is told by all others.
async fn serve(endpoint: Endpoint, name: &'static str) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let connection = incoming.await.expect("a handshake");
            let mut greeting = connection.open_uni().await.expect("a stream");
            greeting.write_all(name.as_bytes()).await.expect("written");
            greeting.finish().expect("ended");
            while let Ok((mut back, mut there)) = connection.accept_bi().await {
                tokio::spawn(async move {
                    while let Ok(Some(chunk)) = there.read_chunk(64 << 10, true).await {
                        back.write_chunk(chunk.bytes).await.expect("written");
                    }
                    let _ = back.finish();
                });
            }
        });
    }
}

/// A connection, and who serves it.
async fn connected(client: &Endpoint, to: SocketAddr) -> (Connection, String) {
    let connection = client.connect(to, "test").expect("an address").await.expect("a handshake");
    let mut greeting = connection.accept_uni().await.expect("a stream");
    let name = greeting.read_to_end(64).await.expect("a name");
    (connection, String::from_utf8(name).expect("text"))
}

async fn echoed(connection: &Connection, bytes: Vec<u8>) -> Vec<u8> {
    let (mut there, mut back) = connection.open_bi().await.expect("a stream");
    let sent = bytes.len();
    let telling = tokio::spawn(async move {
        there.write_all(&bytes).await.expect("written");
        there.finish().expect("ended");
    });
    let heard = back.read_to_end(sent).await.expect("all of it");
    telling.await.expect("told");
    heard
}

#[test]
fn connections_of_quic_stay_with_their_server() {
    let authority = Authority::new();
    let tls = authority.server(&authority.issue(&["test"]), &["echo"], false);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a certificate");
    let mut trust = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    trust.alpn_protocols = vec![b"echo".to_vec()];
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let names = ["a", "b"];
    let addresses = names.map(|name| {
        let config = QuicServerConfig::try_from(Arc::clone(&tls)).expect("TLS 1.3");
        let endpoint = Endpoint::server(ServerConfig::with_crypto(Arc::new(config)), any).expect("bound");
        let address = endpoint.local_addr().expect("bound");
        tokio::spawn(serve(endpoint, name));
        format!("{{ id = '{name}', address = '{address}' }}")
    });
    let host = Setup::of(addresses).listener(UDP).start();
    runtime.block_on(async {
        let trust = QuicClientConfig::try_from(Arc::new(trust)).expect("TLS 1.3");
        let config = ClientConfig::new(Arc::new(trust));
        let mut all = Vec::new();
        // Each has a socket, and so a flow, of its own.
        for _ in 0..8 {
            let mut client = Endpoint::client(any).expect("bound");
            client.set_default_client_config(config.clone());
            let connected = connected(&client, host.address()).await;
            all.push((client, connected));
        }
        for name in names {
            assert!(all.iter().any(|(_, (_, served))| served == name), "{name}");
        }
        let bytes: Vec<u8> = (0..MUCH as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let [(_, (first, _)), (_, (second, _)), ..] = &all[..] else { panic!("there are eight") };
        let (first, second) = tokio::join!(echoed(first, bytes.clone()), echoed(second, bytes.clone()));
        assert!(first == bytes && second == bytes);
        for (_, (connection, _)) in &all {
            assert_eq!(echoed(connection, b"still there".to_vec()).await, b"still there");
        }
        assert_eq!(open(&host), 8.0);
    });
}
