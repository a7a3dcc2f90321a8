//! `protocol` and `max_streams` of a pool.

use super::{lines, minimal, pool, report};
use crate::config::Protocol;

#[track_caller]
fn refused(pool: &str, expected: &str) {
    let said = lines(&report(&minimal("", pool)));
    assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
}

#[test]
fn protocols() {
    assert_eq!(pool("protocol = \"http/1.1\"").protocol, Protocol::Http1);
    let h2 = pool("protocol = \"h2\"\nlimits = { backend_connections = 3, connections = 5 }");
    assert_eq!(h2.protocol, Protocol::Http2 { max_streams: 100 });
    assert_eq!((h2.limits.at_backend(None), h2.limits.at_pool()), (Some(300), Some(500)), "a hundred each");
    let h2 = pool("protocol = \"h2\"\nmax_streams = 1\ntls = { insecure = true }");
    assert_eq!(h2.protocol, Protocol::Http2 { max_streams: 1 });
    let auto = pool("protocol = \"auto\"\nmax_streams = 7\ntls = true\nlimits = { backend_connections = 3 }");
    assert_eq!(auto.protocol, Protocol::Auto { max_streams: 7 });
    assert_eq!(auto.limits.at_backend(None), Some(3), "it may be HTTP/1.1");
}

#[test]
fn mistakes() {
    refused("protocol = \"auto\"", "`protocol = \"auto\"` needs `tls`");
    refused("protocol = \"auto\"\ntls = false", "`protocol = \"auto\"` needs `tls`");
    refused("max_streams = 7", "`max_streams` is of HTTP/2");
    refused("protocol = \"http/1.1\"\nmax_streams = 7", "`max_streams` is of HTTP/2");
    refused("protocol = \"h2\"\nmax_streams = 0", "a whole number from 1 to 1000");
    refused("protocol = \"http/2\"", "`protocol` ");
    refused("protocol = \"auto\"\ntls = 5", "`tls` ");
}
