//! Networks that count as one client: their spelling in the settings, and whose an address is.

use std::net::IpAddr;

use serde::Deserialize;

/// What goes for IPv6 clients where only that of IPv4 is set. It is the host's `client-network:/24`, too.
const IPV6: u32 = 56;

/// A prefix length: `24` or `"/24"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a prefix length such as 24 or \"/24\"")]
pub(crate) enum Prefix {
    Length(u32),
    Text(String),
}

/// Prefix lengths of IPv4 and IPv6 clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Networks(u32, u32);

/// The key that the plan asks for. A plan can say one prefix length; where two are needed that the host does
/// not know together, they come beside it and are for [`Networks::of`].
///
/// # Errors
///
/// When a prefix length is none of its family.
pub(crate) fn plan(network: Option<Prefix>, network6: Option<Prefix>) -> Result<(String, Option<Networks>), String> {
    let v4 = network.map(|prefix| prefix.length("network", 32)).transpose()?;
    let v6 = network6.map(|prefix| prefix.length("network6", 128)).transpose()?;
    Ok(match (v4, v6) {
        (None, None) => ("client-address".to_owned(), None),
        (Some(v4), None | Some(IPV6)) => (format!("client-network:/{v4}"), None),
        // Above 32 the host takes it for IPv6 alone.
        (None, Some(v6)) if v6 > 32 => (format!("client-network:/{v6}"), None),
        (v4, v6) => ("client-address".to_owned(), Some(Networks(v4.unwrap_or(32), v6.unwrap_or(128)))),
    })
}

impl Networks {
    /// The first bytes of an address, with what is not of its network zeroed. None for what is no address.
    pub(crate) fn of(self, address: &str) -> Option<Vec<u8>> {
        Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(v4) => (u32::from(v4) & u32::MAX.checked_shl(32 - self.0).unwrap_or(0)).to_be_bytes().to_vec(),
            IpAddr::V6(v6) => {
                (u128::from(v6) & u128::MAX.checked_shl(128 - self.1).unwrap_or(0)).to_be_bytes().to_vec()
            }
        })
    }
}

impl Prefix {
    fn length(&self, setting: &str, longest: u32) -> Result<u32, String> {
        let length = match self {
            Self::Length(length) => Some(*length),
            Self::Text(text) => text.strip_prefix('/').unwrap_or(text).parse().ok(),
        };
        let valid = length.filter(|length| (1..=longest).contains(length));
        valid.ok_or_else(|| {
            format!("`{setting}` must be a prefix length from 1 to {longest}, such as \"/{}\"", longest * 3 / 4)
        })
    }
}
