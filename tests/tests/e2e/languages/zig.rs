//! Zig.

use super::a_new_project_steers;

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_steers() {
    a_new_project_steers("zig", &["python", "-m", "ziglang", "test", "-lc", "test_plugin.zig"]);
}
