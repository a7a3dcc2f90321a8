//! Whom a connection is from, as logs say it.

use std::fmt;
use std::net::SocketAddr;

/// Address and port; `unix:` for who comes by way of a Unix socket and is not said to be from elsewhere, as nginx has it.
pub(super) struct Whom(pub(super) Option<SocketAddr>);

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix:"),
        }
    }
}
