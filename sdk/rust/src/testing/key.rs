//! The key of a request, as the host finds it by `plan.keys`.
//!
//! It follows `plan.keys` of `wit/types.wit` and panics on a spelling that the host would refuse.

use std::net::IpAddr;

use xxhash_rust::xxh64::xxh64;

use super::Request;

/// The bytes of the first of these keys that has a value.
pub(super) fn bytes(keys: &[String], request: &Request) -> Option<Vec<u8>> {
    keys.iter().find_map(|key| of(key, request))
}

/// `moment.key` of these bytes, with the default `hash_seed`.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

fn of(key: &str, request: &Request) -> Option<Vec<u8>> {
    let first = |pairs: &[(String, String)], matches: &dyn Fn(&str) -> bool| {
        pairs.iter().find(|(name, _)| matches(name)).map(|(_, value)| value.clone().into_bytes())
    };
    let text = |value: &str| (!value.is_empty()).then(|| value.as_bytes().to_vec());
    match key.split_once(':') {
        None => match key {
            "client-address" => address(request).map(octets),
            "path" => text(&request.path),
            "host" => text(&request.host),
            "sni" => request.sni.as_deref().and_then(text),
            _ => panic!("`{key}` is no key"),
        },
        Some(("client-network", prefix)) => match prefix.strip_prefix('/').and_then(|prefix| prefix.parse().ok()) {
            Some(prefix @ 1..=128) => address(request).map(|address| network(address, prefix)),
            _ => panic!("`{key}` is no key"),
        },
        Some(("header", name)) => first(&request.headers, &|other| other.eq_ignore_ascii_case(name)),
        Some(("cookie", name)) => first(&request.cookies, &|other| other == name),
        Some(("query", name)) => {
            let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(other, _)| *other == name).find_map(|(_, value)| text(value))
        }
        Some(_) => panic!("`{key}` is no key"),
    }
}

fn address(request: &Request) -> Option<IpAddr> {
    request.client_address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A prefix up to 32 is that of IPv4 clients, with /56 for IPv6; one above 32 is that of IPv6 clients alone.
fn network(address: IpAddr, prefix: u32) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => (u32::from(v4) & u32::MAX << (32 - prefix.min(32))).to_be_bytes().to_vec(),
        IpAddr::V6(v6) => {
            let prefix = if prefix <= 32 { 56 } else { prefix };
            (u128::from(v6) & u128::MAX << (128 - prefix)).to_be_bytes().to_vec()
        }
    }
}
