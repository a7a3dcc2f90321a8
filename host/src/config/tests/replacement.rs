//! How plugins are replaced and when they are left alone, as it may be written.

use std::time::Duration;

use super::{config, lines, minimal, report};
use crate::config::{BreakerPolicy, Conformance, Plugin};

const SECOND: Duration = Duration::from_secs(1);

/// A configuration with `more` in the section of a plugin.
fn text(more: &str) -> String {
    minimal("", &format!("balancer = \"p2c\"\n[plugin.p2c]\n{more}"))
}

fn plugin(more: &str) -> Plugin {
    config(&text(more)).plugins.remove("p2c").expect("plugin")
}

/// What is said of the first line of the section.
#[track_caller]
fn said(more: &str) -> String {
    let lines = lines(&report(&text(more)));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].split_once(' ').expect("position").1.to_owned()
}

#[test]
fn a_section_that_says_nothing_is_the_default() {
    assert_eq!(plugin(""), Plugin::default());
}

#[test]
fn only_files_are_watched() {
    assert!(plugin("component = \"p.wasm\"\nwatch = true").watch);
    assert!(!plugin("watch = false").watch);
    let nothing = "`watch` without `component`: there is no file to watch | add `component`, or remove it";
    assert_eq!(said("watch = true"), nothing);
    assert_eq!(said("watch = 1"), "`watch` must be true or false, not the number 1 | write `true` or `false`");
    assert!(said("component = 1\nwatch = true").starts_with("`component` must be a path"), "it is there, if badly");
}

#[test]
fn shadow_and_probation() {
    let both = plugin("shadow = \"1s\"\nprobation = \"1h\"");
    assert_eq!((both.shadow, both.probation), (Some(SECOND), Some(3600 * SECOND)));
    let none = plugin("shadow = false\nprobation = false");
    assert_eq!((none.shadow, none.probation), (None, None));
    assert_eq!(said("shadow = \"999ms\""), "`shadow` must be from 1s to 1h, not 999ms");
    assert_eq!(said("probation = \"61m\""), "`probation` must be from 1s to 1h, not 61m");
    assert_eq!(said("probation = true"), "`probation` must be a duration, not true | write `\"5s\"`");
}

#[test]
fn conformance() {
    assert_eq!(plugin("conformance = \"strict\"").conformance, Conformance::Strict);
    assert_eq!(plugin("conformance = \"off\"").conformance, Conformance::Off);
    assert!(said("conformance = \"strickt\"").contains("`strict`"), "{}", said("conformance = \"strickt\""));
    assert!(said("conformance = true").starts_with("`conformance` must be"), "{}", said("conformance = true"));
}

#[test]
fn breakers() {
    let breaker = |text: &str| plugin(&format!("breaker = {text}")).breaker;
    let default = BreakerPolicy::default();
    assert_eq!((breaker("true"), breaker("false"), breaker("{}")), (Some(default), None, Some(default)));
    let all = BreakerPolicy { faults: 1, window: 2 * SECOND, delay: SECOND / 10, max_delay: SECOND };
    assert_eq!(breaker("{ faults = 1, window = \"2s\", delay = \"100ms\", max_delay = \"1s\" }"), Some(all));
    let long = breaker("{ delay = \"5m\" }").expect("a policy");
    assert_eq!((long.delay, long.max_delay), (300 * SECOND, 300 * SECOND), "a longer delay alone does not grow");

    let said = |text: &str| said(&format!("breaker = {text}"));
    assert_eq!(said("{ faults = 0 }"), "`faults` must be a whole number from 1 to 1000000, not 0");
    assert_eq!(said("{ window = \"2h\" }"), "`window` must be from 1s to 1h, not 2h");
    assert_eq!(said("{ delay = \"1ms\" }"), "`delay` must be from 100ms to 1h, not 1ms");
    assert_eq!(said("{ max_delay = \"2days\" }"), "`max_delay` must be from 100ms to 1day, not 2days");
    assert_eq!(
        said("{ delay = \"5s\", max_delay = \"1s\" }"),
        "`max_delay` is shorter than `delay` | a delay grows from `delay` to `max_delay`"
    );
    assert_eq!(said("{ fault = 3 }"), "unknown key `fault` in `breaker = { … }` | did you mean `faults`?");
    assert_eq!(
        said("\"10s\""),
        "`breaker` must be true, false or a table, not the string \"10s\" | write `true`, `false` or `{ faults = 10, window = \"10s\" }`"
    );
}
