//! Headers of the PROXY protocol: how they are cut makes no difference, a part of one is none yet, no more is taken than the
//! longest has, and what one tells is told on as it was. Where there is a sum, it vouches for the addresses.

#![no_main]

use std::net::{IpAddr, SocketAddr};

use crc::{CRC_32_ISCSI, Crc};
use libfuzzer_sys::fuzz_target;
use trimtab::config::ProxyVersion::{V1, V2};
use trimtab::proxy_protocol::{Malformed, Told, datagram_header, header, is_whole, parse, wanted};

/// The longest header of either version that is read.
const LONGEST: usize = 8 << 10;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Reads a header as it comes, some bytes ahead at a time, and answers its length. None: there is more to come.
fn read(bytes: &[u8], ahead: usize) -> Result<Option<usize>, Malformed> {
    let mut read = 0;
    while !is_whole(&bytes[..read]) {
        let seen = &bytes[read..bytes.len().min(read + ahead)];
        let more = wanted(&bytes[..read], seen)?;
        if seen.is_empty() {
            return Ok(None);
        }
        assert!(0 < more && more <= seen.len());
        read += more;
        assert!(read <= LONGEST);
    }
    Ok(Some(read))
}

/// The same with a sum.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([3, 0, 4, 0, 0, 0, 0]);
    let (length, at) = (bytes.len() - 16, bytes.len() - 4);
    bytes[14..16].copy_from_slice(&(length as u16).to_be_bytes());
    let sum = CRC.checksum(&bytes);
    bytes[at..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Tells the next balancer.
fn tell_on(told: &Told, ahead: usize, damage: u8) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let addresses = told.addresses.map(|(client, to)| (canonical(client), canonical(to)));
    let only = Told { addresses, ..Told::default() };
    let all = if addresses.is_some() { Told { addresses, ..told.clone() } } else { Told::default() };
    for (on, expected) in [(header(told, V1), &only), (header(told, V2), &all), (datagram_header(told), &all)] {
        assert_eq!(read(&on, ahead), Ok(Some(on.len())));
        assert_eq!(parse(&on).as_ref(), Ok(expected));
    }
    if addresses.is_some() {
        let mut on = summed(header(told, V2));
        assert_eq!(parse(&on), Ok(all));
        on[16 + usize::from(damage) % 12] ^= damage | 1;
        assert_eq!(parse(&on), Err(Malformed::Checksum));
    }
}

type Addresses = (IpAddr, u16, IpAddr, u16);

fuzz_target!(|parts: (u8, u8, (u8, u8), Addresses, Option<&str>, Option<&str>, Option<&[u8]>, &[u8])| {
    let (beginning, ahead, (at, damage), (client, port, to, service), name, protocol, id, rest) = parts;
    let ahead = 1 + usize::from(ahead);
    let told = Told {
        addresses: Some((SocketAddr::new(client, port), SocketAddr::new(to, service))),
        server_name: name.map(|name| name.to_ascii_lowercase().into()),
        protocol: protocol.map(Into::into),
        unique_id: id.map(|id| id[..id.len().min(128)].into()),
    };
    tell_on(&told, ahead, damage);

    let mut damaged = header(&told, V2);
    let at = usize::from(at) % damaged.len();
    damaged[at] = damage;
    let beginnings = [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n", &damaged];
    let bytes = [beginnings[usize::from(beginning) % beginnings.len()], rest].concat();
    let answer = read(&bytes, 512);
    assert_eq!(read(&bytes, ahead), answer);
    let end = answer.ok().flatten().unwrap_or(bytes.len());
    for part in (0..end).map(|cut| read(&bytes[..cut], 512)) {
        assert!(part == Ok(None) || (part == answer && answer.is_err()));
    }
    if answer == Ok(Some(end))
        && let Ok(parsed) = parse(&bytes[..end])
    {
        tell_on(&parsed, ahead, damage);
    }
});
