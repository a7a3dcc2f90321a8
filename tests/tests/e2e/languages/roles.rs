//! What new projects do in the roles beside that of a balancer, at a host that runs them as their configuration says. It is the
//! same in all languages.

use trimtab_tests::{Host, Tally, eventually};

use super::no_faults;

/// A role, and how it is seen to steer.
type Shown = (&'static str, fn(&Host));

/// The roles, and what is to be seen of them.
pub(super) const OTHERS: [Shown; 3] = [("affinity", affinity), ("router", router), ("shaper", shaper)];

/// The cookie has the id of the backend that answered.
fn affinity(host: &Host) {
    let first = host.get("/");
    let id = first.backend();
    assert_eq!(set(&first), Some(format!("backend={id}; Path=/; HttpOnly; SameSite=Lax")));
    let new = Tally::of(host, 12);
    assert!(["b1", "b2", "b3"].iter().all(|id| new.by(id) > 0), "who is not bound goes to all: {new:?}");

    let cookie = format!("cookie: backend={id}\r\n");
    let come_back = || Tally::with(host, 12, |_| cookie.clone()).by(id);
    assert_eq!(come_back(), 12);
    assert_eq!(set(&host.client().get_with("/", &cookie)), None, "who is bound is not bound again");
    host.set_backend("web", id, r#"{"state":"draining"}"#);
    assert_eq!(come_back(), 12, "draining keeps its clients");
    host.set_backend("web", id, r#"{"state":"down"}"#);
    let other = host.client().get_with("/", &cookie);
    assert_ne!(other.backend(), id);
    assert_eq!(set(&other), Some(format!("backend={}; Path=/; HttpOnly; SameSite=Lax", other.backend())));
    let unknown = host.client().get_with("/", "cookie: backend=b9\r\n");
    assert!(unknown.status == 200 && set(&unknown).is_some(), "one that there is not is no error");
    no_faults(host);
}

fn set(response: &trimtab_tests::Response) -> Option<String> {
    response.headers.get("set-cookie").map(str::to_owned)
}

/// The header names the pool.
fn router(host: &Host) {
    let by = |lines: &'static str| Tally::with(host, 40, move |_| lines.to_owned());
    assert_eq!(by("x-pool: next\r\n").by("b3"), 40);
    for lines in ["", "x-pool: web\r\n", "x-pool: other\r\n"] {
        let own = by(lines);
        assert!(own.by("b1") > 0 && own.by("b2") > 0 && own.by("b3") == 0, "{lines}: {own:?}");
    }
    no_faults(host);
}

/// The canary, which is the third, has half of what others have. A weighted round-robin is exact after whole periods, which
/// are of five requests, and of three when one of the others is down.
fn shaper(host: &Host) {
    let shares = || {
        let tally = Tally::of(host, 60);
        ["b1", "b2", "b3"].map(|id| tally.by(id))
    };
    assert_eq!(shares(), [24, 24, 12]);
    host.set_backend("web", "b1", r#"{"state":"down"}"#);
    eventually("the two that are left have two thirds and one", || shares() == [0, 40, 20]);
    no_faults(host);
}
