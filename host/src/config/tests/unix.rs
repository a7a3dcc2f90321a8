//! Listeners on Unix sockets: their address and `mode`, and what means nothing to them.

use super::{config, lines, minimal, report};
use crate::config::{ListenerAddress, ProxyProtocol};

/// A minimal configuration whose listener is on a Unix socket.
fn local(more: &str) -> String {
    minimal(more, "").replace("127.0.0.1:0", "unix:/run/web.sock")
}

fn said(more: &str) -> Vec<String> {
    lines(&report(&local(more)))
}

#[test]
fn a_path_and_its_permissions() {
    let listener = |more: &str| config(&local(more)).listeners.remove(0);
    let plain = listener("keepalive = false\ntcp_user_timeout = false\ntcp_fast_open = false");
    assert_eq!((plain.address, plain.mode), (ListenerAddress::Unix("/run/web.sock".into()), None));
    assert_eq!(&*plain.name, "unix:/run/web.sock");
    for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0777", 0o777), ("0", 0)] {
        assert_eq!(listener(&format!("mode = '{text}'")).mode, Some(mode), "{text}");
    }
    for protocol in ["tcp", "tls-passthrough"] {
        listener(&format!("protocol = '{protocol}'\nrefuse_with = 'close'\nmode = '0660'"));
    }
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let said = |path: &str| lines(&report(&minimal("", "").replace("127.0.0.1:0", path)));
    assert_eq!(
        said("unix:web.sock"),
        ["2:11 \"unix:web.sock\" names no Unix socket | write an absolute path: `\"unix:/run/app.sock\"`"]
    );
    let long = format!("unix:/{}", "x".repeat(107));
    assert_eq!(
        said(&long),
        [format!("2:11 \"{long}\" is too long: the path of a Unix socket has at most 107 bytes | use a shorter path")]
    );
    config(&minimal("", "").replace("127.0.0.1:0", &long[..long.len() - 1]));
}

#[test]
fn permissions_that_cannot_be_are_named() {
    let help = "write `\"0660\"` for the owner and the group, or `\"0666\"` for all";
    for text in ["", "rw", "0680", "1777", "+660", "0o660"] {
        let message = format!("4:8 `mode` must be permissions as octal digits, not \"{text}\" | {help}");
        assert_eq!(said(&format!("mode = '{text}'")), [message]);
    }
    let wrong = "`mode` must be permissions as octal digits, not the number";
    for number in ["660", "0o660"] {
        let lines = said(&format!("mode = {number}"));
        assert!(lines[0].contains(wrong) && lines[0].ends_with("write it in quotes: `\"0660\"`"), "{lines:?}");
    }
    assert_eq!(
        lines(&report(&minimal("mode = '0660'", ""))),
        ["4:8 `mode` is of a Unix socket | remove it, or write `address = \"unix:/path\"`"]
    );
}

#[test]
fn what_is_of_tcp_is_named() {
    assert_eq!(
        said("ipv6_only = false\nkeepalive = '60s'\ntcp_user_timeout = '30s'\ntcp_fast_open = true"),
        [
            "4:13 `ipv6_only` is of TCP, and this is a Unix socket: its clients have no addresses | remove it",
            "5:13 `keepalive` is of TCP, and this is a Unix socket: the kernel knows when its other side is gone | remove \
             it",
            "6:20 `tcp_user_timeout` is of TCP, and this is a Unix socket: nothing on it is acknowledged | remove it",
            "7:17 `tcp_fast_open` is of TCP, and this is a Unix socket: there is no handshake | remove it",
        ]
    );
    assert_eq!(
        said("protocol = 'tcp'\nrefuse_with = 'reset'"),
        ["5:15 a Unix socket has no reset: its end is seen as one | write `\"close\"`, or remove it"]
    );
    let udp = "4:12 nobody sends UDP to a Unix socket | write an IP address and a port, such as `address = \
               \"0.0.0.0:53\"`, or another `protocol`";
    assert_eq!(said("protocol = 'udp'"), [udp]);
}

#[test]
fn two_listeners_cannot_share_a_path() {
    let second = "[[listener]]\nname = 'b'\naddress = 'unix:/run/web.sock'\npool = 'web'\n[pool.web]";
    let lines = lines(&report(&local("").replace("[pool.web]", second)));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("two listeners have the address unix:/run/web.sock"), "{lines:?}");
}

#[test]
fn lists_of_addresses_name_them_by_a_word() {
    let text =
        local("allow = ['unix:', '10.0.0.0/8']\ntrusted_proxies = ['unix:']\nproxy_protocol = { from = ['unix:'] }");
    let listener = config(&text).listeners.remove(0);
    assert!(listener.access.allow.unix && listener.access.allow.blocks.len() == 1 && listener.access.deny.is_empty());
    assert!(listener.trusted_proxies.unix && listener.trusted_proxies.blocks.is_empty());
    assert!(listener.proxy_protocol.is_some_and(|ProxyProtocol { from, .. }| from.unix && from.names(None)));
    assert_eq!(
        said("allow = ['unix:/run/web.sock']"),
        [
            "4:10 \"unix:/run/web.sock\" is no address and no block of addresses | write `\"unix:\"` for all who come by way \
          of a Unix socket"
        ]
    );
}
