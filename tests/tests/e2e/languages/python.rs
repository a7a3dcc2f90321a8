//! Python.

use std::time::{SystemTime, UNIX_EPOCH};

use trimtab_tests::Tally;

use super::{Project, a_new_project_steers, backends, no_faults, replaced};

const TEST: &[&str] = &["python3", "-m", "unittest"];

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn python_steers() {
    a_new_project_steers("python", TEST);
}

/// The hours from six hours before this one to six hours after it, and the others.
fn now_and_then() -> (String, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 3600;
    let at = |hours: u64| (now + hours) % 24;
    (format!("\"{}-{}\"", at(18), at(6)), format!("\"{}-{}\"", at(6), at(18)))
}

#[test]
#[ignore = "needs toolchains that tests/run installs"]
fn python_daytime() {
    let backends = backends();
    let project = Project::example("python-daytime").built_and_tested(TEST);
    let config = project.configuration(&backends);
    let (fine, told) = project.check(&replaced(&config, "outside = 10", "outside = 101"));
    assert!(!fine && told.contains("`outside` has to be a number from 0 to 100"), "{told}");
    let (now, then) = now_and_then();
    let config = replaced(&replaced(&config, "utc_offset = 60", "utc_offset = 0"), "outside = 10", "outside = 0");
    let config = replaced(&replaced(&config, "\"8-18\"", &now), "\"22:30-6\"", &then);
    let host = project.run(&config);
    let tally = Tally::of(&host, 200);
    // One has a weight of 1, and one of 4, of which it is the hour.
    assert!(tally.chi_square(&[("b1", 0.2), ("b2", 0.8)]) < 40.0 && tally.by("b3") == 0, "{tally:?}");
    // Half a day on, by the clock that labels go by.
    host.reloaded(&replaced(&config, "utc_offset = 0", "utc_offset = 720"));
    let tally = Tally::of(&host, 200);
    assert!(tally.chi_square(&[("b1", 1.0 / 3.0), ("b3", 2.0 / 3.0)]) < 40.0 && tally.by("b2") == 0, "{tally:?}");
    no_faults(&host);
}
