//! A plugin that fails, in each language: the request is answered all the same, and the log says what went wrong, where.

use std::fs;

use trimtab_tests::eventually;
use trimtab_tests::host::binary;

use super::{Project, backends, replaced, succeed};

/// Has `pick` fail for who asks for the backend `fail`, and looks for these words in one line of the log about it.
fn fails_in_words(language: &str, source: &str, changes: &[(&str, &str)], words: &[&str]) {
    let backends = backends();
    let project = Project::new(language);
    let path = project.path().join(source);
    let text = fs::read_to_string(&path).expect("a source");
    let failing = changes.iter().fold(text, |text, (before, after)| replaced(&text, before, after));
    fs::write(&path, failing).expect("written");
    succeed(project.program(binary()).args(["plugin", "build"]));
    let config = project.configuration(&backends);
    let host = project.run(&config);
    let mut client = host.client();
    assert_eq!(client.get_with("/", "x-backend: b2\r\n").backend(), "b2");
    assert_eq!(client.get_with("/", "x-backend: fail\r\n").status, 200, "the fallback decides");
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 1.0);
    let is_told = |line: &str| line.contains("\"kind\":") && words.iter().all(|word| line.contains(word));
    eventually(&format!("{words:?} in a line of the log"), || host.log().lines().any(is_told));
    let shown = host.plugin("steer").to_string();
    assert!(shown.contains("trap"), "{shown}");
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn rust_fails_in_words() {
    let wanted = "let wanted = request::header(\"x-backend\");";
    let failing = format!("{wanted}\n        assert!(wanted.as_deref() != Some(\"fail\"), \"no such luck\");");
    let words = ["panicked at src/lib.rs:", "no such luck", "#pick"];
    fails_in_words("rust", "src/lib.rs", &[(wanted, &failing)], &words);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn c_fails_in_words() {
    let named = "bool is_named = trimtab_plugin_request_header(&name, &wanted);";
    let failing = format!("{named}\n    assert(!is_named || wanted.len != 4);");
    let header = ("#include <string.h>", "#include <assert.h>\n#include <string.h>");
    let words = ["Assertion failed: !is_named || wanted.len != 4", "plugin.c", "_balancer_pick"];
    fails_in_words("c", "plugin.c", &[(named, &failing), header], &words);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_fails_in_words() {
    let named = "const is_named = c.trimtab_plugin_request_header(&name, &wanted);";
    let failing = format!("{named}\n    if (is_named and wanted.len == 4) @panic(\"no such luck\");");
    fails_in_words("zig", "plugin.zig", &[(named, &failing)], &["panic: no such luck", "_balancer_pick"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn javascript_fails_in_words() {
    let wanted = "const wanted = request.header(\"x-backend\");";
    let failing = format!("{wanted}\n    if (wanted === \"fail\") throw new Error(\"no such luck\");");
    fails_in_words("javascript", "plugin.js", &[(wanted, &failing)], &["no such luck", "at pick", "plugin.js:"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn python_fails_in_words() {
    let found = "        if (wanted := request.header(\"x-backend\")) is not None:\n";
    let failing = format!("{found}            assert wanted != \"fail\", \"no such luck\"\n");
    fails_in_words("python", "plugin.py", &[(found, &failing)], &["AssertionError: no such luck", "in pick"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn go_fails_in_words() {
    let some = "\tif wanted.IsSome() {\n";
    let failing = format!("{some}\t\tif wanted.Some() == \"fail\" {{\n\t\t\tpanic(\"no such luck\")\n\t\t}}\n");
    fails_in_words("go", "plugin.go", &[(some, &failing)], &["panic: no such luck", "plugin.go:"]);
}
