//! JavaScript.

use trimtab_tests::Tally;

use super::{Project, a_new_project_steers, backends, no_faults, replaced};

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn javascript_steers() {
    a_new_project_steers("javascript", &["npm", "test"]);
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn javascript_canary() {
    let backends = backends();
    let project = Project::example("javascript-canary").built_and_tested(&["npm", "test"]);
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "percent = 20", "percent = 120"));
    assert!(!fine && told.contains("`percent` has to be from 0 to 100"), "{told}");
    let host = project.run(&config);
    // At most its percent, since it may be the slower one here.
    let tally = Tally::of(&host, 300);
    assert!((1..120).contains(&tally.by("b3")), "{tally:?}");
    assert!(tally.by("b1") > 0 && tally.by("b2") > 0, "{tally:?}");
    for (percent, canary) in [("percent = 0", 0), ("percent = 100", 100)] {
        host.reloaded(&replaced(&config, "percent = 20", percent));
        let before = backends[2].requests();
        let tally = Tally::of(&host, 100);
        // Where all may go to the canary, some do not when it is slower than the others were before.
        let seen = backends[2].requests() - before;
        assert_eq!(tally.by("b3"), seen);
        assert!(if canary == 0 { seen == 0 } else { seen > 0 }, "{percent}: {tally:?}");
    }
    no_faults(&host);
}
