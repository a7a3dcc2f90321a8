//! `trimtab plugin test`: the built-ins keep the contract, and what does not is found out, by the property that it breaks.

use serde_json::Value;
use trimtab_tests::{Folder, plugin, trimtab};

/// The exit code and the report as JSON.
fn tested(component: &str, more: &[&str]) -> (Option<i32>, Value) {
    let tables: &[&str] = if more.contains(&"--tables") { &[] } else { &["--tables", "300"] };
    let output = trimtab(&[&["plugin", "test", component, "--json"], tables, more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}{said}")))
}

/// What became of a property in the only role of a component of these bytes, and why.
fn finding(component: &[u8], property: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let folder = Folder::new();
    let path = folder.write("mine.wasm", component).display().to_string();
    let (code, json) = tested(&path, more);
    let findings = json["roles"][0]["findings"].as_array().cloned().unwrap_or_default();
    let found = findings.iter().find(|finding| finding["property"] == property);
    let found = found.unwrap_or_else(|| panic!("no {property} in {json}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (code, text("status"), text("evidence"))
}

#[test]
fn the_built_ins_keep_the_contract() {
    const PLAIN: &[&str] = &[
        "client-address",
        "cookie",
        "first",
        "ip-hash",
        "least-connections",
        "p2c",
        "peak-ewma",
        "priority",
        "random",
        "round-robin",
        "weighted-round-robin",
    ];
    let keyed = ["maglev", "rendezvous", "ring-hash"].map(|name| (name, vec!["--key", "header:x-user"]));
    let told = [
        ("app-cookie", r#"{"name":"session"}"#),
        ("header", r#"{"name":"x-user"}"#),
        ("header-router", r#"{"header":"x-user","values":{"user-1.example":"a"},"prefix":{"user-":"b"}}"#),
        ("route", r#"{"cookie":"session"}"#),
        ("split", r#"{"weights":[2,1,1]}"#),
        ("subset", r#"{"size":5,"balancer":"one"}"#),
        ("zone", r#"{"zone":"a"}"#),
    ];
    let plain = PLAIN.iter().map(|name| (*name, Vec::new()));
    let told = told.map(|(name, settings)| (name, vec!["--settings", settings]));
    let mut seen = Vec::new();
    for (name, more) in plain.chain(keyed).chain(told) {
        let (code, json) = tested(name, &[&more[..], &["--strict"]].concat());
        assert_eq!((code, &json["passes"]), (Some(0), &true.into()), "{name}: {json:#}");
        seen.push(name);
    }
    seen.sort_unstable();
    let folders = std::fs::read_dir(plugin::root().join("plugins")).expect("plugins");
    let names = folders.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut all: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    all.sort_unstable();
    assert_eq!(seen, all, "each of them is in the table");
}

#[test]
fn what_breaks_a_property_is_named_with_it() {
    for (fixture, property, why) in [
        ("invalid.wat", "answers", "answered backend"),
        ("first.wat", "answers", "answered backend 0, which is"),
        ("trap.wat", "answers", "trap"),
        ("loop.wat", "answers", "deadline"),
        ("update-trap.wat", "answers", "update"),
    ] {
        let (code, status, evidence) = finding(&plugin::balancer(fixture), property, &[]);
        assert_eq!((code, &*status), (Some(1), "fails"), "{fixture}: {evidence}");
        assert!(evidence.contains(why), "{fixture}: {why} in {evidence}");
        if property == "answers" && fixture != "update-trap.wat" {
            assert!(evidence.contains("seed 1"), "it can be found again: {evidence}");
        }
    }
}

#[test]
fn what_fails_late_is_found_by_many_picks_of_one_instance() {
    let late = "(if (i32.gt_u (global.get $calls) (i32.const 3000)) (then unreachable))";
    let (code, status, evidence) = finding(&plugin::roomy_picker(late), "endurance", &["--tables", "50"]);
    assert_eq!((code, &*status), (Some(1), "fails"), "{evidence}");
    assert!(evidence.contains("of 100000 picks: trap"), "{evidence}");
}

#[test]
fn memory_that_grows_with_every_pick_is_doubtful_before_it_is_too_much() {
    // A page of 64 KiB for every thousand picks: far from any limit, and on its way there.
    let leak =
        "(if (i32.eqz (i32.rem_u (global.get $calls) (i32.const 1000))) (then (drop (memory.grow (i32.const 1)))))";
    let (code, status, evidence) = finding(&plugin::roomy_picker(leak), "endurance", &["--tables", "50"]);
    assert_eq!((code, &*status), (Some(0), "doubtful"), "{evidence}");
    assert!(evidence.contains("grew by 3200 KiB in the second half"), "{evidence}");
}

#[test]
fn state_that_does_not_arrive_is_named() {
    for (fixture, status) in [("save-trap.wat", "fails"), ("restore-trap.wat", "fails"), ("restore-error.wat", "fails")]
    {
        let (code, found, evidence) = finding(&plugin::handing_over(fixture), "handoff", &[]);
        assert_eq!((code, &*found), (Some(1), status), "{fixture}: {evidence}");
    }
}

#[test]
fn what_is_doubtful_fails_only_if_strict() {
    // Without a key it has never an opinion: that keeps the contract, and that it is wanted is doubtful.
    let (code, json) = tested("maglev", &[]);
    let answers = &json["roles"][0]["findings"][0];
    assert_eq!((code, &answers["property"], &answers["status"]), (Some(0), &"answers".into(), &"doubtful".into()));
    assert!(answers["evidence"].as_str().is_some_and(|why| why.contains("--key give it what it goes by")), "{answers}");
    assert_eq!(tested("maglev", &["--strict"]).0, Some(1));
    assert_eq!(tested("maglev", &["--strict", "--key", "header:x-user"]).0, Some(0));
}

#[test]
fn it_is_asked_for_what_it_goes_by() {
    let picked = |more: &[&str]| tested("maglev", &[&["--key", "header:x-tenant", "--strict"], more].concat()).0;
    assert_eq!((picked(&[]), picked(&["--header", "X-Tenant: north"])), (Some(1), Some(0)));
    let by_path = ["--key", "path", "--path", "/api/7?x=1"];
    assert_eq!(tested("maglev", &by_path).0, Some(0));
    let settings = r#"{"header":"x-version","values":{"beta":"b"}}"#;
    let routed = ["header-router", "--settings", settings, "--header", "x-version: beta", "--header", "x-more: 1"];
    let (code, json) = tested(routed[0], &routed[1..]);
    let evidence = json["roles"][0]["findings"][0]["evidence"].as_str().unwrap_or_default().to_owned();
    let counts: Vec<u32> = evidence.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [all, a, b, c, passes, _] = counts[..] else { panic!("{evidence}") };
    assert!(code == Some(0) && a == 0 && c == 0 && b + passes == all, "{evidence}");
    assert!((0.4..0.6).contains(&(f64::from(b) / f64::from(all))), "every other one has it: {evidence}");
}

#[test]
fn the_same_seed_finds_the_same() {
    let of = |seed: &str| finding(&plugin::balancer("first.wat"), "answers", &["--seed", seed]).2;
    assert_eq!(of("7"), of("7"));
    assert_ne!(of("7"), of("8"));
}

#[test]
fn what_cannot_be_tried_says_why() {
    let error = |arguments: &[&str]| {
        let output = trimtab(&[&["plugin", "test"], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = error(&["split"]);
    assert!(code == Some(1) && said.contains("does not accept its settings") && said.contains("--settings"), "{said}");
    let (code, said) = error(&["round-robin", "--settings", "[]"]);
    assert!(code == Some(2) && said.contains("settings are a JSON object"), "{said}");
    let (code, said) = error(&["round-robin", "--role", "router"]);
    assert!(code == Some(1) && said.contains("round-robin is no router; it is: balancer"), "{said}");
    let (code, said) = error(&["nowhere.wasm"]);
    assert!(code == Some(1) && said.contains("nowhere.wasm"), "{said}");
    assert_eq!(error(&["round-robin", "--key", "colour:red"]).0, Some(2));
    for (option, value, why) in [
        ("--header", "x-tenant", "a header is written `NAME: VALUE`"),
        ("--header", "x tenant: a", "`x tenant` is no name of a header"),
        ("--path", "api", "a path begins with `/`"),
    ] {
        let (code, said) = error(&["round-robin", option, value]);
        assert!(code == Some(2) && said.contains(why), "{said}");
    }
    assert_eq!(error(&[]).0, Some(2));
}

#[test]
fn the_report_is_for_people() {
    let output = trimtab(&["plugin", "test", "maglev", "--key", "header:x-user", "--tables", "50"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in ["balancer\n", "✓ holds   answers", "- n/a", "max ÷ mean", "% of keys move", "keeps the contract"] {
        assert!(text.contains(words), "{words} in:\n{text}");
    }
}
