//! Prefix lengths: which clients count as one.

use std::net::IpAddr;

use xxhash_rust::xxh64::xxh64;

/// What the host takes IPv6 clients by where the key names a network of IPv4.
const HOST_V6: u8 = 56;

/// How much of an address counts, by family: at most 32 and 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    v4: u8,
    v6: u8,
}

impl Networks {
    /// From the settings `network` and `network6`. Without both, whole addresses; with `network` alone,
    /// IPv6 clients by their /56, about what one customer has.
    ///
    /// # Errors
    ///
    /// A prefix length that the family does not have.
    pub fn new(network: Option<u8>, network6: Option<u8>) -> Result<Self, String> {
        if let Some(bad) = network.filter(|bits| !(1..=32).contains(bits)) {
            return Err(format!("`network` is {bad}, and must be 1 to 32: the prefix length of IPv4 clients"));
        }
        if let Some(bad) = network6.filter(|bits| !(1..=128).contains(bits)) {
            return Err(format!("`network6` is {bad}, and must be 1 to 128: the prefix length of IPv6 clients"));
        }
        let v6 = network6.unwrap_or(if network.is_some() { HOST_V6 } else { 128 });
        Ok(Self { v4: network.unwrap_or(32), v6 })
    }

    /// The key of the host that means the same, if there is one: a prefix of up to 32 is that of IPv4
    /// beside IPv6's /56, a longer one that of IPv6 beside whole addresses of IPv4.
    pub fn key(self) -> Option<String> {
        match (self.v4, self.v6) {
            (32, 128) => Some("client-address".to_owned()),
            (v4, HOST_V6) => Some(format!("client-network:/{v4}")),
            (32, v6 @ 33..) => Some(format!("client-network:/{v6}")),
            _ => None,
        }
    }

    /// XXH64 of the network's octets, as the host hashes them.
    pub fn hash(self, client: IpAddr) -> u64 {
        match client.to_canonical() {
            IpAddr::V4(v4) => hash(v4.octets(), self.v4),
            IpAddr::V6(v6) => hash(v6.octets(), self.v6),
        }
    }
}

fn hash<const N: usize>(mut octets: [u8; N], bits: u8) -> u64 {
    for (octet, first) in octets.iter_mut().zip((0..).step_by(8)) {
        let kept = bits.saturating_sub(first).min(8);
        *octet &= !(0xffu16 >> kept) as u8;
    }
    xxh64(&octets, 0)
}
