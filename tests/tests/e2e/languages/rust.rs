//! Rust.

use super::a_new_project_steers;

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn rust_steers() {
    a_new_project_steers("rust", &["cargo", "test", "--quiet"]);
}
