//! Go.

use super::{Project, a_new_project_steers, backends, no_faults, replaced};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn go_steers() {
    a_new_project_steers("go", &["go", "test"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn go_tenants() {
    let backends = backends();
    let project = Project::example("go-tenants").built_and_tested(&["go", "test"]);
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "acme = \"east\"", "acme = \"north\""));
    assert!(!fine && told.contains("has the pool `north`, which is none of the route's: east, west, small"), "{told}");
    let host = project.run(&config);
    let mut client = host.client();
    let mut get = |lines: &str| {
        let response = client.get_with("/", lines);
        (response.status, response.backend().to_owned())
    };
    for (tenant, backend) in [("acme", "b1"), ("Globex", "b2"), ("initech", "b2"), ("unknown", "b3")] {
        assert_eq!(get(&format!("x-tenant: {tenant}\r\n")), (200, backend.to_owned()), "{tenant}");
    }
    assert_eq!(get(""), (200, "b3".to_owned()), "the host names no tenant");
    // The garbage collector comes by, and takes no string that is still read.
    for _ in 0..3000 {
        assert_eq!(get("x-tenant: globex\r\n").1, "b2");
    }
    host.set_backend("east", "b1", r#"{"state":"down"}"#);
    assert_eq!(get("x-tenant: acme\r\n").0, 503);
    assert_eq!(get("x-tenant: globex\r\n").1, "b2");
    no_faults(&host);
}
