//! The header that `cookie` sets, natively: its value, its attributes, and settings that are refused.

use cookie::{Cookie, Seal, Value};
use trimtab_sdk::Affinity;
use trimtab_sdk::testing::{BoundPool, Client, instance};

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER: &str = "//////////////////////////////////////////8=";

fn value(secret: &str, id: &str) -> Value {
    let seal = Seal::new(secret).expect("a secret");
    let tag = seal.tag(id);
    Value { tag, seal: seal.seal(tag) }
}

/// What a new client gets of a backend `a`, without the value.
fn set(settings: &str) -> String {
    let visit = BoundPool::<Cookie>::new(settings, &[("a", 1)]).send(&mut Client::new(), "a");
    visit.added[0].1.replace(&value(SECRET, "a").to_string(), "VALUE")
}

fn refused(settings: &str) -> String {
    let settings = settings.replacen('{', &format!(r#"{{"secret": "{SECRET}","#), 1);
    Cookie::configure(&settings, &instance(0, 1)).map(drop).expect_err("refused")
}

#[test]
fn the_value_is_opaque_keyed_and_can_be_read_back() {
    let one = value(SECRET, "10.0.0.1:8080");
    for other in [value(OTHER, "10.0.0.1:8080"), value(SECRET, "10.0.0.2:8080")] {
        assert!(one.tag != other.tag && one.seal != other.seal, "{one} and {other}");
    }
    let text = one.to_string();
    assert_eq!(text.len(), 22);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
    assert_eq!(Value::parse(&text), Some(one));
    for wrong in [&text[1..], &format!("{text}A"), &format!("{text}=="), "", "a b"] {
        assert_eq!(Value::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn the_value_stays_the_same_over_releases() {
    // Worked out with the `hmac` of Python, so that a change of the recipe does not go unnoticed.
    assert_eq!(value(SECRET, "a").to_string(), "8p8WbTncehp2c8QxG3tl1w");
}

#[test]
fn attributes_are_those_of_the_settings() {
    assert_eq!(set("{}"), "trimtab=VALUE; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(
        set(r#"{"name": "__Secure-b", "path": "/shop", "domain": "example.com", "max_age": 3600, "secure": true,
            "http_only": false, "same_site": "none"}"#),
        "__Secure-b=VALUE; Path=/shop; Domain=example.com; Max-Age=3600; Secure; SameSite=None"
    );
    assert_eq!(set(r#"{"same_site": "unset"}"#), "trimtab=VALUE; Path=/; HttpOnly");
    assert_eq!(set(r#"{"same_site": "strict"}"#), "trimtab=VALUE; Path=/; HttpOnly; SameSite=Strict");
}

#[test]
fn what_no_browser_would_take_is_refused() {
    for (settings, word) in [
        (r#"{"name": ""}"#, "`name`"),
        (r#"{"name": "a=b"}"#, "`name`"),
        (r#"{"name": "a b"}"#, "`name`"),
        (r#"{"name": "__Host-a"}"#, "secure"),
        (r#"{"name": "__Host-a", "secure": true, "path": "/a"}"#, "`path`"),
        (r#"{"path": "shop"}"#, "`path`"),
        (r#"{"path": "/; Secure"}"#, "`path`"),
        (r#"{"path": "/\r\nx: y"}"#, "`path`"),
        (r#"{"domain": ""}"#, "`domain`"),
        (r#"{"domain": "a..b"}"#, "`domain`"),
        (r#"{"domain": "a;b"}"#, "`domain`"),
        (r#"{"max_age": 0}"#, "`max_age`"),
        (r#"{"max_age": "soon"}"#, "duration"),
        (r#"{"same_site": "none"}"#, "secure"),
        (r#"{"same_site": "some"}"#, "`lax`"),
        (r#"{"samesite": "lax"}"#, "same_site"),
    ] {
        let error = refused(settings);
        assert!(error.contains(word), "{settings}: {error}");
    }
}

#[test]
fn without_a_secret_it_does_not_start() {
    for settings in ["{}", r#"{"secret": "c2hvcnQ="}"#, r#"{"secret": "?"}"#] {
        let error = Cookie::configure(settings, &instance(0, 1)).map(drop).expect_err("refused");
        assert!(error.contains("`secret`"), "{settings}: {error}");
    }
}
