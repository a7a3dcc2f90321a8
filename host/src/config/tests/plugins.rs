//! Plugins as pools and routes use them: alone, in chains, with settings, with what the host sets.

use serde_json::json;

use super::{config, lines, minimal, pool, read, report};
use crate::config::{PluginUse, Route};
use crate::decide::Key;

/// What is said of lines in a pool, less the first `LINE:COLUMN`.
#[track_caller]
fn said(pool: &str) -> String {
    lines(&report(&minimal("", pool))).join("\n").split_once(' ').expect("position").1.to_owned()
}

const SECRET: &str = "[server]\nsecret_file = \"s\"\n";

/// A configuration with two pools, a route that has `more`, and other sections after it.
fn routed(more: &str) -> String {
    minimal("", &format!("[pool.next]\nbackends = [\"10.0.0.2:80\"]\n[[route]]\npool = \"web\"\n{more}"))
}

/// What is said of a route.
#[track_caller]
fn route_said(more: &str) -> String {
    let lines: Vec<_> =
        lines(&report(&routed(more))).into_iter().filter(|line| !line.contains("nothing uses")).collect();
    lines.join("\n").split_once(' ').expect("position").1.to_owned()
}

fn names(chain: &[PluginUse]) -> Vec<&str> {
    chain.iter().map(|used| &*used.plugin).collect()
}

#[test]
fn settings_are_merged_key_by_key() {
    let text = "[plugin.mine]\ncomponent = \"/m.wasm\"\nsettings = { a = 1, b = { c = [1.5, true, 1979-05-27] } }";
    let pool = pool(&format!("balancer = {{ plugin = \"mine\", key = \"path\", a = \"x\", d = 0xff }}\n{text}"));
    let [mine] = &pool.balancer[..] else { panic!("one plugin") };
    assert_eq!(mine.keys, [Key::Path]);
    let expected = json!({ "a": "x", "b": { "c": [1.5, true, "1979-05-27"] }, "d": 255 });
    assert_eq!(serde_json::Value::Object(mine.settings.clone()), expected);
}

#[test]
fn what_is_no_use_of_a_plugin() {
    assert_eq!(
        said("balancer = { plugin = \"round-robin\", x = inf }"),
        "`x` cannot be inf: settings are handed over as JSON | write a finite number, or a string"
    );
    assert!(said("balancer = { plugin = \"p2c\", key = \"paths\" }").contains("`paths` is no key: use client-address"));
    assert!(said("balancer = { plugin = \"p2c\", key = [] }").contains("`key` names no key"));
    assert_eq!(said("balancer = { plugn = \"p2c\" }"), "`balancer` has no `plugin` | add `plugin = \"round-robin\"`");
    assert_eq!(
        said("balancer = 1"),
        "`balancer` must be a plugin, not the number 1 | write `\"round-robin\"` or `{ plugin = \"round-robin\" }`"
    );
}

#[test]
fn chains() {
    assert_eq!(names(&pool("balancer = \"p2c\"").balancer), ["p2c"]);
    assert_eq!(names(&pool("balancer = [\"p2c\"]").balancer), ["p2c"]);
    let pool = pool("balancer = [\"zone\", { plugin = \"p2c\", choices = 3 }, \"round-robin\"]");
    assert_eq!(names(&pool.balancer), ["zone", "p2c", "round-robin"]);
    assert_eq!(pool.balancer[1].settings["choices"], 3);

    assert_eq!(
        said("balancer = []"),
        "`balancer` names no plugin | name one, such as `\"round-robin\"`, or remove the key"
    );
    assert_eq!(said("balancer = [[\"p2c\"]]"), "a list within a list | write one list of plugins");
    let report = report(&minimal("", "balancer = [\"zoen\", \"p2c\", 5]"));
    assert_eq!(
        lines(&report),
        [
            "7:13 no plugin is named `zoen` | did you mean `zone`?",
            "7:28 `balancer` must be a plugin, not the number 5 | write `\"round-robin\"` or `{ plugin = \"round-robin\" }`",
        ],
        "every element is looked at"
    );
}

#[test]
fn affinities() {
    let cookie =
        |text: &str| config(&minimal("", &format!("affinity = {text}\n{SECRET}"))).pools["web"].affinity.clone();
    assert_eq!(cookie("\"cookie\"").map(|used| used.plugin), Some("cookie".into()));
    let used = cookie("{ plugin = \"cookie\", key = \"path\", name = \"s\" }").expect("affinity");
    assert_eq!((used.keys, used.settings["name"].as_str()), (vec![Key::Path], Some("s")));
    assert_eq!(
        said(&format!("affinity = [\"cookie\"]\n{SECRET}")),
        "`affinity` is one plugin, not a list | name one plugin"
    );
    assert_eq!(said(&format!("affinity = \"cokie\"\n{SECRET}")), "no plugin is named `cokie` | did you mean `cookie`?");
}

#[test]
fn an_affinity_without_secret_is_warned_of() {
    let loaded = read(&minimal("", "affinity = \"cookie\"")).expect("valid");
    assert_eq!(
        lines(&loaded.warnings),
        [
            "7:12 without a secret, clients are bound until a restart only | add `secret_file` to `[server]`: at least 16 random bytes, the same for fellow balancers"
        ]
    );
}

#[test]
fn what_the_host_sets_cannot_be_written() {
    let secret = "`secret` is set by the host | remove it; `[server] secret_file` is where it comes from";
    let process = "`process` is set by the host | remove it; `[server] name` is what it will be";
    assert_eq!(said(&format!("affinity = {{ plugin = \"cookie\", secret = \"x\" }}\n{SECRET}")), secret);
    assert_eq!(said("balancer = [{ plugin = \"zone\", process = \"x\" }, \"p2c\"]"), process);
    assert_eq!(said("balancer = \"p2c\"\n[plugin.p2c]\nsettings = { secret = 1 }"), secret);
    assert_eq!(said("balancer = \"p2c\"\n[plugin.p2c.settings]\nprocess = 1"), process);
    let pool = pool("balancer = { plugin = \"p2c\", deep = { secret = 1 } }");
    assert_eq!(pool.balancer[0].settings["deep"]["secret"], 1, "settings of the plugin's own are its own");
}

#[test]
fn routes_have_names() {
    let names = |text: &str| -> Vec<String> {
        config(&minimal("", text)).routes.iter().map(|route: &Route| route.name.to_string()).collect()
    };
    let route = |more: &str| format!("[[route]]\npool = \"web\"\npath = \"/{}\"\n{more}\n", more.len());
    assert_eq!(
        names(&format!("{}{}{}", route(""), route("name = \"x\""), route("methods = [\"GET\"]"))),
        ["route-1", "x", "route-3"]
    );
    let text = minimal("", &format!("{}{}", route("name = \"route-2\""), route("")));
    assert_eq!(lines(&report(&text)), ["11:1 two routes are named `route-2` | give each a `name` of its own"]);
    assert_eq!(route_said("name = \"a b\""), "the name of a route must not hold spaces or control characters");
}

#[test]
fn routers() {
    let text = routed("router = { plugin = \"split\", pools = [\"next\", \"web\"], key = \"path\", percent = 5 }");
    let router = config(&text).routes[0].router.clone().expect("router");
    assert_eq!(router.pools, ["next".into(), "web".into()], "in the order written, and a use of `next`");
    assert_eq!((&*router.used.plugin, router.used.keys), ("split", vec![Key::Path]));
    assert_eq!(serde_json::Value::Object(router.used.settings), json!({ "percent": 5 }), "without `pools`");

    let table = "`router` must be a table with a plugin and its pools, not the string \"split\"";
    assert_eq!(
        route_said("router = \"split\""),
        format!("{table} | write `{{ plugin = \"split\", pools = [\"web\"] }}`")
    );
    assert_eq!(route_said("router = { plugin = \"split\" }"), "`router` has no `pools` | add `pools = [\"web\"]`");
    assert_eq!(route_said("router = { pools = [\"web\"] }"), "`router` has no `plugin` | add `plugin = \"split\"`");
    assert_eq!(
        route_said("router = { plugin = \"split\", pools = [] }"),
        "`pools` names no pool | name those that the router picks between"
    );
    assert_eq!(
        route_said("router = { plugin = \"split\", pools = \"next\" }"),
        "`pools` must be a list of pools, not the string \"next\" | write `[\"next\"]`"
    );
    assert_eq!(
        route_said("router = { plugin = \"split\", pools = [\"web\", \"nxt\", \"web\"] }"),
        "no pool is named `nxt` | did you mean `next`?\n\
         11:53 this router has the pool `web` twice | remove one of them"
    );
}

#[test]
fn headers_that_a_plugin_may_add() {
    let text = |names: &str| minimal("", &format!("balancer = \"p2c\"\n[plugin.p2c]\nresponse_headers = {names}"));
    let plugin = &config(&text("[\"X-Served-By\", \"server-timing\"]")).plugins["p2c"];
    assert_eq!(plugin.response_headers, ["x-served-by".into(), "server-timing".into()], "lower case");
    let said = |names: &str| lines(&report(&text(names))).join("\n").split_once(' ').expect("position").1.to_owned();
    for name in ["Content-Length", "transfer-encoding", "connection", "Keep-Alive", "upgrade", "te", "trailer"] {
        let lower = name.to_lowercase();
        let expected = format!("no plugin may add `{lower}`: it belongs to how a response is sent | remove it");
        assert_eq!(said(&format!("[\"{name}\"]")), expected);
    }
    assert_eq!(said("[\"a b\"]"), "\"a b\" is no name of a header | write letters, digits and `-`, such as `x-canary`");
    assert_eq!(
        said("\"x\""),
        "`response_headers` must be a list of names of headers, not the string \"x\" | write `[\"x\"]`"
    );
}

#[test]
fn the_size_of_the_table() {
    let text = |size: &str| minimal("", &format!("balancer = \"p2c\"\n[plugin.p2c]\ntable = {size}"));
    assert_eq!(config(&text("\"64KiB\"")).plugins["p2c"].limits.table, 64 << 10);
    let said = lines(&report(&text("\"2GiB\""))).join("\n");
    assert_eq!(said, "9:9 `table` must be from 64KiB to 1GiB");
}
