//! Whom a list of addresses names: `allow`, `deny`, `trusted_proxies`, and `from` of the PROXY protocol.

use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses and CIDR blocks, and `"unix:"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// `"10.0.0.0/8"`, or an address alone: a block of one.
    pub blocks: Vec<IpNet>,
    /// `"unix:"`: whoever comes by way of a Unix socket, and so from no address.
    pub unix: bool,
}

impl Peers {
    /// Whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && !self.unix
    }

    /// Whether it names who comes from this address; none: by way of a Unix socket.
    pub fn names(&self, address: impl Into<Option<IpAddr>>) -> bool {
        match address.into() {
            Some(address) => {
                let address = address.to_canonical();
                self.blocks.iter().any(|block| block.contains(&address))
            }
            None => self.unix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_address_is_in_no_block() {
        let all = ["0.0.0.0/0", "::/0"].map(|block| block.parse().expect("a block")).to_vec();
        let blocks = Peers { blocks: all, unix: false };
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert!(blocks.names(mapped) && !blocks.names(None) && !blocks.is_empty());
        let unix = Peers { blocks: Vec::new(), unix: true };
        assert!(!unix.names(mapped) && unix.names(None) && !unix.is_empty());
        assert!(Peers::default().is_empty() && !Peers::default().names(None));
    }
}
