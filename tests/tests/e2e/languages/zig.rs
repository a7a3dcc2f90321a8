//! Zig.

use super::a_new_project_steers;

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_steers() {
    a_new_project_steers("zig", &["sh", "-c", "test -s bindings/c.zig && echo ok"]);
}
