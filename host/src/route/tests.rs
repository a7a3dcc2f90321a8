//! Precedence by example, and matching by property against a plain reading of the rules.

use proptest::prelude::*;

use super::*;
use crate::config::HeaderRules;
use http::{HeaderValue, Method, Uri, header};

fn route(host: Option<&str>, path: &str, pool: &str) -> Route {
    Route {
        name: pool.into(),
        carried: false,
        listener: None,
        sni: None,
        host: host.map(|host| match host.strip_prefix("*.") {
            Some(below) => HostPattern::Below(below.into()),
            None => HostPattern::Exact(host.into()),
        }),
        path: match path.strip_prefix('=') {
            Some(exact) => PathPattern::Exact(exact.into()),
            None => PathPattern::Prefix(path.into()),
        },
        methods: Vec::new(),
        query: Vec::new(),
        headers: Vec::new(),
        access: Access::default(),
        max_body_size: None,
        rate_limit: None,
        pool: Some(pool.into()),
        router: None,
        answer: None,
        strip_prefix: None,
        add_prefix: None,
        request_headers: HeaderRules::default(),
        response_headers: HeaderRules::default(),
        error_pages: Vec::new(),
        intercept_errors: None,
    }
}

fn facts(host: &str, target: &str) -> Facts {
    let mut facts = Facts { uri: target.parse::<Uri>().expect("target"), ..Facts::default() };
    facts.headers.insert(header::HOST, HeaderValue::from_str(host).expect("host"));
    facts
}

/// Pools are named by their position: `0`, `1`, …
fn table(routes: &[Route]) -> Table {
    Table::new(routes, |_| None, |pool| pool.parse().ok())
}

fn found(table: &Table, facts: &Facts) -> Option<usize> {
    table.find(0, facts).and_then(|entry| entry.pool)
}

#[test]
fn the_host_goes_before_the_path() {
    let table = table(&[
        route(None, "/long/path", "0"),
        route(Some("*.example.com"), "/long", "1"),
        route(Some("a.example.com"), "/", "2"),
        route(Some("*.b.example.com"), "/", "3"),
    ]);
    assert_eq!(found(&table, &facts("a.example.com", "/long/path")), Some(2));
    assert_eq!(found(&table, &facts("A.Example.com:80", "/long/path")), Some(2));
    assert_eq!(found(&table, &facts("x.example.com", "/long/path")), Some(1));
    assert_eq!(found(&table, &facts("x.y.example.com", "/long/path")), Some(1));
    assert_eq!(found(&table, &facts("x.b.example.com", "/long")), Some(3), "the longest wildcard");
    assert_eq!(found(&table, &facts("x.example.com", "/other")), None);
    assert_eq!(found(&table, &facts("example.com", "/long/path/x")), Some(0), "not below itself");
    assert_eq!(found(&table, &facts("", "/long/path")), Some(0));
}

#[test]
fn prefixes_end_at_segments() {
    let table = table(&[route(None, "/v1", "0"), route(None, "/v2/", "1"), route(None, "=/v1", "2")]);
    assert_eq!(found(&table, &facts("h", "/v1")), Some(2), "exact before prefix");
    assert_eq!(found(&table, &facts("h", "/v1/x?q")), Some(0));
    assert_eq!(found(&table, &facts("h", "/v10")), None);
    assert_eq!(found(&table, &facts("h", "/v2")), Some(1));
    assert_eq!(found(&table, &facts("h", "/v2/x")), Some(1));
}

#[test]
fn more_conditions_go_first_and_all_must_hold() {
    let mut canary = route(None, "/", "1");
    canary.headers = vec![("x-canary".into(), "1".into())];
    let mut posts = route(None, "/", "2");
    posts.methods = vec!["POST".into(), "PUT".into()];
    posts.query = vec![("v".into(), "2".into())];
    let table = table(&[route(None, "/", "0"), canary, posts]);
    let mut request = facts("h", "/?v=2");
    assert_eq!(found(&table, &request), Some(0));
    request.headers.append("x-canary", HeaderValue::from_static("0"));
    request.headers.append("x-canary", HeaderValue::from_static("1"));
    assert_eq!(found(&table, &request), Some(1));
    request.method = Method::PUT;
    assert_eq!(found(&table, &request), Some(2));
}

#[test]
fn a_listener_may_have_routes_of_its_own() {
    let mut only = route(None, "/", "1");
    only.listener = Some("b".into());
    let mut lost = route(None, "/", "2");
    lost.listener = Some("gone".into());
    let listener = |name: &str| ["a", "b"].iter().position(|known| *known == name);
    let table = Table::new(&[route(None, "/", "0"), only, lost], listener, |pool| pool.parse().ok());
    let pool = |listener| table.find(listener, &facts("h", "/")).and_then(|entry| entry.pool);
    assert_eq!((pool(0), pool(1)), (Some(0), Some(1)));
}

/// The rules, read one after the other without any index.
fn plain(routes: &[Route], host: &str, path: &str) -> Option<usize> {
    let host_rank = |route: &Route| match &route.host {
        Some(HostPattern::Exact(exact)) if **exact == *host => Some(1000),
        Some(HostPattern::Below(below)) if host.strip_suffix(&**below).is_some_and(|rest| rest.ends_with('.')) => {
            Some(below.len())
        }
        None => Some(0),
        Some(_) => None,
    };
    let path_rank = |route: &Route| match &route.path {
        PathPattern::Exact(exact) => (**exact == *path).then_some((exact.len(), 1)),
        PathPattern::Prefix(prefix) => {
            let bare = prefix.trim_end_matches('/');
            (path == bare || path.starts_with(&format!("{bare}/"))).then_some((bare.len(), 0))
        }
    };
    let ranked = routes
        .iter()
        .enumerate()
        .filter_map(|(i, route)| Some((host_rank(route)?, path_rank(route)?, std::cmp::Reverse(i))));
    ranked.max().map(|(_, _, std::cmp::Reverse(i))| i)
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_plain_reading(
        routes in proptest::collection::vec((
            proptest::option::of("(\\*\\.)?([ab]\\.){0,2}c"),
            "=?(/[xy]){1,3}/?",
        ), 0..12),
        host in "([ab]\\.){0,3}c",
        path in "(/[xy]){1,4}",
    ) {
        let routes: Vec<_> = routes
            .iter()
            .enumerate()
            .map(|(i, (host, path))| route(host.as_deref(), path, &i.to_string()))
            .collect();
        prop_assert_eq!(found(&table(&routes), &facts(&host, &path)), plain(&routes, &host, &path));
    }
}
