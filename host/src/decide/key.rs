//! Where a decision's key comes from, and its hash.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use xxhash_rust::xxh64::xxh64;

use super::Facts;

/// A source of a key. The same spelling in the configuration's `key` and the WIT's `plan.keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// `client-address`
    ClientAddress,
    /// `client-network:/24`. Up to 32 it is the prefix length of IPv4 clients, and IPv6 clients are
    /// taken by their /56; above 32 it is that of IPv6 clients, and IPv4 clients are taken whole.
    ClientNetwork(u8),
    /// `header:NAME`, lower case
    Header(Arc<str>),
    /// `cookie:NAME`
    Cookie(Arc<str>),
    /// `query:NAME`
    Query(Arc<str>),
    /// `path`
    Path,
    /// `host`
    Host,
    /// `sni`
    Sni,
}

/// Prefix length for IPv6 clients where the configured one is for IPv4.
const IPV6_NETWORK: u8 = 56;

impl Key {
    /// The bytes of this source, if `facts` have any.
    pub fn bytes<'a>(&self, facts: &'a Facts) -> Option<Cow<'a, [u8]>> {
        fn text(value: &str) -> Option<Cow<'_, [u8]>> {
            (!value.is_empty()).then_some(Cow::Borrowed(value.as_bytes()))
        }
        match self {
            Self::ClientAddress => facts.client.map(|client| Cow::Owned(octets(client.ip().to_canonical()))),
            Self::ClientNetwork(prefix) => facts.client.map(|client| Cow::Owned(network(client.ip(), *prefix))),
            Self::Header(name) => facts.headers.get(&**name).map(|value| Cow::Borrowed(value.as_bytes())),
            Self::Cookie(name) => facts.cookie(name).map(Cow::Borrowed),
            Self::Query(name) => facts.query_value(name).and_then(text),
            Self::Path => text(facts.path()),
            Self::Host => match facts.host() {
                host if host.is_empty() => None,
                Cow::Borrowed(host) => Some(Cow::Borrowed(host.as_bytes())),
                Cow::Owned(host) => Some(Cow::Owned(host.into_bytes())),
            },
            Self::Sni => facts.sni.as_deref().and_then(text),
        }
    }
}

/// The bytes of the first source that has a value.
pub fn bytes<'a>(keys: &[Key], facts: &'a Facts) -> Option<Cow<'a, [u8]>> {
    keys.iter().find_map(|key| key.bytes(facts))
}

/// XXH64 of the first source that has a value: the WIT's `moment.key`.
pub fn hash(keys: &[Key], facts: &Facts, seed: u64) -> Option<u64> {
    bytes(keys, facts).map(|bytes| xxh64(&bytes, seed))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn network(address: IpAddr, prefix: u8) -> Vec<u8> {
    let mut bytes = octets(address.to_canonical());
    let keep = match (bytes.len(), prefix) {
        (4, prefix) => prefix.min(32),
        (_, prefix) if prefix <= 32 => IPV6_NETWORK,
        (_, prefix) => prefix.min(128),
    };
    for (i, byte) in bytes.iter_mut().enumerate() {
        let bits = usize::from(keep).saturating_sub(i * 8).min(8);
        *byte &= !(0xffu16 >> bits) as u8;
    }
    bytes
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientAddress => f.write_str("client-address"),
            Self::ClientNetwork(prefix) => write!(f, "client-network:/{prefix}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Path => f.write_str("path"),
            Self::Host => f.write_str("host"),
            Self::Sni => f.write_str("sni"),
        }
    }
}

/// The text names no source of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key: use client-address, client-network:/24, header:NAME, cookie:NAME, query:NAME, path, host or sni"
)]
pub struct BadKey(pub String);

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(text.to_owned());
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let token = || {
            let valid =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b));
            if valid { Ok(name) } else { Err(bad()) }
        };
        match kind {
            "client-address" if text == kind => Ok(Self::ClientAddress),
            "path" if text == kind => Ok(Self::Path),
            "host" if text == kind => Ok(Self::Host),
            "sni" if text == kind => Ok(Self::Sni),
            "client-network" => match name.strip_prefix('/').and_then(|prefix| prefix.parse().ok()) {
                Some(prefix @ 1..=128) => Ok(Self::ClientNetwork(prefix)),
                _ => Err(bad()),
            },
            "header" => Ok(Self::Header(token()?.to_ascii_lowercase().into())),
            "cookie" => Ok(Self::Cookie(token()?.into())),
            "query" if !name.is_empty() => Ok(Self::Query(name.into())),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_round_trips() {
        for text in [
            "client-address",
            "client-network:/24",
            "client-network:/64",
            "header:x-user",
            "cookie:sid",
            "query:id",
            "path",
            "host",
            "sni",
        ] {
            let key: Key = text.parse().expect(text);
            assert_eq!(key.to_string(), text);
        }
        for text in [
            "",
            "paths",
            "path:x",
            "header:",
            "header:a b",
            "client-network:24",
            "client-network:/0",
            "client-network:/129",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_masked() {
        let v4 = "192.0.2.77".parse().expect("address");
        assert_eq!(network(v4, 24), [192, 0, 2, 0]);
        assert_eq!(network(v4, 20), [192, 0, 0, 0]);
        assert_eq!(network(v4, 64), [192, 0, 2, 77]);
        let v6 = "2001:db8:aabb:ccdd::1".parse().expect("address");
        assert_eq!(network(v6, 24)[..8], [0x20, 1, 0xd, 0xb8, 0xaa, 0xbb, 0xcc, 0]);
        assert_eq!(network(v6, 48)[..8], [0x20, 1, 0xd, 0xb8, 0xaa, 0xbb, 0, 0]);
        assert_eq!(network("::ffff:192.0.2.77".parse().expect("address"), 24), [192, 0, 2, 0]);
    }
}
