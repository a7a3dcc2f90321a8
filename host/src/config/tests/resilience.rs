//! What a pool does when backends fail, as it may be written.

use std::time::Duration;

use super::{lines, minimal, pool, report};
use crate::config::{OutlierPolicy, Panic, Retry, Serve};

const SECOND: Duration = Duration::from_secs(1);

/// What is said of the first line that is added to the pool.
#[track_caller]
fn said(more: &str) -> String {
    let lines = lines(&report(&minimal("", more)));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].split_once(' ').expect("position").1.to_owned()
}

#[test]
fn retries() {
    let retry = |text: &str| pool(&format!("retry = {text}")).retry;
    assert_eq!(retry("{}"), Retry::default());
    let all = Retry {
        retries: 3,
        connect: true,
        reset: false,
        timeout: false,
        statuses: vec![502, 503],
        grpc: vec![14, 8],
        per_try_timeout: Some(SECOND),
        buffer: 1 << 20,
        budget: 10,
        reserve: 0,
    };
    let on = r#"on = ["connect", 502, 503, "grpc:unavailable", "grpc:resource-exhausted"]"#;
    let rest = r#"per_try_timeout = "1s", buffer = "1MiB", budget = "10%", reserve = 0"#;
    assert_eq!(pool(&format!("retries = 3\nretry = {{ {on}, {rest} }}")).retry, all);
    let none = retry("{ on = [], per_try_timeout = false }");
    assert_eq!((none.connect, none.reset, none.timeout, none.per_try_timeout), (false, false, false, None));

    let said = |text: &str| said(&format!("retry = {{ {text} }}"));
    assert_eq!(said(r#"on = ["conect"]"#), "a request cannot be retried on \"conect\" | did you mean `connect`?");
    assert_eq!(said("on = [200]"), "a status to retry on must be from 400 to 599 | write one such as `503`");
    assert_eq!(
        said(r#"on = ["grpc:unavailble"]"#),
        "there is no error of gRPC called \"unavailble\" | did you mean `unavailable`?"
    );
    assert!(said(r#"on = ["grpc:ok"]"#).starts_with("there is no error of gRPC called \"ok\""));
    assert_eq!(said("budget = 101"), "`budget` must be from 0 to 100 percent");
    assert_eq!(said("budget = \"half\""), "`budget` must be from 0 to 100 percent");
    assert_eq!(
        said("budget = 0.5"),
        "`budget` must be a percentage, not the number 0.5 | write `budget = 20` or `\"20%\"`"
    );
    assert_eq!(said("buffer = \"1GiB\""), "`buffer` must be from 0B to 16MiB");
}

#[test]
fn outliers() {
    let outlier = |text: &str| pool(&format!("outlier = {text}")).outlier;
    let default = OutlierPolicy::default();
    assert_eq!((outlier("true"), outlier("false"), outlier("{}")), (Some(default), None, Some(default)));
    let some =
        outlier("{ consecutive_errors = 1, consecutive_timeouts = false, success_rate = \"50%\", max_ejected = 34 }");
    let policy = OutlierPolicy { errors: Some(1), timeouts: None, success_rate: Some(50), max_ejected: 34, ..default };
    assert_eq!(some, Some(policy));
    let long = outlier("{ ejection = \"10m\" }").expect("a policy");
    assert_eq!((long.ejection, long.max_ejection), (600 * SECOND, 600 * SECOND), "a longer time alone does not grow");
    assert_eq!(
        said("outlier = { ejection = \"5s\", max_ejection = \"1s\" }"),
        "`max_ejection` is shorter than `ejection` | an ejection grows from `ejection` to `max_ejection`"
    );
    assert_eq!(
        said("outlier = { consecutive_errors = 0 }"),
        "`consecutive_errors` must be a whole number from 1 to 1000000, not 0"
    );
}

#[test]
fn recovery() {
    let panic = |text: &str| pool(&format!("panic = {text}")).recovery.panic;
    let half = Panic { below: 50, serve: Serve::All };
    assert_eq!((panic("true"), panic("false"), panic("{}")), (Some(half), None, Some(half)));
    assert_eq!(panic("{ below = 30, serve = \"none\" }"), Some(Panic { below: 30, serve: Serve::Nobody }));
    assert!(said("panic = { serve = \"some\" }").starts_with("`serve` cannot be \"some\""));
    let recovery = pool("slow_start = \"10s\"\ndrain_timeout = false").recovery;
    assert_eq!((recovery.slow_start, recovery.drain_timeout), (Some(10 * SECOND), None));
    assert_eq!(said("slow_start = \"10ms\""), "`slow_start` must be from 100ms to 1h, not 10ms");
}

#[test]
fn tunnels() {
    let timeout = |text: &str| pool(&format!("tunnel_timeout = {text}")).tunnel_timeout;
    assert_eq!((timeout("'5m'"), timeout("false")), (Some(300 * SECOND), None));
    assert_eq!(pool("").tunnel_timeout, Some(3600 * SECOND));
    assert!(
        said("tunnel_timeout = 'soon'").starts_with("`tunnel_timeout` must be a duration"),
        "{}",
        said("tunnel_timeout = 'soon'")
    );
    assert!(said("tunnel_timeout = '0s'").starts_with("`tunnel_timeout` must be"), "{}", said("tunnel_timeout = '0s'"));
}
