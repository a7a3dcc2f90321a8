//! Backends that were discovered, over reloads.

use trimtab_tests::{Setup, eventually, under_load};

use super::{Site, eventually_has, ids};

#[test]
fn they_stay_while_their_source_does() {
    let site = Site::new();
    site.set(&[1, 2]);
    let setup = site.setup();
    let host = setup.start();
    for _ in 0..8 {
        assert_eq!(host.get("/").status, 200);
    }
    let requests = |n: u8| host.backend("web", &site.at(n))["requests"].as_u64().unwrap_or_default();
    let before = requests(1);
    assert!(before > 0);
    host.set_backend("web", &site.at(2), r#"{"weight":4}"#);
    under_load(host.address(), || {
        host.reloaded(&setup.text());
        host.reloaded(&site.setup().pool("connect_timeout = '3s'").text());
        // One of them is named by the file, too, from now on.
        let named = Setup::of([format!("'{}'", site.at(1))]).pool(&site.discover(""));
        host.reloaded(&named.text());
        assert_eq!(ids(&host), [site.at(1), site.at(2)]);
        host.reloaded(&setup.text());
        eventually_has(&host, &[site.at(1), site.at(2)]);
    });
    assert!(requests(2) > 0 && host.backend("web", &site.at(2))["weight"] == 4, "set, and kept");
    site.set(&[3]);
    eventually_has(&host, &[site.at(3)]);
}

#[test]
fn another_source_takes_over_when_it_has_answered() {
    let site = Site::new();
    site.set(&[1]);
    let host = site.setup().start();
    let (port, resolver) = (site.port(), site.names.resolver());
    let next = Setup::of([]).pool(&format!("discover = {{ dns = 'next.test:{port}', {resolver}, min_ttl = '50ms' }}"));
    under_load(host.address(), || {
        host.reloaded(&next.text());
        assert_eq!(ids(&host), [site.at(1)], "the new source has no answer");
        site.names.set("next.test", &["127.2.0.9"]);
        eventually_has(&host, &[site.at(9)]);
    });
    let asked = site.names.questions();
    let list = host.folder.write("list.json", format!(r#"["{}"]"#, site.at(4)));
    host.reloaded(&Setup::of([]).pool(&format!("discover = {{ file = '{}' }}", list.display())).text());
    eventually_has(&host, &[site.at(4)]);
    host.reloaded(&Setup::of([format!("'{}'", site.at(5))]).text());
    assert_eq!(ids(&host), [site.at(5)], "without a source, nothing of it is left");
    assert!(!host.metrics().has("trimtab_discovery_backends", &[]));
    assert!(site.names.questions() < asked + 20, "nobody asks for what nobody wants");
}

#[test]
fn answers_that_come_during_a_reload_are_not_lost() {
    let site = Site::new();
    site.set(&[1]);
    let setup = site.setup();
    let host = setup.start();
    for round in 2..12 {
        site.set(&[1, round]);
        host.reloaded(&setup.text());
    }
    eventually("the last is there", || ids(&host) == [site.at(1), site.at(11)]);
}
