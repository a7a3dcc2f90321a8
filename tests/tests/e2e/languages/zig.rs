//! Zig.

use trimtab_tests::Gate;

use super::{Project, a_new_project_steers, no_faults, replaced};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_steers() {
    a_new_project_steers("zig", &["python", "-m", "ziglang", "test", "-lc", "test_plugin.zig"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn zig_bounded_hash() {
    let gate = Gate::default();
    let backends = ["b1", "b2", "b3"].map(|id| gate.backend(id));
    let test = ["python", "-m", "ziglang", "test", "-lc", "test_plugin.zig"];
    let project = Project::example("zig-bounded-hash").built_and_tested(&test);
    project.keeps_the_contract();
    let config = project.configuration(&backends);
    for (epsilon, reason) in [("0", "`epsilon` has to be above 0"), ("\"0.5\"", "`epsilon` has to be a number")] {
        let (fine, told) = project.check(&replaced(&config, "epsilon = 0.25", &format!("epsilon = {epsilon}")));
        assert!(!fine && told.contains(reason), "{told}");
    }
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
    // One key that all ask for: of nine in flight, a quarter more than a third is four.
    let hot = "x-user: hot\r\n";
    let home = client.get_with("/", hot).backend().to_owned();
    let held = gate.hold(&host, 9, hot);
    let in_flight = |id: &str| host.backend("web", id)["in_flight"].as_u64().unwrap_or_default();
    let mut shares = ["b1", "b2", "b3"].map(in_flight);
    shares.sort_unstable();
    assert_eq!((in_flight(&home), shares), (4, [1, 4, 4]));
    gate.open();
    held.into_iter().for_each(|mut client| assert_eq!(client.response().status, 200));
    assert_eq!(client.get_with("/", hot).backend(), home, "it comes back");
    no_faults(&host);
}
