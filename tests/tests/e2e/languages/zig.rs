//! Zig.

use super::{Project, a_new_project_steers, backends, no_faults, replaced};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_steers() {
    a_new_project_steers("zig", &["python", "-m", "ziglang", "test", "-lc", "test_plugin.zig"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_bounded_hash() {
    let backends = backends();
    let test = ["python", "-m", "ziglang", "test", "-lc", "test_plugin.zig"];
    let project = Project::example("zig-bounded-hash").built_and_tested(&test);
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "epsilon = 0.25", "epsilon = 0"));
    assert!(!fine && told.contains("`epsilon` has to be above 0"), "{told}");
    let host = project.run(&config);
    let mut client = host.client();
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..60 {
        let line = format!("x-user: user-{user}\r\n");
        let home = client.get_with("/", &line).backend().to_owned();
        for _ in 0..5 {
            assert_eq!(client.get_with("/", &line).backend(), home, "user {user}");
        }
        seen.insert(home);
    }
    assert_eq!(Vec::from_iter(seen), ["b1", "b2", "b3"]);
    no_faults(&host);
}
