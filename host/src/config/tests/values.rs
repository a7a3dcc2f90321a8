//! Values as they may be written, and what they become.

use std::time::Duration;

use super::{config, lines, listener, minimal, report};
use crate::config::{AccessLog, Address, CodeCache, HostPattern, PathPattern, Peers, Route};

/// The help for a line in the listener of a minimal configuration.
#[track_caller]
fn complaint(more: &str) -> String {
    let lines = lines(&report(&minimal(more, "")));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].split_once(' ').expect("position").1.to_owned()
}

fn route(conditions: &str) -> Route {
    let text = minimal("", &format!("[[route]]\npool = \"web\"\n{conditions}"));
    config(&text).routes.remove(0)
}

/// What is said of a line in a route.
#[track_caller]
fn route_complaint(conditions: &str) -> String {
    let lines = lines(&report(&minimal("", &format!("[[route]]\npool = \"web\"\n{conditions}"))));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].split_once(' ').expect("position").1.to_owned()
}

#[test]
fn durations() {
    for (text, milliseconds) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1m 30s", 90_000), ("1.5s", 1500)] {
        let limits = listener(&format!("idle_timeout = \"{text}\"")).limits;
        assert_eq!(limits.idle_timeout, Duration::from_millis(milliseconds), "{text}");
    }
    assert_eq!(
        complaint("idle_timeout = 5"),
        "`idle_timeout` must be a duration with a unit, not the number 5 | give it a unit: `\"5s\"`"
    );
    assert_eq!(
        complaint("idle_timeout = \"5\""),
        "`idle_timeout` must be a duration, not \"5\" | give it a unit: `\"5s\"`"
    );
    assert_eq!(
        complaint("idle_timeout = \"5 parsecs\""),
        "`idle_timeout` must be a duration, not \"5 parsecs\" | write a number and a unit of `ms`, `s`, `m` or `h`, such as `\"5s\"`"
    );
    assert_eq!(complaint("idle_timeout = \"0s\""), "`idle_timeout` must be from 1ms to 30days, not 0s");
    assert_eq!(complaint("idle_timeout = true"), "`idle_timeout` must be a duration, not true | write `\"5s\"`");
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("16384", 16384),
        ("\"16KiB\"", 16 << 10),
        ("\"1 MiB\"", 1 << 20),
        ("\"10MB\"", 10_000_000),
        ("\"2kb\"", 2000),
        ("\"7B\"", 7),
        ("0", 0),
    ] {
        assert_eq!(listener(&format!("max_body_size = {text}")).limits.max_body_size, Some(bytes), "{text}");
    }
    assert_eq!(complaint("max_head_size = \"4KiB\""), "`max_head_size` must be from 8KiB to 1MiB");
    assert!(
        complaint("max_head_size = \"16K\"")
            .starts_with("`max_head_size` must be a size, not \"16K\" | write a number and a unit of")
    );
    assert!(complaint("max_head_size = 1.5").ends_with("such as `\"16KiB\"`"));
    assert_eq!(complaint("max_head_size = \"99999999999GiB\""), "`max_head_size` must be from 8KiB to 1MiB");
}

#[test]
fn numbers_and_words() {
    assert_eq!(
        config(&format!("server.hash_seed = 0xffff_ffff_ffff_ffff\n{}", minimal("", ""))).server.hash_seed,
        u64::MAX
    );
    assert_eq!(
        complaint("max_headers = \"100\""),
        "`max_headers` must be a whole number from 1 to 10000, not the string \"100\" | write `100` without quotes"
    );
    assert_eq!(complaint("max_headers = -1"), "`max_headers` must be a whole number from 1 to 10000, not -1");
    assert!(listener("forwarded = true").forwarded);
    assert_eq!(
        complaint("forwarded = \"true\""),
        "`forwarded` must be true or false, not the string \"true\" | write `true` without quotes"
    );
    assert_eq!(complaint("protocol = \"htpp\""), "`protocol` cannot be \"htpp\" | did you mean `http`?");
}

#[test]
fn blocks_of_addresses() {
    let access = listener("allow = [\"10.0.0.0/8\", \"::1\"]\ndeny = [\"10.0.0.1\"]").access;
    let text = |peers: &Peers| peers.blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!((text(&access.allow), text(&access.deny)), ("10.0.0.0/8 ::1/128".into(), "10.0.0.1/32".into()));
    assert_eq!(
        complaint("deny = \"10.0.0.1\""),
        "`deny` must be a list of addresses, not the string \"10.0.0.1\" | write `[\"10.0.0.1\"]`"
    );
    assert_eq!(
        complaint("deny = [\"all\"]"),
        "\"all\" is no address and no block of addresses | write `\"0.0.0.0/0\"` for all of IPv4 and `\"::/0\"` for all of IPv6"
    );
    assert!(complaint("trusted_proxies = [\"10.0.0.0/33\"]").starts_with("\"10.0.0.0/33\" is no address"));
}

#[test]
fn addresses_to_listen_on() {
    let help = |text: &str| {
        let report = report(&format!("[[listener]]\naddress = {text}\npool = \"p\"\n[pool.p]\nbackends = [\"a:1\"]"));
        assert_eq!(report.findings().len(), 1, "{report}");
        report.findings()[0].help.clone().unwrap_or_default()
    };
    for (text, expected) in [
        ("8080", "write `\"0.0.0.0:8080\"`"),
        ("\"8080\"", "write `\"0.0.0.0:8080\"`"),
        ("\":8080\"", "write `\"0.0.0.0:8080\"`, or `\"[::]:8080\"` for IPv6 too"),
        ("\"*:80\"", "write `\"0.0.0.0:80\"`, or `\"[::]:80\"` for IPv6 too"),
        ("\"localhost:80\"", "write `\"127.0.0.1:80\"`"),
        ("\"10.0.0.1\"", "write `\"10.0.0.1:8080\"`"),
        ("\"::1\"", "write `\"[::1]:8080\"`"),
        ("\"example.com:80\"", "write the IP address of an interface, or `\"0.0.0.0:80\"` for all"),
        ("\"/run/x.sock\"", "write `\"unix:/run/x.sock\"` for a Unix socket"),
        ("\"\"", "write an address such as `\"0.0.0.0:8080\"`"),
    ] {
        assert_eq!(help(text), expected, "{text}");
    }
}

#[test]
fn addresses_of_backends() {
    let help = |text: &str| {
        let report = report(&minimal("", "").replace("10.0.0.1:80", text));
        assert_eq!(report.findings().len(), 1, "{report}");
        report.findings()[0].help.clone().unwrap_or_default()
    };
    for (text, expected) in [
        ("10.0.0.1", "write `\"10.0.0.1:80\"`"),
        ("::1", "write `\"[::1]:80\"`"),
        ("web", "write `\"web:80\"`"),
        ("http://web:80/", "write `\"web:80\"`, with a port"),
        ("/run/x.sock", "write `\"unix:/run/x.sock\"` for a Unix socket"),
        ("unix:x", "write an absolute path: `\"unix:/run/app.sock\"`"),
        ("web:0", "a port is a number from 1 to 65535"),
        ("web:65536", "a port is a number from 1 to 65535"),
        ("10.0.0.256:80", "write `\"10.0.0.1:80\"`, `\"[::1]:80\"`, `\"name:80\"` or `\"unix:/path\"`"),
        ("a b:80", "write `\"10.0.0.1:80\"`, `\"[::1]:80\"`, `\"name:80\"` or `\"unix:/path\"`"),
    ] {
        assert_eq!(help(text), expected, "{text}");
    }
    let long = format!("unix:/{}", "x".repeat(107));
    assert_eq!(help(&long), "use a shorter path");
}

#[test]
fn backends() {
    let text = "[[pool.web.backends]]\naddress = \"Web:80\"\nweight = 0\nbackup = true\nstate = \"draining\"\nlabels.zone = \"a\"";
    let config = config(&minimal("", text).replace("backends = [\"10.0.0.1:80\"]\n", ""));
    let backend = &config.pools["web"].backends[0];
    assert_eq!(&*backend.id, "Web:80", "as written");
    assert_eq!(backend.address, Address::Name("web".into(), 80));
    assert_eq!((backend.weight, backend.backup, backend.draining), (0, true, true));
    assert_eq!(backend.labels["zone"], "a");
}

#[test]
fn hosts() {
    let host = |text: &str| route(&format!("host = \"{text}\"")).host.expect("host");
    assert_eq!(host("API.example.com."), HostPattern::Exact("api.example.com".into()));
    assert_eq!(host("*.Example.com"), HostPattern::Below("example.com".into()));
    assert_eq!(host("[::1]"), HostPattern::Exact("[::1]".into()));
    for (text, help) in [
        ("*", "leave `host` out to match every name"),
        ("a.*.b", "`*` stands only before the first dot: `\"*.example.com\"`"),
        ("example.com:80", "names are compared without port: write `\"example.com\"`"),
        ("http://example.com", "write the name alone, such as `\"api.example.com\"`"),
        ("::1", "write `\"[::1]\"`"),
        ("", "write a name such as `\"api.example.com\"` or `\"*.example.com\"`"),
    ] {
        assert_eq!(route_complaint(&format!("host = \"{text}\"")), format!("`host` cannot be \"{text}\" | {help}"));
    }
}

#[test]
fn paths() {
    assert_eq!(route("").path, PathPattern::Prefix("/".into()));
    assert_eq!(route("path = \"/v1/\"").path, PathPattern::Prefix("/v1/".into()));
    assert_eq!(route("path_exact = \"/v%20\"").path, PathPattern::Exact("/v%20".into()));
    assert_eq!(route_complaint("path = \"v1\""), "`path` must begin with `/` | write `\"/v1\"`");
    assert_eq!(
        route_complaint("path = \"/v1/*\""),
        "`path` knows no `*` | `path` is a prefix: write `path = \"/v1/\"`"
    );
    assert_eq!(
        route_complaint("path = \"/?a\""),
        "`path` cannot hold '?' | compare the query with `query = { name = \"value\" }`"
    );
    assert!(route_complaint("path = \"/é\"").contains("percent-encoded"));
    assert_eq!(
        route_complaint("path = \"/\"\npath_exact = \"/\""),
        "a route has either `path` or `path_exact` | remove one of them"
    );
}

#[test]
fn conditions() {
    let route = route("methods = [\"get\", \"PURGE\"]\nquery = { a = \"1\" }\nheaders = { X-A = \"b\" }");
    assert_eq!(route.methods, ["GET".into(), "PURGE".into()]);
    assert_eq!(route.query, [("a".into(), "1".into())]);
    assert_eq!(route.headers, [("x-a".into(), "b".into())]);
    assert_eq!(
        route_complaint("methods = \"GET\""),
        "`methods` must be a list of methods, not the string \"GET\" | write `[\"GET\"]`"
    );
    assert_eq!(route_complaint("methods = [\"G T\"]"), "\"G T\" is no method | write one such as `\"GET\"`");
    assert_eq!(route_complaint("headers = { x = 1 }"), "`x` must be a string, not the number 1 | write `\"1\"`");
    assert_eq!(
        route_complaint("headers = { \"x y\" = \"1\" }"),
        "\"x y\" is no name of a header | write letters, digits and `-`, such as `x-canary`"
    );
    assert_eq!(route_complaint("query = { \"a&b\" = \"1\" }"), "no name in a query can be \"a&b\"");
}

#[test]
fn the_process() {
    let log = |text: &str| config(&format!("{}[log]\n{text}", minimal("", ""))).log;
    assert_eq!(log("level = \"warn,trimtab::proxy=debug\"").level, "warn,trimtab::proxy=debug");
    assert_eq!(log("access = \"./a.log\"").access, Some(AccessLog::File("/etc/trimtab/./a.log".into())));
    let server = |text: &str| config(&format!("{}[server]\n{text}", minimal("", ""))).server;
    assert_eq!(&*server("name = \"edge-1\"").name, "edge-1");
    assert_eq!(server("secret_file = \"s\"").secret_file, Some("/etc/trimtab/s".into()));
    assert_eq!(server("max_instances = 8000").max_instances, Some(8000));
    assert!(server("watch = true").watch);
    let cache = |text: &str| server(&format!("code_cache = {text}")).code_cache;
    assert_eq!((cache("true"), cache("false")), (CodeCache::Default, CodeCache::Off));
    assert_eq!(cache("\"cache\""), CodeCache::Folder("/etc/trimtab/cache".into()));
    let said = |text: &str| lines(&report(&format!("{}{text}", minimal("", "")))).join("\n");
    assert_eq!(said("[server]\nname = \"a b\""), "9:8 `name` must not hold spaces or control characters");
    assert_eq!(
        said("[server]\nmax_instances = 0"),
        "9:17 `max_instances` must be a whole number from 1 to 8000, not 0"
    );
    assert_eq!(
        said("[server]\ncode_cache = \"false\""),
        "9:14 `code_cache` must be true, false or a path, not the string \"false\" | write `false` without quotes"
    );
    assert_eq!(
        said("[server]\ncode_cache = 1"),
        "9:14 `code_cache` must be true, false or a path, not the number 1 | write `true`, `false` or a folder in quotes"
    );
    assert_eq!(said("[log]\nlevel = \"inof\""), "9:9 `level`: \"inof\" is no level | did you mean `info`?");
    assert_eq!(
        said("[log]\naccess = \"stdot\""),
        "9:10 `access` is \"stdout\" or a path, not \"stdot\" | write `\"stdout\"`, or `\"./stdot\"` for a file"
    );
    assert_eq!(
        said("[admin]\nlisten = \"0.0.0.0:9901\""),
        "9:10 whoever reaches this address could replace backends and plugins | add `token_file`, or listen on loopback or a Unix socket"
    );
    for listen in ["[::1]:9901", "127.0.0.2:0", "localhost:9901", "unix:/run/a.sock"] {
        assert_eq!(said_nothing(&format!("[admin]\nlisten = \"{listen}\"")), None);
    }
}

fn said_nothing(more: &str) -> Option<crate::config::report::Report> {
    super::read(&format!("{}{more}", minimal("", ""))).err()
}
