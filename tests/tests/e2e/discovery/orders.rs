//! Backends that were discovered, and the admin API.

use trimtab_tests::{Setup, eventually};

use super::{Site, eventually_has, ids};

#[test]
fn what_is_set_holds_while_the_backend_stays() {
    let site = Site::new();
    site.set(&[1, 2]);
    let host = site.setup().start();
    host.set_backend("web", &site.at(1), r#"{"weight":7}"#);
    host.set_backend("web", &site.at(2), r#"{"state":"draining"}"#);
    site.set(&[1, 2, 3]);
    eventually_has(&host, &[site.at(1), site.at(2), site.at(3)]);
    let of = |n: u8| {
        let backend = host.backend("web", &site.at(n));
        (backend["weight"].as_u64().unwrap_or_default(), backend["state"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!((of(1), of(2), of(3)), ((7, "ready".into()), (1, "draining".into()), (1, "ready".into())));
    site.set(&[3]);
    eventually_has(&host, &[site.at(3)]);
    site.set(&[1, 3]);
    eventually_has(&host, &[site.at(1), site.at(3)]);
    assert_eq!(of(1), (1, "ready".into()), "who comes back begins anew");
}

#[test]
fn what_is_removed_comes_back_with_the_next_answer() {
    let site = Site::new();
    site.set(&[1, 2]);
    site.names.set_ttl(1);
    let host = site.setup().start();
    assert_eq!(host.admin("DELETE", &format!("/pools/web/backends/{}", site.at(1)), "").0, 204);
    assert_eq!(ids(&host), [site.at(2)]);
    eventually_has(&host, &[site.at(1), site.at(2)]);
}

#[test]
fn what_was_added_or_configured_is_left_alone() {
    let site = Site::new();
    site.set(&[1, 2, 3]);
    let named = format!("{{ id = 'mine', address = '{}', weight = 9 }}", site.at(3));
    let host = Setup::of([named]).pool(&site.discover("")).start();
    let origin = |id: &str| host.backend("web", id)["origin"].as_str().unwrap_or_default().to_owned();
    eventually_has(&host, &[site.at(1), site.at(2), "mine".to_owned()]);
    assert_eq!((origin("mine").as_str(), &host.backend("web", "mine")["weight"]), ("configured", &9.into()));
    let put = |id: &str, n: u8| {
        let body = format!(r#"{{"address":"{}","weight":5}}"#, site.at(n));
        host.admin("PUT", &format!("/pools/web/backends/{id}"), &body).0
    };
    assert_eq!((put("other", 1), put("other", 4), put(&site.at(2), 2)), (409, 201, 200));
    site.set(&[4, 5]);
    eventually_has(&host, &[site.at(2), site.at(5), "mine".to_owned(), "other".to_owned()]);
    assert_eq!(
        (origin("other"), origin(&site.at(2)), origin(&site.at(5))),
        ("added".into(), "added".into(), "discovered".into())
    );
    assert_eq!(host.admin("DELETE", "/pools/web/backends/other", "").0, 204);
    eventually("what is found at its address is found", || origin(&site.at(4)) == "discovered");
}
