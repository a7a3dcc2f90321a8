//! Where `header-router` sends requests, natively.

use header_router::HeaderRouter;
use proptest::prelude::*;
use trimtab_sdk::Router;
use trimtab_sdk::testing::{Request, Route, instance};

const POOLS: [&str; 3] = ["api", "next", "old"];
const SETTINGS: &str =
    r#"{"header":"x-version","values":{"beta":"next","2":"next"},"prefix":{"1.":"old","1.9":"api"}}"#;

fn with_header(route: &mut Route<HeaderRouter>, value: &str) -> Option<String> {
    route.request = Request::get("/").header("X-Version", value);
    route.route()
}

#[test]
fn values_and_prefixes_name_pools() {
    let mut route = Route::<HeaderRouter>::new(SETTINGS, &POOLS);
    let expected = [
        ("beta", Some("next")),
        ("2", Some("next")),
        ("1.", Some("old")),
        ("1.2", Some("old")),
        ("1.9.3", Some("api")),
    ];
    for (value, pool) in expected {
        assert_eq!(with_header(&mut route, value).as_deref(), pool, "{value}");
    }
    for value in ["", "Beta", "beta2", "3", "v1."] {
        assert_eq!(with_header(&mut route, value), None, "{value}");
    }
    route.request = Request::get("/");
    assert_eq!(route.route(), None, "no header is no match");
}

#[test]
fn the_first_of_several_values_counts() {
    let mut route = Route::<HeaderRouter>::new(SETTINGS, &POOLS);
    route.request = Request::get("/").header("x-version", "3").header("x-version", "beta");
    assert_eq!(route.route(), None);
}

#[test]
fn all_others_go_to_the_default() {
    let settings = r#"{"header":"x-version","values":{"beta":"next"},"default":"old"}"#;
    let mut route = Route::<HeaderRouter>::new(settings, &POOLS);
    assert_eq!(with_header(&mut route, "beta").as_deref(), Some("next"));
    assert_eq!(with_header(&mut route, "alpha").as_deref(), Some("old"));
    route.request = Request::get("/");
    assert_eq!(route.route().as_deref(), Some("old"));
}

#[test]
fn a_named_pool_is_taken_ready_or_not() {
    let mut route = Route::<HeaderRouter>::new(SETTINGS, &POOLS);
    route.set("next", 0, 0);
    assert_eq!(with_header(&mut route, "beta").as_deref(), Some("next"));
}

#[test]
fn wrong_settings_are_named() {
    let pools: Vec<String> = POOLS.map(str::to_owned).to_vec();
    for (settings, word) in [
        (r#"{"values":{"a":"api"}}"#, "header"),
        (r#"{"header":"","values":{"a":"api"}}"#, "empty"),
        (r#"{"header":"x"}"#, "neither"),
        (
            r#"{"header":"x","values":{"a":"apo"}}"#,
            "`values` names the pool `apo`, which is not in `pools`: api, next, old",
        ),
        (r#"{"header":"x","prefix":{"a":"apo"}}"#, "`prefix` names the pool `apo`"),
        (r#"{"header":"x","values":{"a":"api"},"default":"apo"}"#, "`default` names the pool `apo`"),
        (r#"{"header":"x","value":{"a":"api"}}"#, "`value`"),
    ] {
        let error = HeaderRouter::configure(settings, &instance(0, 1), &pools).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// Any value has the pool of the longest prefix, whatever the order of the settings.
    #[test]
    fn the_longest_prefix_wins(value in "[ab]{0,6}") {
        let settings = r#"{"header":"x-version","prefix":{"a":"api","ab":"next","aba":"old"}}"#;
        let mut route = Route::<HeaderRouter>::new(settings, &POOLS);
        let expected = match value.as_str() {
            value if value.starts_with("aba") => Some("old"),
            value if value.starts_with("ab") => Some("next"),
            value if value.starts_with('a') => Some("api"),
            _ => None,
        };
        let pool = with_header(&mut route, &value);
        prop_assert_eq!(pool.as_deref(), expected);
    }
}
