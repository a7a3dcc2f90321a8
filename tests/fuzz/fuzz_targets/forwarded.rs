//! Headers by which a client could claim to be somebody else.

#![no_main]

use std::net::SocketAddr;

use http::header::{CONNECTION, FORWARDED, HOST, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use trimtab::config::Peers;
use trimtab::proxy::headers::{Peer, X_FORWARDED_FOR, end_hop, forged, forward};

fuzz_target!(|lines: Vec<(u8, Vec<u8>)>| {
    let names = [CONNECTION, FORWARDED, HOST, X_FORWARDED_FOR];
    let mut sent = HeaderMap::new();
    for (name, value) in &lines {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            sent.append(&names[usize::from(*name) % names.len()], value);
        }
    }
    let address = SocketAddr::from(([192, 0, 2, 7], 9));
    let trusting = Peers { blocks: "192.0.2.0/24".parse().into_iter().collect(), unix: true };
    for (address, trusted) in [
        (Some(address), Peers::default()),
        (Some(address), trusting.clone()),
        (None, Peers::default()),
        (None, trusting),
    ] {
        let peer = Peer::new(address, &trusted, false);
        let mut headers = sent.clone();
        end_hop(&mut headers);
        forged::remove(&mut headers, peer.trusted);
        let client = forward(&mut headers, &peer, &trusted, true);
        assert!(peer.trusted || client == address);
        assert!(headers.contains_key(X_FORWARDED_FOR) || address.is_none());
    }
});
