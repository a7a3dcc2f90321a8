//! Headers of the PROXY protocol: how they are cut makes no difference, a part of one is none yet, no more is taken than the
//! longest has, and what one tells is told on as it was. Where there is a sum, it vouches for the addresses.

#![no_main]

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

fuzz_target!(|parts: (u8, u8, u8, Vec<u8>)| {
    let (beginning, ahead, damage, rest) = parts;
    let beginnings = [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];
    let bytes = [beginnings[usize::from(beginning) % 3], &rest].concat();
    let ahead = 1 + usize::from(ahead);

    let answer = read(&bytes, 512);
    assert_eq!(read(&bytes, ahead), answer);
    let end = answer.ok().flatten().unwrap_or(bytes.len());
    for part in (0..end).map(|cut| read(&bytes[..cut], 512)) {
        assert!(part == Ok(None) || (part == answer && answer.is_err()));
    }

    let Ok(Some(length)) = answer else { return };
    let Ok(told) = parse(&bytes[..length]) else { return };
    let all = if told.addresses.is_some() { told.clone() } else { Told::default() };
    let addresses = Told { addresses: told.addresses, ..Told::default() };
    for (on, expected) in [(header(&told, V1), &addresses), (header(&told, V2), &all), (datagram_header(&told), &all)] {
        assert_eq!(read(&on, ahead), Ok(Some(on.len())));
        assert_eq!(parse(&on).as_ref(), Ok(expected));
    }
    if told.addresses.is_some() {
        let mut on = summed(header(&told, V2));
        assert_eq!(parse(&on), Ok(told));
        on[16 + usize::from(damage) % 12] ^= damage | 1;
        assert_eq!(parse(&on), Err(Malformed::Checksum));
    }
});
