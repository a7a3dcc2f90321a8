//! TypeScript.

use std::fs;

use trimtab_tests::{Backend, Host};

use super::{Project, a_new_project_steers, no_faults, replaced, told};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn typescript_steers() {
    a_new_project_steers("typescript", &["npm", "test"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn what_does_not_fit_the_types_is_not_built() {
    let project = Project::new("ts");
    let source = project.path().join("plugin.ts");
    let text = fs::read_to_string(&source).expect("the source");
    fs::write(&source, replaced(&text, "{ tag: \"pass\" }", "{ tag: \"none\" }")).expect("the folder is ours");
    let output = project.program(trimtab_tests::host::binary()).args(["plugin", "build"]).output();
    let (well, told) = told(&output.expect("trimtab runs"));
    assert!(!well && told.contains("the types do not fit") && told.contains("\"none\""), "{told}");
}

/// The backends that answer requests with these lines, each on a connection of its own.
fn answered(host: &Host, lines: &str) -> Vec<String> {
    (0..6).map(|_| host.client().get_with("/", lines).backend().to_owned()).collect()
}

/// The one that answers all of them.
fn bound(host: &Host, lines: &str) -> String {
    let answered = answered(host, lines);
    assert!(answered.iter().all(|backend| *backend == answered[0]), "{lines}: {answered:?}");
    answered[0].clone()
}

/// `{"sid":"…"}` in base64.
const ALICE: &str = "authorization: Bearer e30.eyJzaWQiOiJhbGljZSJ9.x\r\n";

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn typescript_session() {
    // Each begins a session of its own for whom it has not seen.
    let backends = ["b1", "b2", "b3"].map(|name| {
        Backend::new(name, |exchange| {
            exchange.body()?;
            let begun = format!("set-cookie: session={}\r\n", exchange.name());
            exchange.respond(200, &begun, exchange.name())
        })
    });
    let project = Project::example("typescript-session").built_and_tested(&["npm", "test"]);
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "claim =", "claims ="));
    assert!(!fine && told.contains("there is no setting `claims`"), "{told}");
    let host = project.run(&config);

    let alice = bound(&host, ALICE);
    let users: Vec<_> = (0..12).map(|n| bound(&host, &format!("cookie: session=user-{n}\r\n"))).collect();
    assert!(users.iter().any(|backend| *backend != users[0]), "sessions are at several backends: {users:?}");
    // Who came without a session got one, and stays with it.
    let begun = host.get("/").backend().to_owned();
    assert_eq!(bound(&host, &format!("cookie: session={begun}\r\n")), begun);

    host.set_backend("web", &alice, r#"{"state":"draining"}"#);
    assert_eq!(bound(&host, ALICE), alice, "draining keeps its sessions");
    host.set_backend("web", &alice, r#"{"state":"down"}"#);
    let next = bound(&host, ALICE);
    assert_ne!(next, alice);
    host.set_backend("web", &alice, r#"{"state":"ready"}"#);
    assert_eq!(bound(&host, ALICE), next, "a session that went stays where it is");
    no_faults(&host);
}
