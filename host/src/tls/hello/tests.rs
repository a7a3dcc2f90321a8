//! A ClientHello whole, in pieces, in many records, and things that are none.

mod vectors;

use proptest::prelude::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// What a client of rustls says first.
fn hello(name: &'static str, protocols: &[&str]) -> Vec<u8> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut said = Vec::new();
    client.write_tls(&mut said).expect("written");
    said
}

/// The same in records of so many bytes (RFC 8446 §5.1 lets a message span several).
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let (head, body) = hello.split_at(5);
    let record = |part: &[u8]| [&head[..3], &u16::try_from(part.len()).expect("short").to_be_bytes(), part].concat();
    body.chunks(size).flat_map(record).collect()
}

fn read(bytes: &[u8], size: usize) -> Result<Option<Hello>, NoHello> {
    let mut reader = HelloReader::default();
    for part in bytes.chunks(size) {
        if let Some(hello) = reader.read(part)? {
            return Ok(Some(hello));
        }
    }
    Ok(None)
}

#[test]
fn names_and_protocols_are_read() {
    let told =
        |name, protocols: &[&str]| read(&hello(name, protocols), usize::MAX).expect("a hello").expect("complete");
    let expected = Hello { server_name: Some("www.example.org".into()), protocol: Some("h2".into()) };
    assert_eq!(told("WWW.Example.org", &["h2", "http/1.1"]), expected);
    assert_eq!(told("192.0.2.1", &[]), Hello::default(), "an address is no name");
}

#[test]
fn it_may_come_in_any_number_of_records_and_packets() {
    let whole = hello("a.example", &["postgresql"]);
    for size in [1, 7, 100, 1000] {
        let cut = in_records(&whole, size);
        for packet in [1, 3, 1448, usize::MAX] {
            let hello = read(&cut, packet).expect("a hello").expect("complete");
            assert_eq!(hello.server_name.as_deref(), Some("a.example"), "records of {size}, packets of {packet}");
            assert_eq!(hello.protocol.as_deref(), Some("postgresql"));
        }
    }
    assert_eq!(read(&whole[..whole.len() - 1], 100).expect("so far"), None);
}

#[test]
fn what_is_no_hello_is_refused_at_once() {
    let refused = |bytes: &[u8]| read(bytes, usize::MAX).expect_err("no hello");
    assert!(!refused(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").alert.is_empty(), "an alert says so");
    refused(b"SSH-2.0-OpenSSH_9.6\r\n");
    // A handshake message of another kind, and one that says to be longer than any.
    refused(&[22, 3, 1, 0, 4, 2, 0, 0, 0]);
    let endless = [22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff].into_iter().chain(std::iter::repeat_n(0, 0x4000 - 4));
    let endless: Vec<u8> = endless.collect();
    refused(&endless.repeat(8));
}

#[test]
fn a_client_that_we_could_not_serve_is_passed_on_without_name() {
    // TLS 1.0 as it was: no extensions at all.
    let old = [&[3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    let length = u8::try_from(old.len()).expect("short");
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &old].concat();
    assert_eq!(read(&record, usize::MAX).expect("a hello"), Some(Hello::default()));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), size in 1..2000usize) {
        let _ = read(&bytes, size);
        let _ = read(&[&[22, 3, 1][..], &bytes].concat(), size);
    }

    #[test]
    fn a_damaged_hello_is_taken_without_panic(at in 0..500usize, value: u8, size in 1..600usize) {
        let mut damaged = hello("a.example", &["h2"]);
        let at = at % damaged.len();
        damaged[at] = value;
        let _ = read(&damaged, size);
    }
}
