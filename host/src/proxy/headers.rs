//! Headers on their way through: what may not be passed on, and what we add.
//!
//! Hop-by-hop fields end here (RFC 9110 §7.6.1). `X-Forwarded-*` and `Forwarded` (RFC 7239) are believed from
//! trusted proxies only; from anybody else they are replaced. What else nobody may forge is in `forged`.
//!
//! Who comes by way of a Unix socket has no address: `X-Forwarded-For` has nothing of him, as with HAProxy and Envoy, and
//! `Forwarded` says `for=unknown` (RFC 7239 §6.2).

pub mod certificate;
pub mod forged;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRANSFER_ENCODING, UPGRADE,
};

use crate::config::Peers;

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Request-Id`
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Never pass, whatever `Connection` says.
const ALWAYS: [HeaderName; 6] = [
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("http2-settings"),
];

/// Longest request id that is taken over from a client.
const LONGEST_REQUEST_ID: usize = 128;

/// What is the same for all requests of a connection.
pub struct Peer {
    /// Who is connected to us; none for a Unix socket.
    pub address: Option<SocketAddr>,
    /// Whether its forwarding headers are believed.
    pub trusted: bool,
    /// Its address as `X-Forwarded-For` has it.
    text: Option<HeaderValue>,
    /// `https` where it speaks TLS with us, else `http`.
    pub scheme: &'static str,
}

impl Peer {
    /// `trusted_proxies` are the listener's; `secure` says that there is TLS.
    pub fn new(address: Option<SocketAddr>, trusted_proxies: &Peers, secure: bool) -> Self {
        let address = address.map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()));
        let text = address.and_then(|address| HeaderValue::from_str(&address.ip().to_string()).ok());
        let scheme = if secure { "https" } else { "http" };
        Self { address, trusted: trusted_proxies.names(address.map(|address| address.ip())), text, scheme }
    }
}

/// Removes what belongs to the client's connection only. Answers the protocol that the client asks to
/// upgrade to, whose headers are the ones that stay.
pub fn end_hop(headers: &mut HeaderMap) -> bool {
    // Looking at each name once costs less than looking up each of these, and most messages have none.
    if !headers.keys().any(is_of_the_hop) {
        return false;
    }
    let upgrade = remove_listed(headers);
    for name in &ALWAYS {
        headers.remove(name);
    }
    // The one use of TE that passes a hop: the client takes trailers.
    if let Some(te) = headers.get(TE) {
        let trailers = te.as_bytes().split(|b| *b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"));
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        } else {
            headers.remove(TE);
        }
    }
    // HTTP/2 is not upgraded to any more (RFC 9113 §3.1): a backend that did would be spoken to past us.
    let is_http2 =
        |protocol: &[u8]| protocol.trim_ascii().get(..2).is_some_and(|name| name.eq_ignore_ascii_case(b"h2"));
    let asked = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b',').any(is_http2);
    let upgrade = upgrade && headers.contains_key(UPGRADE) && !headers.get_all(UPGRADE).iter().any(asked);
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(UPGRADE);
    }
    upgrade
}

/// Removes from a backend's trailers what belongs to its connection: HTTP/2 refuses all that have it.
pub fn end_trailers(trailers: &mut HeaderMap) {
    forged::remove_where(trailers, is_of_the_hop);
}

/// Makes one header of the pieces in which HTTP/2 may send cookies (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) || only_one(headers, &COOKIE) {
        return;
    }
    let pieces: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookies) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, cookies);
    }
}

fn is_of_the_hop(name: &HeaderName) -> bool {
    *name == CONNECTION || *name == TE || *name == UPGRADE || ALWAYS.contains(name)
}

/// Removes `Connection` and the headers that it lists. Answers whether `upgrade` is among them.
fn remove_listed(headers: &mut HeaderMap) -> bool {
    let Some(first) = headers.get(CONNECTION) else {
        return false;
    };
    // By far the most common values list nothing.
    if matches!(first.as_bytes(), b"keep-alive" | b"close" | b"Keep-Alive") && only_one(headers, &CONNECTION) {
        headers.remove(CONNECTION);
        return false;
    }
    let listed: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    let mut upgrade = false;
    for token in listed.iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii) {
        if token.eq_ignore_ascii_case(b"upgrade") {
            upgrade = true;
        } else if let Ok(name) = HeaderName::from_bytes(token)
            && !forged::is_essential(name.as_str())
        {
            headers.remove(name);
        }
    }
    upgrade
}

fn only_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_none()
}

/// Sets the forwarding headers, and answers the client's address: the peer's or, behind trusted proxies, the
/// last one in `X-Forwarded-For` (else `Forwarded`) that is not a trusted proxy itself. None for a Unix socket of which nobody
/// told an address.
pub fn forward(headers: &mut HeaderMap, peer: &Peer, trusted_proxies: &Peers, forwarded: bool) -> Option<SocketAddr> {
    let host = headers.get(HOST).cloned();
    if !peer.trusted {
        match &peer.text {
            Some(text) => headers.insert(X_FORWARDED_FOR, text.clone()),
            None => headers.remove(X_FORWARDED_FOR),
        };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(peer.scheme));
        if forwarded {
            headers.insert(FORWARDED, element(peer, host.as_ref()));
        } else {
            headers.remove(FORWARDED);
        }
        match host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host),
            None => headers.remove(X_FORWARDED_HOST),
        };
        return peer.address;
    }
    let client = client_of(headers, peer, trusted_proxies);
    if let Some(text) = &peer.text {
        let chain = joined(headers, &X_FORWARDED_FOR);
        headers.insert(X_FORWARDED_FOR, append(chain, text));
    }
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(peer.scheme));
    }
    if let Some(host) = &host
        && !headers.contains_key(X_FORWARDED_HOST)
    {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    if forwarded || headers.contains_key(FORWARDED) {
        let chain = joined(headers, &FORWARDED);
        headers.insert(FORWARDED, append(chain, &element(peer, host.as_ref())));
    }
    client
}

/// The client behind a trusted peer.
fn client_of(headers: &HeaderMap, peer: &Peer, trusted_proxies: &Peers) -> Option<SocketAddr> {
    let mut client = peer.address;
    let hops: Vec<_> = if headers.contains_key(X_FORWARDED_FOR) {
        texts(headers, &X_FORWARDED_FOR).map(address).collect()
    } else {
        texts(headers, &FORWARDED).map(|element| parameter(element, "for").and_then(address)).collect()
    };
    // From the nearest hop outwards, as long as each was told by one that we trust.
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { break };
        client = Some(hop);
        if !trusted_proxies.names(hop.ip()) {
            break;
        }
    }
    client
}

/// The comma-separated elements of all headers of this name.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    // What is no text is one element that nobody understands.
    headers.get_all(name).into_iter().flat_map(|value| value.to_str().unwrap_or_default().split(','))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, quoted or not.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim().trim_matches('"');
    let ip = |text: &str| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip.to_canonical(), 0));
    ip(text)
        .or_else(|| text.parse::<SocketAddr>().ok().map(|a| SocketAddr::new(a.ip().to_canonical(), a.port())))
        .or_else(|| ip(text.strip_prefix('[')?.strip_suffix(']')?))
}

fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// This hop as an element of `Forwarded`.
fn element(peer: &Peer, host: Option<&HeaderValue>) -> HeaderValue {
    let mut text = match peer.address.map(|address| address.ip()) {
        Some(IpAddr::V4(v4)) => format!("for={v4}"),
        Some(IpAddr::V6(v6)) => format!("for=\"[{v6}]\""),
        None => "for=unknown".to_owned(),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok()) {
        // A Host is validated, so it holds nothing that a quoted string would have to escape.
        let _ = write!(text, ";host=\"{host}\"");
    }
    let _ = write!(text, ";proto={}", peer.scheme);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    if only_one(headers, name) {
        return headers.get(name).cloned();
    }
    let all: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

fn append(chain: Option<HeaderValue>, hop: &HeaderValue) -> HeaderValue {
    match chain {
        Some(chain) => {
            HeaderValue::from_bytes(&[chain.as_bytes(), b", ", hop.as_bytes()].concat()).unwrap_or_else(|_| hop.clone())
        }
        None => hop.clone(),
    }
}

/// Keeps the client's request id if it is one, else sets a new one from `random`.
pub fn request_id(headers: &mut HeaderMap, random: impl FnOnce() -> u128) {
    let usable = |id: &HeaderValue| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    if headers.get(X_REQUEST_ID).is_some_and(usable) && only_one(headers, &X_REQUEST_ID) {
        return;
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = random();
    let mut id = [0; 32];
    for (i, digit) in id.iter_mut().enumerate() {
        *digit = DIGITS[(random >> (4 * i)) as usize & 15];
    }
    if let Ok(id) = HeaderValue::from_bytes(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests;
