//! C.

use super::{Project, a_new_project_steers, backends, no_faults, replaced};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn c_steers() {
    a_new_project_steers("c", &["sh", "-c", "cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn c_geography() {
    let backends = backends();
    let test = "cc -g -fsanitize=address,undefined -Ibindings -o test_plugin test_plugin.c && ./test_plugin";
    let project = Project::example("c-geography").built_and_tested(&["sh", "-c", test]);
    project.keeps_the_contract();
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "10.7.0.0/16", "10.7.0.0"));
    assert!(!fine && told.contains("`10.7.0.0` of `networks` is no network, such as 10.0.0.0/8"), "{told}");
    let host = project.run(&config);
    let many = || (0..40).map(|_| host.get("/").backend().to_owned()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(Vec::from_iter(many()), ["b2"], "the client is in its region");
    host.set_backend("web", "b2", r#"{"state":"down"}"#);
    assert_eq!(Vec::from_iter(many()), ["b1"], "the first neighbour of it");
    host.set_backend("web", "b1", r#"{"state":"down"}"#);
    assert_eq!(Vec::from_iter(many()), ["b3"], "no neighbour, but there");
    host.set_backend("web", "b2", r#"{"state":"ready"}"#);
    assert_eq!(Vec::from_iter(many()), ["b2"]);
    no_faults(&host);
}
