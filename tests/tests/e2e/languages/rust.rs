//! Rust.

use std::fs;

use trimtab_tests::host::binary;
use trimtab_tests::plugin::root;

use super::{Project, a_new_project_steers, backends, no_faults, replaced, succeed};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn rust_steers() {
    a_new_project_steers("rust", &["cargo", "test", "--quiet"]);
}

/// The text between these lines.
fn block<'a>(page: &'a str, first: &str, last: &str) -> &'a str {
    let (_, rest) = page.split_once(first).unwrap_or_else(|| panic!("no {first} in\n{page}"));
    rest.split_once(last).unwrap_or_else(|| panic!("no {last} in\n{rest}")).0
}

/// README.md has a plugin, and a configuration for it.
#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn the_plugin_of_the_front_page() {
    let page = fs::read_to_string(root().join("README.md")).expect("README.md");
    let section = block(&page, "\n## A plugin in twenty lines\n", "\n## ");
    let project = Project::named("canary", "rust");
    fs::write(project.path().join("src/lib.rs"), block(section, "```rust\n", "```")).expect("written");
    succeed(project.program(binary()).args(["plugin", "build"]));
    project.keeps_the_contract();
    let [rest, canary, _] = backends();
    let config = replaced(block(section, "```toml\n", "```"), "10.0.1.1:8080", &rest.address().to_string());
    let config = replaced(&config, "10.0.1.2:8080", &canary.address().to_string());
    let config = replaced(&config, "\"canary.wasm\"", "\"canary/canary.wasm\"");
    let host =
        project.run(&format!("[[listener]]\nname = \"web\"\naddress = \"127.0.0.1:0\"\npool = \"api\"\n{config}"));
    let mut client = host.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").backend(), "b1");
        assert_eq!(client.get_with("/", "x-canary: yes\r\n").backend(), "b2");
    }
    no_faults(&host);
}
