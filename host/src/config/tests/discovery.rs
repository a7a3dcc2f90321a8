//! `discover` and lists of backends, as they may be written and what is said of them otherwise.

use std::time::Duration;

use super::{config, lines, minimal, pool, report};
use crate::config::listed::{json, toml};
use crate::config::{Address, Backend, Discovery, DnsQuestion, DnsSource, Holds};

fn dns(discover: &str) -> DnsSource {
    match pool(&format!("discover = {discover}")).discover {
        Some(Discovery::Dns(source)) => source,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn complaints(discover: &str) -> Vec<String> {
    let lines = lines(&report(&minimal("", &format!("discover = {discover}"))));
    lines.into_iter().map(|line| line.split_once(' ').expect("position").1.to_owned()).collect()
}

#[track_caller]
fn complaint(discover: &str) -> String {
    let mut lines = complaints(discover);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

#[test]
fn sources() {
    assert_eq!(pool("").discover, None);
    let source = dns("{ dns = 'App.internal:8080' }");
    assert_eq!(source.question, DnsQuestion::Addresses("app.internal".into(), 8080));
    assert_eq!((source.resolvers.len(), source.weight, source.labels.len()), (0, 1, 0));
    assert_eq!(source.holds, Holds::ItsTtl { min: Duration::from_secs(1), max: Duration::from_secs(300) });
    let source = dns(
        "{ dns = 'a:1', resolver = ['10.0.0.53', '[::1]:5353'], refresh = '5s', weight = 3, labels = { zone = 'a' } }",
    );
    assert_eq!(source.resolvers, ["10.0.0.53:53".parse().expect("address"), "[::1]:5353".parse().expect("address")]);
    assert_eq!((source.holds, source.weight), (Holds::Always(Duration::from_secs(5)), 3));
    assert_eq!(source.labels["zone"], "a");
    let source = dns("{ srv = '_http._tcp.app.internal', min_ttl = '10m' }");
    assert_eq!(source.question, DnsQuestion::Services("_http._tcp.app.internal".into()));
    let ten = Duration::from_secs(600);
    assert_eq!(source.holds, Holds::ItsTtl { min: ten, max: ten }, "a default never stands in the way");
    assert_eq!(
        pool("discover = { file = 'b.json' }").discover,
        Some(Discovery::File("/etc/trimtab/b.json".into())),
        "relative to the configuration's folder"
    );
    let alone = config("[[listener]]\naddress = '127.0.0.1:0'\npool = 'web'\n[pool.web]\ndiscover = { dns = 'a:1' }");
    assert!(alone.pools["web"].backends.is_empty(), "without backends of its own, and without a warning");
}

#[test]
fn sources_that_are_wrong() {
    assert_eq!(
        complaint("'app:80'"),
        "`discover` must be a table, not the string \"app:80\" | write `{ dns = \"app.internal:8080\" }`"
    );
    assert!(complaint("{ }").starts_with("`discover` has neither `dns` nor `srv` nor `file` | write"));
    assert_eq!(
        complaint("{ dns = 'a:1', file = 'b' }"),
        "a pool has one source of backends | write one of `dns`, `srv` and `file`"
    );
    assert_eq!(
        complaint("{ dns = '10.0.0.1:80' }"),
        "\"10.0.0.1:80\" is no name: there is nothing to ask for | write `backends = [\"10.0.0.1:80\"]` instead of `discover`"
    );
    assert!(complaint("{ dns = 'app' }").starts_with("\"app\" has no port"));
    assert!(complaint("{ srv = 'app:80' }").starts_with("\"app:80\" has a port, and so have the records"));
    assert!(complaint("{ srv = 'a b' }").starts_with("\"a b\" is no name"));
    assert_eq!(complaint("{ srv = 'a', weight = 2 }"), "SRV records have weights of their own | remove `weight`");
    assert_eq!(
        complaint("{ dns = 'a:1', ttl = '1s' }").split(" | ").next(),
        Some("unknown key `ttl` in `discover = { … }`")
    );
    assert!(complaint("{ file = 'a', refresh = '1s' }").starts_with("unknown key `refresh` in"));
    assert!(complaint("{ dns = 'a:1', resolver = [] }").starts_with("there is no name server to ask"));
    assert!(complaint("{ dns = 'a:1', resolver = ['ns1'] }").starts_with("\"ns1\" is no address of a name server"));
    assert!(
        complaint("{ dns = 'a:1', refresh = '1s', min_ttl = '1s' }").starts_with("with `refresh` the records' TTL")
    );
    assert!(
        complaint("{ dns = 'a:1', min_ttl = '2s', max_ttl = '1s' }").starts_with("`min_ttl` is longer than `max_ttl`")
    );
    assert_eq!(complaint("{ dns = 'a:1', refresh = '1ms' }"), "`refresh` must be from 10ms to 1day, not 1ms");
    assert_eq!(complaints("{ dns = '10.0.0.1:80', weight = 70000, refresh = 5 }").len(), 3, "all at once");
}

fn ids(backends: &[Backend]) -> Vec<&str> {
    backends.iter().map(|backend| &*backend.id).collect()
}

#[test]
fn lists_of_backends() {
    let text = r#"[ "10.0.0.1:80",
  { "id": "b:2", "address": "10.0.0.2:80", "weight": 3, "state": "draining",
    "labels": { "zone": "a=b: \"c\"" }, "backup": false } ]"#;
    let list = json(text, "b.json").expect("a list");
    assert_eq!(ids(&list), ["10.0.0.1:80", "b:2"]);
    assert_eq!((list[1].weight, list[1].draining, list[1].labels["zone"].as_str()), (3, true, "a=b: \"c\""));
    assert_eq!(json(&format!("\n {{ \"backends\": {text} }}\n"), "b.json"), Ok(list.clone()), "as an object");
    assert_eq!(json("[]", "b.json"), Ok(Vec::new()));
    let escaped = r#"[{ "id": "\ud83d\ude00\u00e9\/", "address": "unix:\/run\/a.sock" }]"#;
    let list = json(escaped, "b.json").expect("a list");
    assert_eq!((&*list[0].id, &list[0].address), ("😀é/", &Address::Unix("/run/a.sock".into())));
    let list = toml("backends = ['10.0.0.1:80']", "b.toml").expect("a list");
    assert_eq!(ids(&list), ["10.0.0.1:80"]);
    assert_eq!(toml("[[backends]]\naddress = '10.0.0.1:80'", "b.toml"), Ok(list));
}

#[test]
fn lists_that_are_wrong() {
    let said = |text: &str| lines(&json(text, "b.json").expect_err("must be refused"));
    assert_eq!(
        said("[\n  \"10.0.0.1:80\",\n  { \"address\": \"10.0.0.2\", \"wieght\": 2 }\n]"),
        [
            "3:16 \"10.0.0.2\" has no port | write `\"10.0.0.2:80\"`",
            "3:28 unknown key `wieght` in a backend | did you mean `weight`?"
        ]
    );
    assert_eq!(
        said("[\"10.0.0.1:80\",\n\"10.0.0.1:80\"]"),
        ["2:1 this pool has two backends of this address | give one of them more `weight`"]
    );
    assert_eq!(
        said("[\"\\/\\/\", { \"address\": 5 }]")[1],
        "1:23 `address` must be an address, not the number 5 | write `\"10.0.0.1:80\"`"
    );
    assert_eq!(said("[\n \"10.0.0.1:80\"\n \"x\"]"), ["3:2 this is not JSON: expected `,` or `]`"]);
    assert_eq!(said(""), ["1:1 this is not JSON: EOF while parsing a value"]);
    assert_eq!(
        said("{ \"backend\": [] }"),
        ["1:3 unknown key `backend` in this list of backends | did you mean `backends`?"]
    );
    assert_eq!(said("5").len(), 1);
    assert!(!said("[null]").is_empty() && !said("{}").is_empty() && !said("[[[[]]]]").is_empty());
    let report = toml("backends = ['10.0.0.1']", "b.toml").expect_err("must be refused");
    assert_eq!(lines(&report), ["1:13 \"10.0.0.1\" has no port | write `\"10.0.0.1:80\"`"]);
    assert!(report.render(false).contains(" --> b.toml:1:13"), "{report}");
}

proptest::proptest! {
    /// Whatever is in the file: no panic, and what is no JSON is no list.
    #[test]
    fn lists_of_anything(text in "[\\[\\]{}:,\"\\\\a-z0-9 \n\u{e9}u/]{0,60}") {
        let list = json(&text, "b.json");
        proptest::prop_assert!(list.is_err() || serde_json::from_str::<serde_json::Value>(&text).is_ok());
        let _ = toml(&text, "b.toml").map_err(|report| report.to_string());
        let _ = list.map_err(|report| report.to_string());
    }
}
