//! What is said of configurations that are wrong.

use super::{lines, read, report};

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
"#;
    let report = report(text);
    println!("{report}");
    assert!(report.to_string().starts_with(expected));
}

#[test]
fn show() {
    for text in [
        "[[listener]]\nadress = \"1\"\n x = 5s\n[pool.web]\nfoo = 1\nbackends = [\"a\"\n\n[log]\nformat=1\n",
        "a = 1\na = 2\n[server]\nworkers = 0\nworker = \"x\n[log]\nlevel = 5\nformat\n",
        "",
    ] {
        let report = report(text);
        println!("{report}\n{:#?}", lines(&report));
    }
    let _ = read("");
}
