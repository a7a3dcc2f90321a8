//! The PROXY protocol (HAProxy's specification, versions 1 and 2): whom a connection is really from, as one balancer tells the
//! next.
//!
//! Only the header itself: how its bytes come and go, and who is believed, is decided elsewhere.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crc::{CRC_32_ISCSI, Crc};
use proxy_header::{ParseConfig, ProxiedAddress, ProxyHeader, Tlv};

use crate::config::ProxyVersion;

/// CRC-32C (RFC 4960, appendix B).
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// The part of version 2 that says how long it is, signature included.
const HEAD: usize = 16;

/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;

/// The longest header of version 2 that is read. What is told here takes some hundred bytes.
const LONGEST: usize = 8 << 10;

/// The longest unique id (specification, 2.2.5).
const LONGEST_ID: usize = 128;

/// What is told of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The client, and the address that it connected to. None (`LOCAL`, `UNKNOWN`, a Unix socket): the connection is from whom
    /// it seems to be.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The name that the client asked for by SNI, lower case.
    pub server_name: Option<Arc<str>>,
    /// What was agreed on, or first offered, by ALPN.
    pub protocol: Option<Arc<str>>,
    /// By which all balancers on the way know the connection.
    pub unique_id: Option<Arc<[u8]>>,
}

/// It is no header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It begins as neither version does.
    #[error("there is no PROXY header")]
    Missing,
    /// It is not as it must be.
    #[error("the PROXY header is malformed")]
    Invalid,
    /// Longer than any.
    #[error("the PROXY header is too long")]
    TooLong,
    /// Its checksum is that of another.
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
}

/// How many of the bytes that are `ahead` belong to the header of which `read` is the beginning; 0 when that is all of it.
///
/// # Errors
/// It is none, or too long.
pub fn wanted(read: &[u8], ahead: &[u8]) -> Result<usize, Malformed> {
    let begins = |with: &[u8]| read.iter().chain(ahead).zip(with).all(|(byte, expected)| byte == expected);
    if begins(SIGNATURE) {
        let length: Option<Vec<u8>> = (read.len() + ahead.len() >= HEAD)
            .then(|| read.iter().chain(ahead).skip(HEAD - 2).take(2).copied().collect());
        let whole = match length.as_deref() {
            Some([high, low]) => HEAD + usize::from(u16::from_be_bytes([*high, *low])),
            _ => HEAD,
        };
        return if whole > LONGEST { Err(Malformed::TooLong) } else { Ok(ahead.len().min(whole - read.len())) };
    }
    if !begins(WORD) {
        return Err(Malformed::Missing);
    }
    if read.ends_with(b"\n") {
        return Ok(0);
    }
    let line = ahead.iter().position(|byte| *byte == b'\n').map_or(ahead.len(), |end| end + 1);
    if read.len() + line > LONGEST_LINE { Err(Malformed::TooLong) } else { Ok(line) }
}

/// Whether these bytes, as [`wanted`] has found them, are a whole header.
pub fn is_whole(read: &[u8]) -> bool {
    match read.get(HEAD - 2..HEAD) {
        Some(length) if read.starts_with(SIGNATURE) => {
            read.len() == HEAD + usize::from(u16::from_be_bytes([length[0], length[1]]))
        }
        _ => read.starts_with(WORD) && read.ends_with(b"\n"),
    }
}

/// What a whole header tells.
///
/// # Errors
/// It is malformed.
pub fn parse(header: &[u8]) -> Result<Told, Malformed> {
    let config = ParseConfig { include_tlvs: true, allow_v1: true, allow_v2: true };
    let (parsed, length) = ProxyHeader::parse(header, config).map_err(|_| Malformed::Invalid)?;
    if length != header.len() {
        return Err(Malformed::Invalid);
    }
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let addresses = parsed.proxied_address().map(|told| (canonical(told.source), canonical(told.destination)));
    let mut told = Told { addresses, ..Told::default() };
    for field in parsed.tlvs() {
        match field.map_err(|_| Malformed::Invalid)? {
            Tlv::Authority(name) => told.server_name = Some(name.to_ascii_lowercase().into()),
            Tlv::Alpn(name) => told.protocol = std::str::from_utf8(&name).ok().map(Arc::from),
            Tlv::UniqueId(id) if id.len() > LONGEST_ID => return Err(Malformed::Invalid),
            Tlv::UniqueId(id) => told.unique_id = Some((&*id).into()),
            Tlv::Crc32c(sum) if sum != checksum(header) => return Err(Malformed::Checksum),
            _ => {}
        }
    }
    Ok(told)
}

/// The header of a connection that tells this. Without addresses it says that there are none to tell: for health checks, and for
/// clients of Unix sockets.
pub fn header(told: &Told, version: ProxyVersion) -> Vec<u8> {
    let addresses = addresses(told, ProxiedAddress::stream);
    match version {
        ProxyVersion::V1 => {
            let header = addresses.map_or_else(ProxyHeader::with_local, ProxyHeader::with_address);
            encoded(|bytes| header.encode_v1(bytes).is_ok())
        }
        ProxyVersion::V2 => second(told, addresses),
    }
}

/// The header that the first datagram of a flow begins with, in version 2: version 1 knows of connections only.
pub fn datagram_header(told: &Told) -> Vec<u8> {
    second(told, addresses(told, ProxiedAddress::datagram))
}

fn second(told: &Told, addresses: Option<ProxiedAddress>) -> Vec<u8> {
    let name = told.server_name.as_deref().map(|name| Tlv::Authority(Cow::Borrowed(name)));
    let protocol = told.protocol.as_deref().map(|protocol| Tlv::Alpn(Cow::Borrowed(protocol.as_bytes())));
    let id = told.unique_id.as_deref().map(|id| Tlv::UniqueId(Cow::Borrowed(id)));
    let fields = [protocol, name, id].into_iter().flatten().filter(|_| addresses.is_some());
    let header = ProxyHeader::with_tlvs(addresses.clone(), fields);
    encoded(|bytes| header.encode_v2(bytes).is_ok())
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let is_encoded = encode(&mut bytes);
    debug_assert!(is_encoded, "both addresses are of one family, and fields are short");
    bytes
}

fn addresses(told: &Told, of: impl Fn(SocketAddr, SocketAddr) -> ProxiedAddress) -> Option<ProxiedAddress> {
    let (client, to) = told.addresses?;
    let (client, to) = of_one_family(client, to);
    Some(of(client, to))
}

/// Both as they are, or both of IPv6.
fn of_one_family(client: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (client, to) = (canonical(client), canonical(to));
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    if client.is_ipv4() == to.is_ipv4() { (client, to) } else { (mapped(client), mapped(to)) }
}

/// CRC-32C of a header of version 2, with zeros in place of the one that it has (specification, 2.2.3).
fn checksum(header: &[u8]) -> u32 {
    /// By the address family.
    const ADDRESSES: [usize; 4] = [0, 12, 36, 216];
    const CRC32C: u8 = 3;
    let mut zeroed = header.to_vec();
    let family = header.get(13).map_or(0, |byte| usize::from(byte >> 4));
    let mut at = HEAD + ADDRESSES.get(family).copied().unwrap_or_default();
    while let Some([kind, high, low]) = header.get(at..at + 3) {
        let (from, length) = (at + 3, usize::from(u16::from_be_bytes([*high, *low])));
        if *kind == CRC32C
            && let Some(sum) = zeroed.get_mut(from..from + length)
        {
            sum.fill(0);
        }
        at = from + length;
    }
    CRC.checksum(&zeroed)
}

#[cfg(test)]
mod tests;
