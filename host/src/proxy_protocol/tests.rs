//! Headers of both versions there and back, cut anywhere, and damaged.

use proptest::prelude::*;

use super::*;

fn told(client: &str, to: &str) -> Told {
    let addresses = Some((client.parse().expect("address"), to.parse().expect("address")));
    Told { addresses, ..Told::default() }
}

fn full() -> Told {
    Told {
        server_name: Some("db.example.org".into()),
        protocol: Some("h2".into()),
        unique_id: Some((*b"0123456789abcdef").into()),
        ..told("[2001:db8::1]:1000", "[2001:db8::2]:443")
    }
}

/// Reads a header as it comes, `size` bytes ahead at a time.
fn read(stream: &[u8], size: usize) -> Result<(Vec<u8>, usize), Malformed> {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let ahead = &stream[read.len()..];
        let ahead = &ahead[..ahead.len().min(size)];
        let more = wanted(&read, ahead)?;
        assert!(more > 0, "the stream has all of it");
        read.extend_from_slice(&ahead[..more]);
    }
    let length = read.len();
    Ok((read, length))
}

#[test]
fn what_is_told_arrives() {
    let v4 = told("192.0.2.1:1000", "198.51.100.2:443");
    assert_eq!(header(&v4, ProxyVersion::V1), b"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n");
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        assert_eq!(parse(&header(&v4, version)).as_ref(), Ok(&v4));
        let none = header(&Told::default(), version);
        assert_eq!(parse(&none), Ok(Told::default()));
    }
    assert_eq!(header(&Told::default(), ProxyVersion::V1), b"PROXY UNKNOWN\r\n");
    assert_eq!(parse(&header(&full(), ProxyVersion::V2)), Ok(full()));
    let mixed = parse(&header(&told("192.0.2.1:1", "[2001:db8::2]:2"), ProxyVersion::V2)).expect("a header");
    assert_eq!(mixed, told("192.0.2.1:1", "[2001:db8::2]:2"), "mapped on its way");
}

#[test]
fn unknown_may_be_followed_by_anything() {
    assert_eq!(parse(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(Told::default()));
}

#[test]
fn exactly_the_header_is_taken() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let header = header(&full(), version);
        let stream = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        for size in [1, 2, 15, 16, 17, 1000] {
            let (bytes, length) = read(&stream, size).expect("a header");
            assert_eq!((&bytes[..], length), (&header[..], header.len()), "{version:?}, {size} ahead");
        }
    }
}

#[test]
fn a_checksum_is_checked_where_there_is_one() {
    let mut bytes = header(&told("192.0.2.1:1000", "198.51.100.2:443"), ProxyVersion::V2);
    bytes.extend([3, 0, 4, 0, 0, 0, 0]);
    bytes[15] += 7;
    let sum = CRC.checksum(&bytes);
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&sum.to_be_bytes());
    assert!(parse(&bytes).is_ok());
    bytes[17] ^= 1;
    assert_eq!(parse(&bytes), Err(Malformed::Checksum));
}

#[test]
fn what_is_no_header_is_known_by_its_first_bytes() {
    assert_eq!(wanted(b"", b"GET / HTTP/1.1"), Err(Malformed::Missing));
    assert_eq!(wanted(b"", b"\x16\x03\x01"), Err(Malformed::Missing));
    assert_eq!(wanted(b"", b"PROXY"), Ok(5), "so far");
    assert_eq!(wanted(b"PROXY ", &[b'x'; 102]), Err(Malformed::TooLong));
    let long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    assert_eq!(wanted(b"", &long), Err(Malformed::TooLong));
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 1000\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 1000 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 1000 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 1000 443\r\n",
        "PROXY \r\n",
        "PROXY \n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed::Invalid), "{line:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), version: bool, at in 0..20usize) {
        let start = if version { SIGNATURE } else { WORD };
        let bytes = [start, &bytes].concat();
        let at = at.min(bytes.len());
        let _ = wanted(&bytes[..at], &bytes[at..]);
        let _ = (is_whole(&bytes), parse(&bytes));
    }

    #[test]
    fn a_damaged_header_is_taken_without_panic(at in 0..200usize, value: u8) {
        let mut damaged = header(&full(), ProxyVersion::V2);
        let at = at % damaged.len();
        damaged[at] = value;
        let _ = parse(&damaged);
        let _ = read(&[&damaged[..], &[0; 9000]].concat(), 100);
    }
}
