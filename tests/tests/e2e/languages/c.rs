//! C.

use super::a_new_project_steers;

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn c_steers() {
    a_new_project_steers("c", &["sh", "-c", "cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin"]);
}
