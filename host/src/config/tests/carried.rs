//! Listeners that carry connections as they are, and their routes: what goes with which protocol.

use std::time::Duration;

use super::{config, lines, listener, minimal, pool, report};
use crate::config::{
    Carried, HostPattern, ListenerProtocol, Others, Peers, ProxyProtocol, ProxyVersion, RefuseWith, TcpOptions,
};

#[test]
fn protocols_and_their_settings() {
    let of = |more: &str| listener(more).protocol;
    assert_eq!(of("protocol = 'http'"), ListenerProtocol::Http);
    assert_eq!(of("protocol = 'tcp'"), ListenerProtocol::Tcp(Carried::default()));
    let carried = Carried { idle_timeout: None, refuse_with: RefuseWith::Reset };
    assert_eq!(of("protocol = 'tcp'\nidle_timeout = false\nrefuse_with = 'reset'"), ListenerProtocol::Tcp(carried));
    let handshake_timeout = Duration::from_secs(10);
    let passthrough = ListenerProtocol::TlsPassthrough { carried: Carried::default(), handshake_timeout };
    assert_eq!(of("protocol = 'tls-passthrough'"), passthrough);
    let secured = listener("protocol = 'tcp'\ncertificates = [{ cert = 'a.pem', key = 'a.key' }]");
    assert!(secured.tls.is_some_and(|tls| tls.alpn.is_empty()));
    let lines = "protocol = 'tcp'\ncertificates = [{ cert = 'a.pem', key = 'a.key' }]\nalpn = ['postgresql', 'h2']";
    assert_eq!(listener(lines).tls.expect("TLS").alpn, ["postgresql".into(), "h2".into()]);
}

#[test]
fn what_cannot_be_agreed_on_is_named() {
    let said = |more: &str| lines(&report(&minimal(more, "")));
    let of_tcp = "protocol = 'tcp'\ncertificates = [{ cert = 'a.pem', key = 'a.key' }]";
    assert_eq!(
        said(&format!("{of_tcp}\nalpn = ['', 'a b']")),
        [
            "6:9 \"\" is no name of a protocol | 1 to 255 visible characters, such as `\"postgresql\"`",
            "6:13 \"a b\" is no name of a protocol | 1 to 255 visible characters, such as `\"postgresql\"`",
        ]
    );
    assert_eq!(said(&format!("{of_tcp}\nalpn = ['h2', 'h2']")), ["6:8 `alpn` has \"h2\" twice"]);
    assert_eq!(
        said("protocol = 'tcp'\nalpn = ['h2']"),
        ["5:8 `alpn` is agreed on in a handshake, and this listener has no TLS | add `certificates = [{ cert = \
          \"a.pem\", key = \"a.key\" }]`, or remove it"]
    );
    assert_eq!(
        said("alpn = ['h2']"),
        [
            "4:8 `alpn` is of connections that are carried as they are, and what HTTP offers follows from `http2` | remove \
          it, or add `protocol = \"tcp\"`"
        ]
    );
    assert_eq!(
        said("protocol = 'tls-passthrough'\nalpn = ['h2']"),
        ["5:8 `alpn` is for TLS that ends here, and `tls-passthrough` passes it on | remove it, or change the \
          `protocol` of the listener"]
    );
}

#[test]
fn what_does_not_go_with_a_protocol_is_named() {
    let said = |more: &str| lines(&report(&minimal(more, "")));
    let change = "remove it, or change the `protocol` of the listener";
    assert_eq!(
        said("protocol = 'tcp'\npaths = 'strict'\nhttp2 = false\nhandshake_timeout = '1s'"),
        [
            format!(
                "5:9 `paths` means something to HTTP only, and this listener carries connections as they are | {change}"
            ),
            format!(
                "6:9 `http2` means something to HTTP only, and this listener carries connections as they are | {change}"
            ),
            "7:21 `handshake_timeout` of a listener is of `tls-passthrough` | with `certificates`, write `tls = { \
             handshake_timeout = \"10s\" }`"
                .to_owned(),
        ]
    );
    assert_eq!(
        said("protocol = 'tls-passthrough'\ncertificates = [{ cert = 'a.pem', key = 'a.key' }]"),
        [format!("5:16 `certificates` is for TLS that ends here, and `tls-passthrough` passes it on | {change}")]
    );
    assert_eq!(
        said("refuse_with = 'reset'"),
        ["4:15 `refuse_with` is of connections that are carried as they are, and HTTP answers | remove it, or add \
          `protocol = \"tcp\"`"]
    );
    assert_eq!(said("protocol = 'tpc'"), ["4:12 `protocol` cannot be \"tpc\" | did you mean `tcp`?"]);
}

#[test]
fn datagrams_and_their_settings() {
    let of = |more: &str| listener(more).protocol;
    let carried = Carried { idle_timeout: Some(Duration::from_secs(60)), ..Carried::default() };
    assert_eq!(of("protocol = 'udp'"), ListenerProtocol::Udp { carried, responses: None });
    let carried = Carried { idle_timeout: None, ..Carried::default() };
    let of_dns = of("protocol = 'udp'\nidle_timeout = false\nresponses = 1");
    assert_eq!(of_dns, ListenerProtocol::Udp { carried, responses: Some(1) });
    assert_eq!(listener("protocol = 'udp'").max_connections, Some(10_000));
    assert_eq!(listener("protocol = 'udp'\nmax_connections = 7").max_connections, Some(7));
    assert_eq!(listener("protocol = 'tcp'").max_connections, None);
}

#[test]
fn what_is_not_for_datagrams_is_named() {
    let said = |more: &str| lines(&report(&minimal(more, "")));
    let change = "remove it, or change the `protocol` of the listener";
    assert_eq!(
        said(
            "protocol = 'udp'\nrefuse_with = 'reset'\nproxy_protocol = true\nalpn = ['h2']\nkeepalive = '1s'\npaths = 'strict'\n\
             tcp_fast_open = true"
        ),
        [
            format!("5:15 `refuse_with` is of connections, and this listener has datagrams | {change}"),
            format!("6:18 `proxy_protocol` is of connections, and this listener has datagrams | {change}"),
            format!("7:8 `alpn` is of TLS over TCP, and this listener has datagrams | {change}"),
            format!("8:13 `keepalive` is of connections, and this listener has datagrams | {change}"),
            format!(
                "9:9 `paths` means something to HTTP only, and this listener carries connections as they are | {change}"
            ),
            format!("10:17 `tcp_fast_open` is of connections, and this listener has datagrams | {change}"),
        ]
    );
    assert_eq!(
        said("protocol = 'tcp'\nresponses = 1"),
        [format!("5:13 `responses` is of flows of datagrams, and this listener has connections | {change}")]
    );
    let pool = |more: &str| lines(&report(&minimal("protocol = 'udp'", more)));
    let misfit = |why: &str, key: &str| {
        format!(
            "1:1 the listener `127.0.0.1:0` has datagrams, and cannot lead to the pool `web`: {why} | remove `{key}` there, \
             or name another pool"
        )
    };
    assert_eq!(pool("tls = true"), [misfit("it has `tls`, which is over TCP", "tls")]);
    assert_eq!(pool("protocol = 'h2'"), [misfit("its `protocol` is of requests", "protocol")]);
    let v1 = "`proxy_protocol = \"v1\"` knows of TCP only, and `\"v2\"` of both";
    assert_eq!(pool("proxy_protocol = 'v1'"), [misfit(v1, "proxy_protocol")]);
    config(&minimal("protocol = 'udp'", "proxy_protocol = 'v2'"));
}

#[test]
fn tcp_and_udp_have_ports_of_their_own() {
    let both = |second: &str| {
        let one = |name: &str, protocol: &str| {
            format!("[[listener]]\nname = '{name}'\naddress = '127.0.0.1:53'\nprotocol = '{protocol}'\npool = 'dns'\n")
        };
        let pool = "[pool.dns]\nbackends = ['10.0.0.1:53']\n";
        [one("first", "udp"), one("second", second), pool.to_owned()].concat()
    };
    config(&both("tcp"));
    assert_eq!(
        lines(&report(&both("udp"))),
        ["8:11 two listeners have the address 127.0.0.1:53 | give each an address of its own"]
    );
}

/// Two listeners, one of each kind, and a route.
fn routed(route: &str) -> String {
    format!(
        "[[listener]]\nname = 'web'\naddress = '127.0.0.1:0'\npool = 'web'\n[[listener]]\nname = 'db'\n\
         address = '127.0.0.1:1'\nprotocol = 'tls-passthrough'\npool = 'web'\n[pool.web]\n\
         backends = ['10.0.0.1:80']\n[[route]]\npool = 'web'\n{route}\n"
    )
}

#[test]
fn routes_are_for_requests_or_for_connections() {
    let route = |text: &str| config(&routed(text)).routes.remove(0);
    assert!(!route("host = 'a.example'").carried);
    assert!(!route("listener = 'web'").carried);
    let of_all = route("sni = '*.Example.org'");
    assert!(of_all.carried && of_all.listener.is_none());
    assert_eq!(of_all.sni, Some(HostPattern::Below("example.org".into())));
    let of_one = route("listener = 'db'");
    assert!(of_one.carried && of_one.sni.is_none());
}

#[test]
fn conditions_of_the_other_kind_are_named() {
    let said = |route: &str| lines(&report(&routed(route)));
    assert_eq!(
        said("sni = 'a.example'\npath = '/x'"),
        ["15:8 `path` is of requests, and this route is for connections that are carried as they are | remove `path`"]
    );
    assert_eq!(
        said("sni = 'a.example'\nlistener = 'web'"),
        [
            "14:7 `sni` is of connections that are carried as they are, and this listener speaks HTTP | compare the `host` \
          of requests"
        ]
    );
    assert_eq!(
        said("sni = 'a.example:443'"),
        ["14:7 `sni` cannot be \"a.example:443\" | names are compared without \
                                                port: write `\"a.example\"`"]
    );
    let plain = routed("listener = 'db'\nsni = 'a.example'").replace("'tls-passthrough'", "'tcp'");
    assert_eq!(
        lines(&report(&plain)),
        [
            "15:7 no client of this listener says a name: it speaks TCP without TLS | add `certificates` to the listener, \
          or write `protocol = \"tls-passthrough\"` there"
        ]
    );
}

#[test]
fn a_listener_is_led_somewhere_by_routes_of_its_own_kind_only() {
    let text =
        routed("host = 'a.example'").replacen("protocol = 'tls-passthrough'\npool = 'web'", "protocol = 'tcp'", 1);
    assert_eq!(
        lines(&report(&text)),
        ["5:1 the listener `db` leads nowhere: it has no pool and no route | add `pool = \"NAME\"`, or a `[[route]]`"]
    );
}

#[test]
fn proxy_headers_of_peers_and_for_backends() {
    let of = |more: &str| listener(&format!("proxy_protocol = {more}")).proxy_protocol;
    assert_eq!((of("false"), of("true")), (None, Some(ProxyProtocol::default())));
    let blocks = vec!["10.0.0.0/8".parse().expect("a block")];
    let plain =
        ProxyProtocol { from: Peers { blocks, unix: false }, others: Others::Plain, timeout: Duration::from_secs(1) };
    assert_eq!(of("{ from = ['10.0.0.0/8'], others = 'plain', timeout = '1s' }"), Some(plain));
    let said = |more: &str| lines(&report(&minimal(more, "")));
    assert_eq!(
        said("proxy_protocol = { others = 'plain' }"),
        ["4:18 `proxy_protocol = { … }` has no `from` | add `from = [\"10.0.0.0/8\"]`"]
    );

    assert_eq!(pool("proxy_protocol = 'v2'").proxy_protocol, Some(ProxyVersion::V2));
    assert!(pool("transparent = true").transparent && !pool("").transparent);
    assert_eq!(
        lines(&report(&minimal("", "transparent = true\nprotocol = 'h2'"))),
        [
            "7:15 with HTTP/2, requests of all clients share a connection, which comes from one address | remove it, or write \
          `protocol = \"http/1.1\"`"
        ]
    );
    let local = minimal("", "transparent = true").replace("10.0.0.1:80", "unix:/run/app.sock");
    assert_eq!(
        lines(&report(&local)),
        [
            "7:15 a connection to a Unix socket comes from no address, and this pool has a backend of that kind | remove \
          it, or tell backends by `proxy_protocol`"
        ]
    );
    let shared = lines(&report(&minimal("", "proxy_protocol = 'v1'\nprotocol = 'h2'")));
    assert_eq!(
        shared,
        [
            "7:18 with HTTP/2, requests of all clients share a connection, which a PROXY header tells to be from one | remove \
          it, or write `protocol = \"http/1.1\"`"
        ]
    );
}

#[test]
fn health_checks_are_introduced_as_the_pool_is() {
    let asked = |more: &str| pool(more).health.expect("health").question.proxy_protocol;
    assert_eq!(asked("proxy_protocol = 'v2'\nhealth = { tcp = true }"), Some(ProxyVersion::V2));
    assert_eq!(asked("proxy_protocol = 'v2'\nhealth = { tcp = true, proxy_protocol = false }"), None);
    assert_eq!(
        asked("proxy_protocol = 'v2'\nhealth = { tcp = true, port = 81 }"),
        None,
        "another port is another server"
    );
    assert_eq!(asked("health = { tcp = true, proxy_protocol = 'v1' }"), Some(ProxyVersion::V1));
}

#[test]
fn options_of_sockets() {
    let tcp = "keepalive = '30s'\ntcp_user_timeout = '10s'\ntcp_fast_open = true";
    let options = TcpOptions {
        keepalive: Some(Duration::from_secs(30)),
        user_timeout: Some(Duration::from_secs(10)),
        fast_open: true,
    };
    assert_eq!((listener(tcp).tcp, pool(tcp).tcp), (options, options));
    assert_eq!(pool("keepalive = false").tcp, TcpOptions::default());
    let on = |address: &str, more: &str| minimal(more, "").replace("127.0.0.1:0", address);
    let dual = config(&on("[::]:80", "ipv6_only = false"));
    assert!(!dual.listeners[0].ipv6_only);
    assert_eq!(
        lines(&report(&on("0.0.0.0:80", "ipv6_only = false"))),
        ["4:13 `ipv6_only` is of an address of IPv6 | remove it, or write `address = \"[::]:80\"`"]
    );
}
