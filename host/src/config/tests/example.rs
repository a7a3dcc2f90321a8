//! The example that shows every key, whole; and the defaults.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::{BUILT_INS, config, listener, minimal, pool};
use crate::config::load::{load, parse};
use crate::config::*;
use crate::decide::Key;

const EXAMPLE: &str = include_str!("../../../../examples/trimtab.toml");

fn settings(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    value.as_object().expect("object").clone()
}

fn plugin(name: &str, said: serde_json::Value) -> PluginUse {
    PluginUse { plugin: name.into(), keys: vec![], settings: settings(said) }
}

const HTML: &str = "text/html; charset=utf-8";

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn plain(value: &'static str) -> Template {
    Template::Plain(HeaderValue::from_static(value))
}

fn page(file: &str, kind: &'static str) -> Content {
    Content { source: Source::File(file.into()), kind: HeaderValue::from_static(kind) }
}

fn example(text: &str) -> Config {
    let loaded = parse(text, "examples/trimtab.toml", Path::new("/etc"), &BUILT_INS);
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

#[test]
fn the_example_says_what_it_says() {
    let config = example(EXAMPLE);
    assert_eq!(
        config.server,
        Server {
            workers: 2,
            drain_timeout: Duration::from_secs(30),
            hash_seed: 0,
            max_component_size: 32 << 20,
            name: "edge-1".into(),
            secret_file: Some("/etc/secrets/shared".into()),
            max_instances: Some(512),
            watch: false,
            code_cache: CodeCache::Default,
            error_pages: vec![],
        }
    );
    assert_eq!(
        config.admin,
        Some(Admin {
            listen: Address::Socket("127.0.0.1:9901".parse().expect("address")),
            token_file: Some("/etc/secrets/admin-token".into()),
        })
    );
    assert_eq!(config.log, Log { format: LogFormat::Auto, level: "info".into(), access: Some(AccessLog::Stdout) });
    assert_eq!(
        config.listeners[..1],
        [Listener {
            name: "web".into(),
            address: ListenerAddress::Socket("127.0.0.1:8080".parse().expect("address")),
            mode: None,
            ipv6_only: true,
            tcp: TcpOptions { keepalive: Some(Duration::from_secs(60)), ..TcpOptions::default() },
            protocol: ListenerProtocol::Http,
            proxy_protocol: Some(ProxyProtocol {
                from: Peers { blocks: vec!["10.0.0.0/8".parse().expect("a block")], unix: false },
                others: Others::Plain,
                timeout: Duration::from_secs(5),
            }),
            pool: Some("web".into()),
            access: Access::default(),
            trusted_proxies: Peers::default(),
            forwarded: false,
            limits: Limits { max_body_size: Some(10 << 20), ..Limits::default() },
            max_connections: Some(10_000),
            rate_limit: Some(RateLimit {
                requests: NonZeroU32::new(100).expect("not 0"),
                per: Duration::from_secs(1),
                burst: NonZeroU32::new(200).expect("not 0"),
                keys: vec![Key::ClientAddress],
                max_keys: 32768,
            }),
            tls: None,
            redirect_to_https: None,
            http2: Some(Http2 { max_streams: 128, stream_window: 256 << 10, connection_window: 1 << 20 }),
            paths: PathPolicy::AsSent,
            request_headers: HeaderRules {
                set: vec![(header("x-client"), Template::Parts([Part::Variable(Variable::ClientAddress)].into()))],
                ..HeaderRules::default()
            },
            response_headers: HeaderRules {
                remove: vec![header("server")],
                set: vec![(header("strict-transport-security"), plain("max-age=31536000"))],
                add: vec![],
            },
            error_pages: vec![
                (Occasion::Status(404), vec![page("/etc/404.html", HTML)]),
                (Occasion::Class(5), vec![page("/etc/5xx.html", HTML), page("/etc/5xx.json", "application/json")]),
                (Occasion::Reason("no-backend"), vec![page("/etc/soon.html", HTML)]),
            ],
            intercept_errors: false,
        }]
    );
    let identity = |name: &str| Identity {
        cert: format!("/etc/tls/{name}.pem").into(),
        key: format!("/etc/tls/{name}.key").into(),
    };
    assert_eq!(
        config.listeners[1].tls,
        Some(ServerTls {
            certificates: vec![identity("example"), identity("api")],
            clients: ClientCertificates::Optional("/etc/tls/clients.pem".into()),
            ..ServerTls::default()
        })
    );
    let reset = Carried { idle_timeout: Some(Duration::from_secs(7200)), refuse_with: RefuseWith::Reset };
    assert_eq!(config.listeners[2].protocol, ListenerProtocol::Tcp(reset));
    let database = config.listeners[2].tls.as_ref().expect("TLS ends there");
    assert_eq!((&database.certificates, &database.alpn), (&vec![identity("database")], &vec!["postgresql".into()]));
    let handshake_timeout = Duration::from_secs(5);
    let passing = ListenerProtocol::TlsPassthrough { carried: Carried::default(), handshake_timeout };
    assert_eq!(config.listeners[3].protocol, passing);
    let carried = Carried { idle_timeout: Some(Duration::from_secs(5)), ..Carried::default() };
    assert_eq!(config.listeners[4].protocol, ListenerProtocol::Udp { carried, responses: Some(1) });
    assert_eq!(config.listeners[4].max_connections, Some(20_000));
    let first = Route {
        name: "api".into(),
        carried: false,
        sni: None,
        listener: Some("web".into()),
        host: Some(HostPattern::Exact("api.example.com".into())),
        path: PathPattern::Prefix("/".into()),
        methods: vec![],
        query: vec![("version".into(), "2".into())],
        headers: vec![("x-canary".into(), "1".into())],
        access: Access::default(),
        max_body_size: Some(65536),
        rate_limit: Some(RateLimit {
            requests: NonZeroU32::new(20).expect("not 0"),
            per: Duration::from_secs(10),
            burst: NonZeroU32::new(20).expect("not 0"),
            keys: vec![],
            max_keys: 32768,
        }),
        pool: Some("api".into()),
        router: Some(RouterUse {
            used: plugin("split", json!({ "percent": 5 })),
            pools: vec!["api".into(), "web".into()],
        }),
        answer: None,
        strip_prefix: None,
        add_prefix: None,
        request_headers: HeaderRules::default(),
        response_headers: HeaderRules::default(),
        error_pages: vec![],
        intercept_errors: Some(true),
    };
    let second = Route {
        name: "route-2".into(),
        listener: None,
        host: None,
        path: PathPattern::Exact("/version".into()),
        query: vec![],
        headers: vec![],
        max_body_size: None,
        rate_limit: None,
        router: None,
        intercept_errors: None,
        ..first.clone()
    };
    let to = Part::Text("https://example.com/new".into());
    let redirected = Route {
        name: "route-3".into(),
        path: PathPattern::Prefix("/old".into()),
        pool: None,
        answer: Some(Answer::Redirect {
            to: Template::Parts([to, Part::Variable(Variable::Rest), Part::Variable(Variable::Query)].into()),
            status: StatusCode::PERMANENT_REDIRECT,
        }),
        ..second.clone()
    };
    let content =
        Content { source: Source::Text("User-agent: *\n".into()), kind: HeaderValue::from_static("text/plain") };
    let answered = Route {
        name: "route-4".into(),
        path: PathPattern::Exact("/robots.txt".into()),
        answer: Some(Answer::Respond { status: StatusCode::OK, content }),
        ..redirected.clone()
    };
    let carried = Route {
        name: "route-5".into(),
        carried: true,
        sni: Some(HostPattern::Below("example.org".into())),
        path: PathPattern::Prefix("/".into()),
        pool: Some("api".into()),
        ..second.clone()
    };
    assert_eq!(config.routes, [first, second, redirected, answered, carried]);
    let blue = Backend {
        id: "blue".into(),
        address: Address::Socket("127.0.0.1:9004".parse().expect("address")),
        weight: 1,
        backup: false,
        draining: false,
        labels: BTreeMap::from([("zone".into(), "a".into())]),
        max_requests: Some(10),
    };
    let api = &config.pools["api"];
    assert_eq!(api.backends, [blue]);
    assert_eq!(api.protocol, Protocol::Http2 { max_streams: 100 });
    let mine = PluginUse {
        keys: vec![Key::Header("x-user".into()), Key::ClientAddress],
        ..plugin("mine", json!({ "percent": 10 }))
    };
    assert_eq!(api.balancer, [plugin("zone", json!({})), mine]);
    assert_eq!(config.pools["web"].affinity, Some(plugin("cookie", json!({ "name": "trimtab" }))));
    let addresses: Vec<&Address> = config.pools["web"].backends.iter().map(|backend| &backend.address).collect();
    assert_eq!(
        addresses,
        [
            &Address::Socket("127.0.0.1:9001".parse().expect("address")),
            &Address::Name("localhost".into(), 9002),
            &Address::Socket("[::1]:9003".parse().expect("address")),
            &Address::Unix("/run/app.sock".into()),
        ]
    );
    assert_eq!(
        config.plugins["mine"],
        Plugin {
            component: Some("/etc/plugins/mine.wasm".into()),
            settings: settings(json!({ "percent": 5 })),
            response_headers: vec!["x-served-by".into()],
            ..Plugin::default()
        }
    );
}

#[test]
fn what_is_commented_out_in_the_example_is_the_default() {
    let written_out = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix('#').filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n");
    assert!(written_out.lines().count() == EXAMPLE.lines().count() && written_out.len() < EXAMPLE.len() - 20);
    assert_eq!(example(&written_out), example(EXAMPLE));
}

/// Each key that the schema takes is in the example: unknown-key errors list them.
#[test]
fn the_example_has_every_key() {
    let mut text = EXAMPLE.to_owned();
    for header in [
        "[server]",
        "[admin]",
        "[log]",
        "[[listener]]",
        "[[route]]",
        "[pool.web]",
        "[[pool.api.backends]]",
        "[plugin.mine]",
    ] {
        text = text.replacen(&format!("\n{header}"), &format!("\n{header}\nQQ = 1 #"), 1);
    }
    let report = parse(&text, "x", Path::new(""), &BUILT_INS).expect_err("unknown keys");
    assert_eq!(report.findings().len(), 8, "{report}");
    for finding in report.findings() {
        let help = finding.help.as_deref().expect("help");
        for key in help.trim_start_matches("known keys are").split(", ") {
            let key = key.trim().trim_matches('`');
            let shown = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
            assert!(EXAMPLE.lines().any(shown), "`{key}` is missing: {help}");
        }
    }
}

#[test]
fn defaults_are_as_documented() {
    let config = config(&minimal("", ""));
    assert_eq!(config.server.workers, std::thread::available_parallelism().expect("cores").get());
    assert_eq!(config.server.drain_timeout, Duration::from_secs(30));
    assert_eq!((config.server.hash_seed, config.server.max_component_size), (0, 32 << 20));
    assert_eq!((config.server.secret_file, config.server.max_instances), (None, None));
    assert_eq!((config.server.watch, config.server.code_cache), (false, CodeCache::Default));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    assert!(host.is_ok_and(|host| host.trim_end() == &*config.server.name), "{}", config.server.name);
    assert_eq!(config.admin, None);
    assert_eq!(config.log, Log { format: LogFormat::Auto, level: "info".into(), access: None });
    assert!(config.routes.is_empty() && config.plugins.is_empty());

    let listener = listener("");
    assert_eq!(&*listener.name, "127.0.0.1:0");
    assert_eq!(
        (listener.access, listener.trusted_proxies, listener.forwarded),
        (Access::default(), Peers::default(), false)
    );
    let seconds = Duration::from_secs;
    assert_eq!(
        listener.limits,
        Limits {
            header_timeout: seconds(10),
            body_timeout: seconds(30),
            idle_timeout: seconds(75),
            write_timeout: seconds(60),
            max_head_size: 16 * 1024,
            max_headers: 100,
            max_body_size: None,
        }
    );

    let pool = pool("");
    assert_eq!((pool.balancer, pool.affinity), (vec![plugin("round-robin", json!({}))], None));
    assert_eq!(
        (pool.connect_timeout, pool.response_timeout, pool.idle_timeout),
        (seconds(5), seconds(60), seconds(60))
    );
    assert_eq!(pool.max_idle, 256);
    assert_eq!(pool.tunnel_timeout, Some(seconds(60 * 60)));
    assert_eq!((pool.protocol, pool.limits.streams), (Protocol::Http1, 1));
    assert_eq!((pool.request_timeout, pool.retry, pool.outlier), (None, Retry::default(), None));
    let drain_timeout = Some(seconds(300));
    assert_eq!(pool.recovery, Recovery { panic: None, slow_start: None, drain_timeout });
    let Capacity { requests, backend_requests, backend_connections, connections, .. } = pool.limits;
    assert_eq!((requests, backend_requests, backend_connections, connections), (None, None, None, None));
    let Capacity { queue, queue_timeout, bound_timeout, .. } = pool.limits;
    assert_eq!((queue, queue_timeout, bound_timeout), (100, seconds(5), Duration::from_millis(2500)));
    let backend = &pool.backends[0];
    assert_eq!((&*backend.id, backend.weight, backend.backup, backend.draining), ("10.0.0.1:80", 1, false, false));

    let limits = PluginLimits::default();
    assert_eq!((limits.deadline, limits.update_deadline), (Duration::from_millis(5), Duration::from_millis(100)));
    assert_eq!((limits.configure_deadline, limits.memory), (seconds(1), 128 * 1024 * 1024));
    assert_eq!(limits.table, 16 * 1024 * 1024);
    let Plugin { watch, shadow, probation, breaker, conformance, .. } = Plugin::default();
    assert_eq!((watch, shadow, probation), (false, None, Some(seconds(30))));
    assert_eq!(conformance, crate::config::Conformance::Off);
    let policy = BreakerPolicy { faults: 10, window: seconds(10), delay: seconds(1), max_delay: seconds(60) };
    assert_eq!(breaker, Some(policy));
}

#[test]
fn files_are_loaded() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("t.toml");
    let text = minimal("", "balancer = \"mine\"\n[plugin.mine]\ncomponent = \"a/b.wasm\"");
    std::fs::write(&path, text).expect("write");
    let loaded = load(&path, &BUILT_INS).expect("valid");
    assert_eq!(loaded.config.plugins["mine"].component, Some(folder.path().join("a/b.wasm")));

    std::fs::write(&path, b"a = 1\nb = \"\xff\"").expect("write");
    let report = load(&path, &BUILT_INS).expect_err("not UTF-8");
    assert_eq!(report.findings()[0].message, format!("cannot read `{}`: line 2 is not UTF-8", path.display()));

    let missing = folder.path().join("missing.toml");
    let report = load(&missing, &BUILT_INS).expect_err("missing");
    let reason = format!("error: cannot read `{}`: no such file or directory", missing.display());
    assert!(report.render(false).starts_with(&reason), "{report}");
    assert!(load(folder.path(), &BUILT_INS).expect_err("folder").findings()[0].message.ends_with("is a directory"));
    assert_eq!(PathBuf::from("a").parent(), Some(Path::new("")), "a file without folder is relative to none");
}
