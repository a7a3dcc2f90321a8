//! Addresses and blocks of them.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use super::table::Table;
use super::value::Value;
use crate::config::report::Finding;
use crate::config::{Access, Address, ListenerAddress, Peers};

/// Longest path that a Unix socket's address can hold (`sun_path` less its final zero).
const LONGEST_SOCKET_PATH: usize = 107;

/// What is wrong with a written address, and what to write instead.
struct Bad {
    problem: String,
    help: String,
}

fn bad<T>(problem: impl fmt::Display, help: impl fmt::Display) -> Result<T, Bad> {
    Err(Bad { problem: problem.to_string(), help: help.to_string() })
}

/// Where a listener listens: an IP address and a port, 0 for any free one, or a Unix socket.
pub(super) fn listen(value: Value<'_>) -> Option<ListenerAddress> {
    const EXPECTED: &str = "an IP address and a port";
    if let Some(port) = value.raw().as_integer().map(|port| port.as_str().to_owned()) {
        return value.wrong_type(EXPECTED, format_args!("write `\"0.0.0.0:{port}\"`"));
    }
    let text = value.string(EXPECTED, "0.0.0.0:8080")?;
    if let Ok(address) = text.parse() {
        return Some(ListenerAddress::Socket(address));
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return match unix(path) {
            Ok(path) => Some(ListenerAddress::Unix(path)),
            Err(Bad { problem, help }) => value.reject_with(format_args!("\"{text}\" {problem}"), help),
        };
    }
    let help = match text.rsplit_once(':') {
        _ if text.starts_with('/') => format!("write `\"unix:{text}\"` for a Unix socket"),
        _ if text.parse::<IpAddr>().is_ok() => with_port(text, "8080"),
        Some((host, port)) if port.parse::<u16>().is_ok() => match host {
            "" | "*" => format!("write `\"0.0.0.0:{port}\"`, or `\"[::]:{port}\"` for IPv6 too"),
            "localhost" => format!("write `\"127.0.0.1:{port}\"`"),
            host if host.parse::<std::net::Ipv6Addr>().is_ok() => format!("write `\"[{host}]:{port}\"`"),
            _ => format!("write the IP address of an interface, or `\"0.0.0.0:{port}\"` for all"),
        },
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => format!("write `\"0.0.0.0:{text}\"`"),
        _ => "write an address such as `\"0.0.0.0:8080\"`".to_owned(),
    };
    value.reject_with(format_args!("`{}` must be {EXPECTED}, not \"{text}\"", value.key()), help)
}

/// Where a backend is: `10.0.0.1:80`, `[::1]:80`, `localhost:80`, `unix:/path`.
pub(super) fn backend(value: Value<'_>) -> Option<Address> {
    connectable(value, false)
}

/// Where the admin API listens: as a backend's address, but port 0 is any free port.
pub(super) fn admin(value: Value<'_>) -> Option<Address> {
    connectable(value, true)
}

fn connectable(value: Value<'_>, any_port: bool) -> Option<Address> {
    let text = value.string("an address", "10.0.0.1:80")?;
    match parse(text, any_port) {
        Ok(address) => Some(address),
        Err(Bad { problem, help }) => value.reject_with(format_args!("\"{text}\" {problem}"), help),
    }
}

/// The text is no address to connect to; the error says what to write instead.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, false).map_err(|Bad { problem, help }| format!("\"{text}\" {problem}; {help}"))
    }
}

/// As it is written in a configuration.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn parse(text: &str, any_port: bool) -> Result<Address, Bad> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(Address::Unix);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.trim_end_matches('/');
        return bad(
            format_args!("is a URL ({scheme}), not an address"),
            format_args!("write `\"{rest}\"`, with a port"),
        );
    }
    if text.starts_with('/') {
        return bad("is a path, not an address", format_args!("write `\"unix:{text}\"` for a Unix socket"));
    }
    if text.parse::<IpAddr>().is_ok() || !text.contains(':') {
        return bad("has no port", with_port(text, "80"));
    }
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let Some(port) = port.filter(|port| any_port || *port != 0) else {
        return bad("has no valid port", "a port is a number from 1 to 65535");
    };
    if let Ok(address) = text.parse() {
        return Ok(Address::Socket(address));
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric || !is_name(host) {
        return bad("is no address", "write `\"10.0.0.1:80\"`, `\"[::1]:80\"`, `\"name:80\"` or `\"unix:/path\"`");
    }
    Ok(Address::Name(host.to_ascii_lowercase().into(), port))
}

fn unix(path: &str) -> Result<PathBuf, Bad> {
    if !path.starts_with('/') || path.contains('\0') {
        return bad("names no Unix socket", "write an absolute path: `\"unix:/run/app.sock\"`");
    }
    if path.len() > LONGEST_SOCKET_PATH {
        return bad(
            format_args!("is too long: the path of a Unix socket has at most {LONGEST_SOCKET_PATH} bytes"),
            "use a shorter path",
        );
    }
    Ok(PathBuf::from(path))
}

/// What to write for an address without port.
fn with_port(text: &str, port: &str) -> String {
    if text.contains(':') { format!("write `\"[{text}]:{port}\"`") } else { format!("write `\"{text}:{port}\"`") }
}

/// Whether this can be resolved: labels of letters, digits, `-` and `_` between dots.
pub(super) fn is_name(text: &str) -> bool {
    const LONGEST_NAME: usize = 253;
    const LONGEST_LABEL: usize = 63;
    text.len() <= LONGEST_NAME
        && text.strip_suffix('.').unwrap_or(text).split('.').all(|label| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

/// The `allow` and `deny` of a table.
pub(super) fn access(table: &mut Table<'_>) -> Access {
    Access { allow: table.or("allow", Peers::default(), peers), deny: table.or("deny", Peers::default(), peers) }
}

/// A list of CIDR blocks, where an address alone is a block of one, and of `"unix:"`.
pub(super) fn peers(value: Value<'_>) -> Option<Peers> {
    let example = match value.raw().as_str() {
        Some(text) => format!("[\"{text}\"]"),
        None => "[\"10.0.0.0/8\"]".to_owned(),
    };
    let (mut peers, mut is_right) = (Peers::default(), true);
    for entry in value.list("a list of addresses", &example)? {
        match entry.raw().as_str() {
            Some("unix:") => peers.unix = true,
            _ => match block(entry) {
                Some(block) => peers.blocks.push(block),
                None => is_right = false,
            },
        }
    }
    is_right.then_some(peers)
}

fn block(value: Value<'_>) -> Option<IpNet> {
    let text = value.string("an address or a block of addresses", "10.0.0.0/8")?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.into());
    }
    let Ok(block) = text.parse::<IpNet>() else {
        let help = match text {
            "all" | "*" | "any" => "write `\"0.0.0.0/0\"` for all of IPv4 and `\"::/0\"` for all of IPv6".to_owned(),
            _ if text.starts_with("unix") => "write `\"unix:\"` for all who come by way of a Unix socket".to_owned(),
            _ => "write `\"10.0.0.1\"`, `\"10.0.0.0/8\"` or `\"2001:db8::/32\"`".to_owned(),
        };
        return value.reject_with(format_args!("\"{text}\" is no address and no block of addresses"), help);
    };
    if block != block.trunc() {
        let message = format!("\"{text}\" has bits beyond its prefix, which mean nothing");
        let help = format!("write `\"{}\"`, or `\"{}\"` for the one address", block.trunc(), block.addr());
        value.sink().push(Finding::warning(value.span(), message).help(help));
    }
    Some(block.trunc())
}
