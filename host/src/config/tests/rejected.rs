//! What is said of configurations that are wrong, or odd, as a whole.

use super::{lines, minimal, read, report};

#[test]
fn all_errors_of_a_file_are_shown_at_once() {
    let text = r#"[server]
drain_timeout = 30
[[listener]]
adress = "0.0.0.0:8080"
pool = "wbe"
[pool.web]
balancer = "round-robbin"
backends = ["10.0.0.1", { address = "10.0.0.2:80", weight = 70000 }]
"#;
    let expected = r#"error: `drain_timeout` must be a duration with a unit, not the number 30
 --> trimtab.toml:2:17
  |
2 | drain_timeout = 30
  |                 ^^
  |
  = help: give it a unit: `"30s"`

error: unknown key `adress` in `[[listener]]`
 --> trimtab.toml:4:1
  |
4 | adress = "0.0.0.0:8080"
  | ^^^^^^
  |
  = help: did you mean `address`?

error: no pool is named `wbe`
 --> trimtab.toml:5:8
  |
5 | pool = "wbe"
  |        ^^^^^
  |
  = help: did you mean `web`?

error: no plugin is named `round-robbin`
 --> trimtab.toml:7:12
  |
7 | balancer = "round-robbin"
  |            ^^^^^^^^^^^^^^
  |
  = help: did you mean `round-robin`?

error: "10.0.0.1" has no port
 --> trimtab.toml:8:13
  |
8 | backends = ["10.0.0.1", { address = "10.0.0.2:80", weight = 70000 }]
  |             ^^^^^^^^^^
  |
  = help: write `"10.0.0.1:80"`

error: `weight` must be a whole number from 0 to 65535, not 70000
 --> trimtab.toml:8:61
  |
8 | backends = ["10.0.0.1", { address = "10.0.0.2:80", weight = 70000 }]
  |                                                             ^^^^^

trimtab.toml: 6 errors"#;
    assert_eq!(report(text).render(false), expected);
    assert!(report(text).render(true).contains("\u{1b}["));
}

#[test]
fn errors_of_syntax_do_not_hide_others() {
    let text = "a = 1\na = 2\n[server]\nworkers = 0\ndrain_timeout = 5s\nhash_seed =\n[log]\nformat = \"jsn\"\n";
    assert_eq!(
        lines(&report(text)),
        [
            "1:1 unknown key `a` in this configuration | known keys are `admin`, `listener`, `log`, `plugin`, `pool`, `route`, `server`",
            "2:1 `a` is written twice | remove one of them",
            "4:11 `workers` must be a whole number from 1 to 512, not 0",
            "5:17 strings are written in quotes | write `\"5s\"`",
            "6:12 there is no value after `=` | write one, or remove the key",
            "8:10 `format` cannot be \"jsn\" | did you mean `json`?",
        ]
    );
}

#[test]
fn an_open_bracket_is_one_error() {
    let text = "server.x = 1\n[pool.web]\nbackends = [\"a:1\",\n\n[log]\nformat = 1\nx = { a = 1\n";
    assert_eq!(
        lines(&report(text)),
        [
            "1:8 unknown key `x` in `[server]` | known keys are `code_cache`, `drain_timeout`, `error_pages`, `hash_seed`, `max_component_size`, `max_instances`, `name`, `secret_file`, `watch`, `workers`",
            "3:12 this bracket is never closed | add `]` after the last element",
        ]
    );
    assert_eq!(lines(&report("[log]\nx\ny = 1")), ["2:2 this key has no value | write `key = value`"]);
    assert_eq!(lines(&report("x = \"a\n")), ["1:7 this string is never closed | add the closing quote"]);
}

#[test]
fn duplicates() {
    let listeners = "[[listener]]\nname = \"a\"\naddress = \"0.0.0.0:80\"\npool = \"web\"\n".repeat(2);
    let pool = "backends = [\"a:1\", { id = \"x\", address = \"a:1\" }, { id = \"x\", address = \"b:1\" }]";
    let report = report(&format!("{listeners}[pool.web]\n{pool}"));
    assert_eq!(
        lines(&report),
        [
            "6:8 two listeners are named `a` | give each a `name` of its own",
            "7:11 two listeners have the address 0.0.0.0:80 | give each an address of its own",
            "10:42 this pool has two backends of this address | give one of them more `weight`",
            "10:58 this pool has two backends with the id `x` | an id is unique in its pool",
        ]
    );
    assert!(report.render(false).contains("- the first is here"), "{report}");
}

#[test]
fn what_is_missing() {
    let said = |text: &str| lines(&report(text));
    let nothing = "1:1 this configuration has no listener: it would serve nothing | add `[[listener]]` with an `address` and a `pool`";
    assert_eq!(said(""), [nothing]);
    assert_eq!(said("listener = []"), [nothing]);
    assert_eq!(said("route = []\n[[listener]]\naddress = \"0.0.0.0:80\"").len(), 1);
    assert_eq!(
        said("[[listener]]\naddress = \"0.0.0.0:80\""),
        [
            "1:1 the listener `0.0.0.0:80` leads nowhere: it has no pool and no route | add `pool = \"NAME\"`, or a `[[route]]`"
        ]
    );
    assert_eq!(
        said("[[listener]]\npool = \"x\"\n[pool.x]\nbackends = [\"a:1\"]"),
        ["1:1 `[[listener]]` has no `address` | add `address = \"0.0.0.0:8080\"`"]
    );
    assert_eq!(said(&minimal("", "[[route]]")), ["7:1 `[[route]]` has no `pool` | add `pool = \"NAME\"`"]);
    assert_eq!(
        said(&minimal("", "[[route]]\npool = \"web\"\nlistener = \"x\"")),
        ["9:12 no listener is named `x` | declare it, or use one of the listeners: `127.0.0.1:0`"]
    );
    assert_eq!(
        said(&minimal("", "balancer = \"mine\"\n[plugin.mine]")),
        ["8:1 `[plugin.mine]` has no `component`, and no built-in has this name | add `component = \"mine.wasm\"`"]
    );
    assert_eq!(
        said("[[listener]]\naddress = \"0.0.0.0:80\"\npool = \"x\""),
        ["3:8 no pool is named `x` | there is no pool: declare one of this name"]
    );
}

#[test]
fn shapes() {
    let said = |text: &str| lines(&report(text)).join("\n");
    assert!(
        said("[listener]\naddress = \"0.0.0.0:80\"")
            .contains("there may be several listeners, so each is written in double brackets | write `[[listener]]`")
    );
    assert!(said(&minimal("", "[[plugin]]")).contains("`plugin` must be a table, not a list | write `[plugin.NAME]`"));
    assert!(said(&minimal("", "[[plugin.x]]")).contains("`x` must be a table, not a list | write `[plugin.x]`"));
    assert!(said(&minimal("", "[[server]]")).contains("`server` must be a table, not a list | write `[server]`"));
    assert!(
        said(&minimal("", "[plugin.\"a b\"]"))
            .contains("the name of a plugin must not hold spaces or control characters")
    );
    assert!(said("listener = [1]").contains("`listener` must be a table, not the number 1 | write `[[listener]]`"));
}

#[test]
fn warnings() {
    let text = minimal(
        "allow = [\"10.0.0.1/8\"]",
        "[pool.spare]\nbackends = []\n[plugin.p2c]\n[[route]]\npool = \"web\"\n[[route]]\npool = \"web\"",
    );
    let loaded = read(&text).expect("valid");
    assert_eq!(
        lines(&loaded.warnings),
        [
            "4:10 \"10.0.0.1/8\" has bits beyond its prefix, which mean nothing | write `\"10.0.0.0/8\"`, or `\"10.0.0.1\"` for the one address",
            "7:7 this pool has no backends: requests to it get 503 | add `backends = [\"10.0.0.1:80\"]`",
            "7:7 nothing uses the pool `spare`",
            "9:9 nothing uses the plugin `p2c`",
            "12:1 nothing reaches this route: an earlier one matches the same",
        ]
    );
    assert_eq!(loaded.warnings.summary(), "trimtab.toml: 5 warnings");
    assert_eq!(loaded.config.listeners[0].access.allow.blocks[0].to_string(), "10.0.0.0/8");
}
