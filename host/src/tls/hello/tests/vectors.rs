//! Messages built by hand, field by field (RFC 8446 §4.1.2): what browsers send, what nobody should, and damage to both.

use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::hpke::HpkePublicKey;

use super::*;

const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;
const PADDING: u16 = 21;
const VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const ECH: u16 = 0xfe0d;

/// An extension: its type and its content.
type Extension = (u16, Vec<u8>);

/// With a length of one byte before it.
fn short(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).expect("short")][..], content].concat()
}

/// With a length of two bytes before it.
fn long(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).expect("short").to_be_bytes()[..], content].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Names as a list of host names.
fn names(names: &[&[u8]]) -> Extension {
    let listed: Vec<_> = names.iter().flat_map(|name| [&[0][..], &long(name)].concat()).collect();
    (SERVER_NAME, long(&listed))
}

fn alpn(protocols: &[&[u8]]) -> Extension {
    let listed: Vec<_> = protocols.iter().flat_map(|protocol| short(protocol)).collect();
    (ALPN, long(&listed))
}

/// What a client of TLS 1.3 cannot do without.
fn needed() -> Vec<Extension> {
    let share = [numbers(&[0x1d]), long(&[9; 32])].concat();
    vec![
        (GROUPS, long(&numbers(&[0x1d, 0x17]))),
        (SIGNATURES, long(&numbers(&[0x0403, 0x0804]))),
        (VERSIONS, short(&numbers(&[0x0304]))),
        (KEY_SHARE, long(&share)),
    ]
}

/// The message, without record.
fn message(ciphers: &[u16], extensions: &[Extension]) -> Vec<u8> {
    let listed: Vec<_> =
        extensions.iter().flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &long(content)].concat()).collect();
    let (random, session) = ([7; 32], short(&[8; 32]));
    let body = [&[3, 3][..], &random, &session, &long(&numbers(ciphers)), &short(&[0]), &long(&listed)].concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[1][..], &length[1..], &body].concat()
}

/// In records of 16 KiB at most.
fn records(message: &[u8]) -> Vec<u8> {
    message.chunks(1 << 14).flat_map(|part| [&[22, 3, 1][..], &long(part)].concat()).collect()
}

/// A ClientHello with these extensions beside those that are needed.
fn saying(more: &[Extension]) -> Vec<u8> {
    records(&message(&[0x1301, 0xc02b], &[needed(), more.to_vec()].concat()))
}

/// What is told of it, which has to be the same however it is cut.
#[track_caller]
fn told(bytes: &[u8]) -> Result<Option<Hello>, ()> {
    let whole = read(bytes, usize::MAX).map_err(drop);
    for size in [1, 2, 3, 64, 1448, 5000] {
        assert_eq!(read(bytes, size).map_err(drop), whole, "in pieces of {size}");
    }
    whole
}

#[track_caller]
fn hello_of(more: &[Extension]) -> Hello {
    told(&saying(more)).expect("a hello").expect("complete")
}

#[track_caller]
fn name_of(name: &[u8]) -> Option<String> {
    hello_of(&[names(&[name])]).server_name.map(|name| name.to_string())
}

fn is_refused(more: &[Extension]) -> bool {
    told(&saying(more)).is_err()
}

fn known(name: &str, protocol: &str) -> Hello {
    Hello { server_name: Some(name.into()), protocol: Some(protocol.into()) }
}

#[test]
fn values_without_meaning_are_passed_over_wherever_they_are() {
    let share = [numbers(&[0x3a3a]), long(&[0]), numbers(&[0x1d]), long(&[9; 32])].concat();
    let extensions = [
        (0x1a1a, vec![]),
        names(&[b"a.example"]),
        (GROUPS, long(&numbers(&[0x3a3a, 0x1d]))),
        (SIGNATURES, long(&numbers(&[0x5a5a, 0x0403]))),
        (VERSIONS, short(&numbers(&[0x4a4a, 0x0304, 0x0303]))),
        (KEY_SHARE, long(&share)),
        alpn(&[b"\x0a\x0a", b"zz", b"h2", b"http/1.1"]),
        // What browsers send besides: certificate compression, ALPS, and whatever comes next.
        (27, vec![2, 0, 2]),
        (17513, vec![0, 3, 2, b'h', b'2']),
        (0xfff0, vec![1; 300]),
        (0x2a2a, vec![0]),
    ];
    let bytes = records(&message(&[0x0a0a, 0x1301, 0xc02b], &extensions));
    assert_eq!(told(&bytes), Ok(Some(known("a.example", "h2"))), "`zz` is GREASE too");
    let doubtful = hello_of(&[alpn(&[b"\xff\xfe", b"a\nb", b"postgresql"])]);
    assert_eq!(doubtful.protocol.as_deref(), Some("postgresql"), "it stands in logs and headers");
}

#[test]
fn of_an_encrypted_hello_the_outer_name_is_seen() {
    // Outer, HKDF-SHA256 with AES-128-GCM, the number of a configuration, a key, and what is hidden.
    let outer = [&[0, 0, 1, 0, 1, 42][..], &long(&[5; 32]), &long(&[6; 208])].concat();
    assert_eq!(hello_of(&[names(&[b"public.example"]), (ECH, outer), alpn(&[b"h2"])]), known("public.example", "h2"));
    // The same without anything hidden, as of a client that only keeps the way open.
    let (suite, key) = (aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_128, HpkePublicKey(vec![5; 32]));
    let hidden = EchGreaseConfig::new(suite, key);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_ech(EchMode::Grease(hidden)).expect("versions");
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("a.example").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut said = Vec::new();
    client.write_tls(&mut said).expect("written");
    assert_eq!(told(&said).expect("a hello").expect("complete").server_name.as_deref(), Some("a.example"));
}

#[test]
fn names_are_compared_in_one_form() {
    assert_eq!(name_of(b"A.Example").as_deref(), Some("a.example"));
    assert_eq!(name_of(b"a.example.").as_deref(), Some("a.example"));
    assert_eq!(name_of(b"xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example"));
    assert_eq!(name_of(b"_service.a.example").as_deref(), Some("_service.a.example"));
    // RFC 6066 §3 permits no addresses: they are no names, and who sends them means no harm.
    assert_eq!(name_of(b"192.0.2.1"), None);
    assert_eq!(name_of(b"2001:db8::1"), None);
    assert_eq!(hello_of(&[]), Hello::default());
}

#[test]
fn names_that_are_none_are_refused() {
    let longest = [b"a.".repeat(130), b"example".to_vec()].concat();
    let names_of: [&[u8]; 7] = ["b\u{fc}cher.example".as_bytes(), b"a..example", b".", b"a b", b"a\0b", b"-", &longest];
    for name in names_of {
        assert!(is_refused(&[names(&[name])]), "{:?}", String::from_utf8_lossy(name));
    }
    assert!(is_refused(&[names(&[b""])]), "empty");
    assert!(is_refused(&[names(&[])]), "a list of none");
    assert!(is_refused(&[names(&[b"a.example", b"b.example"])]), "there is one of each kind (RFC 6066 §3)");
    assert!(is_refused(&[names(&[b"a.example"]), names(&[b"b.example"])]), "no extension comes twice");
    assert!(is_refused(&[(SERVER_NAME, vec![0, 200, 0, 0, 5, b'a'])]), "lengths that lie");
}

#[test]
fn lists_of_protocols_are_whole() {
    assert!(is_refused(&[alpn(&[])]), "a list of none");
    assert!(is_refused(&[alpn(&[b"h2", b""])]), "a name of none");
    assert!(is_refused(&[(ALPN, vec![0, 3, 9, b'h', b'2'])]), "lengths that lie");
    assert!(is_refused(&[(ALPN, vec![])]));
    let many: Vec<Vec<u8>> = (0..2000).map(|number: u32| number.to_string().into_bytes()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(hello_of(&[alpn(&many)]).protocol.as_deref(), Some("0"));
}

#[test]
fn long_ones_have_an_end() {
    let padded = |size| saying(&[names(&[b"a.example"]), (PADDING, vec![0; size])]);
    for size in [500, 1 << 14, 40_000, 60_000] {
        let hello = told(&padded(size)).expect("a hello").expect("complete");
        assert_eq!(hello.server_name.as_deref(), Some("a.example"), "{size} bytes");
    }
    // A message says itself how long it will be. Nobody waits for it.
    assert!(told(&[22, 3, 1, 0, 4, 1, 1, 0, 0]).is_err());
}

#[test]
fn records_without_content_are_refused() {
    let whole = saying(&[names(&[b"a.example"])]);
    let before = [&[22, 3, 1, 0, 0][..], &whole].concat();
    assert!(told(&before).is_err(), "RFC 8446 §5.1");
    let within = [&in_records(&whole, 100)[..105], &[22, 3, 1, 0, 0]].concat();
    assert!(told(&within).is_err());
    assert!(told(&[21, 3, 1, 0, 2, 1, 0]).is_err(), "an alert is no beginning");
    assert!(told(&[23, 3, 3, 0, 1, 0]).is_err(), "nor is data");
}

#[test]
fn other_protocols_are_refused() {
    // SSL 2.0: two bytes of length, then ciphers of three bytes each.
    let old = [&[0x80, 46, 1, 3, 1, 0, 21, 0, 0, 0, 16][..], &[0; 37]].concat();
    assert!(told(&old).is_err());
    for said in [
        &b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
    ] {
        assert!(told(said).is_err());
    }
    // SSLRequest of PostgreSQL, and its StartupMessage: a client that should not be here.
    assert!(told(&[0, 0, 0, 8, 4, 210, 22, 47]).is_err());
}

proptest! {
    #[test]
    fn damage_is_no_panic_and_one_answer(
        hits in proptest::collection::vec((0..600usize, any::<u8>()), 1..6),
        record in prop_oneof![1..8usize, 8..700usize],
        cut in 0..700usize,
    ) {
        let mut bytes = in_records(&saying(&[names(&[b"a.example"]), alpn(&[b"h2"]), (PADDING, vec![0; 300])]), record);
        for (at, value) in hits {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(bytes.len().max(cut + 1) - cut);
        let _ = told(&bytes);
    }

    #[test]
    fn damage_within_the_message_is_no_panic_and_one_answer(
        hits in proptest::collection::vec((0..600usize, any::<u8>()), 1..6),
        extra in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
    ) {
        let extensions = [needed(), vec![names(&[b"a.example"]), alpn(&[b"h2"])], extra].concat();
        let mut message = message(&[0x1301], &extensions);
        for (at, value) in hits {
            let length = message.len();
            message[at % length] = value;
        }
        let _ = told(&records(&message));
    }
}
