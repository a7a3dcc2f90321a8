//! DNS: addresses and services that change, and name servers that fail.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use trimtab_tests::{Backend, NameServer, Setup, eventually, under_load};

use super::{Site, error, eventually_has, ids, is_logged, web};

#[test]
fn addresses_come_and_go() {
    let site = Site::new();
    site.set(&[1, 2]);
    let host = site.setup().start();
    assert_eq!(ids(&host), [site.at(1), site.at(2)]);
    let (_, asked) = under_load(host.address(), || {
        site.set(&[2, 3]);
        eventually_has(&host, &[site.at(2), site.at(3)]);
        for backend in [site.at(2), site.at(3)] {
            eventually("it is used", || host.get("/").backend() == backend);
        }
    });
    assert_ne!(asked, 0);
    for _ in 0..20 {
        assert_ne!(host.get("/").backend(), site.at(1));
    }
    let stayed = host.backend("web", &site.at(2));
    assert!(
        stayed["requests"].as_u64() > host.backend("web", &site.at(3))["requests"].as_u64(),
        "it keeps its numbers"
    );
    assert_eq!((&stayed["origin"], &stayed["weight"]), (&"discovered".into(), &1.into()));
    let discovery = &web(&host)["discovery"];
    assert_eq!(discovery["source"], format!("dns app.test:{}", site.port()));
    assert!(discovery["answered_s"].as_f64().is_some_and(|seconds| seconds < 10.0));
    assert_eq!((&discovery["error"], &discovery["backends"]), (&serde_json::Value::Null, &2.into()));
    let metrics = host.metrics();
    assert!(metrics.sum("trimtab_discovery_answers_total", &[("pool", "web")]) >= 2.0);
    assert_eq!(metrics.sum("trimtab_discovery_failures_total", &[("pool", "web")]), 0.0);
    assert_eq!(metrics.sum("trimtab_discovery_backends", &[("pool", "web")]), 2.0);
    // One line for what is news.
    is_logged(&host, "backends were found", 1);
    is_logged(&host, "names others now", 2);
}

#[test]
fn an_answer_holds_for_its_ttl() {
    let site = Site::new();
    site.set(&[1]);
    site.names.set_ttl(1);
    let host = site.setup().start();
    assert_eq!((ids(&host), site.names.questions()), (vec![site.at(1)], 2), "for A and for AAAA");
    let asked = std::time::Instant::now();
    eventually("it is asked again", || site.names.questions() > 2);
    assert!(asked.elapsed() > std::time::Duration::from_millis(700), "after a second and no sooner");
    site.names.set_ttl(3600);
    site.set(&[2]);
    eventually_has(&host, &[site.at(2)]);
    let host = Setup::of([]).pool(&site.discover(", max_ttl = '100ms'")).start();
    site.set(&[3]);
    eventually_has(&host, &[site.at(3)]);
}

#[test]
fn failures_keep_the_last_good_set() {
    let site = Site::new();
    site.set(&[1, 2]);
    let host = site.setup().start();
    let both = [site.at(1), site.at(2)];
    let mut lost = 0;
    let failures: [(&str, &dyn Fn()); 4] = [
        ("there is no such name", &|| site.names.fail("app.test", ResponseCode::NXDomain)),
        ("Server Failure", &|| site.names.fail("app.test", ResponseCode::ServFail)),
        ("Query Refused", &|| site.names.fail("app.test", ResponseCode::Refused)),
        ("it has no address", &|| site.names.set("app.test", &[])),
    ];
    for (why, fail) in failures {
        fail();
        eventually(why, || error(&host).to_lowercase().contains(&why.to_lowercase()));
        let failures = host.metrics().sum("trimtab_discovery_failures_total", &[("pool", "web")]);
        eventually("it is asked again and again", || {
            host.metrics().sum("trimtab_discovery_failures_total", &[]) > failures
        });
        assert_eq!(ids(&host), both, "{why}");
        assert_eq!(host.get("/").status, 200);
        lost += 1;
        is_logged(&host, "no backends were found", lost);
        site.set(&[1, 2]);
        eventually("it is well again", || error(&host).is_empty());
        is_logged(&host, "backends are found again", lost);
    }
    assert_eq!(ids(&host), both);
}

#[test]
fn a_name_server_that_is_silent_is_waited_for_and_nothing_else_is() {
    let site = Site::new();
    site.set(&[1]);
    let host = site.setup().start();
    site.names.silence("app.test");
    let asked = site.names.questions();
    eventually("it is asked", || site.names.questions() > asked);
    assert_eq!(host.get("/").status, 200);
    host.set_backend("web", &site.at(1), r#"{"weight":3}"#);
    site.set(&[1, 2]);
    eventually_has(&host, &[site.at(1), site.at(2)]);
}

#[test]
fn a_pool_begins_without_backends_and_gets_them() {
    let site = Site::new();
    let host = site.setup().start();
    assert_eq!((host.get("/").status, ids(&host).len()), (503, 0));
    assert_eq!(error(&host), "there is no such name");
    is_logged(&host, "there are none yet", 1);
    site.set(&[1]);
    eventually("there is a backend", || host.get("/").status == 200);
}

#[test]
fn one_kind_of_address_may_fail_alone() {
    let site = Site::new();
    site.names.set("app.test", &["127.2.0.1", "::1"]);
    let host = site.setup().start();
    let v6 = format!("[::1]:{}", site.port());
    assert_eq!(ids(&host), [site.at(1), v6.clone()]);
    site.set(&[2]);
    site.names.fail_for("app.test", RecordType::AAAA, ResponseCode::ServFail);
    eventually_has(&host, &[site.at(2), v6]);
    assert!(error(&host).contains("Server Failure"), "{}", error(&host));
    site.set(&[2]);
    eventually_has(&host, &[site.at(2)]);
    eventually("all is well", || error(&host).is_empty());
}

#[test]
fn answers_that_are_cut_off_are_asked_for_over_tcp() {
    let site = Site::new();
    site.names.truncate();
    let numbers: Vec<u8> = (1..=200).collect();
    site.set(&numbers);
    let host = site.setup().start();
    assert_eq!(ids(&host).len(), 200);
    assert!(site.names.over_tcp() > 0);
}

#[test]
fn services_have_ports_weights_and_priorities() {
    let names = NameServer::new();
    let [a, b] = [Backend::everywhere(), Backend::everywhere()];
    let [pa, pb] = [&a, &b].map(|backend| backend.address().port());
    let (one, two) = ("one.test.", "two.test.");
    names.set("one.test", &["127.2.0.1"]);
    names.set("two.test", &["127.2.0.2", "127.2.0.3"]);
    names.set_services("_http._tcp.test", &[(10, 3, pa, one), (10, 0, pb, two), (20, 5, pb, one)]);
    let discover = format!("discover = {{ srv = '_http._tcp.test', {}, refresh = '50ms' }}", names.resolver());
    let host = Setup::of([]).pool(&discover).start();
    let id = |target: &str, port: u16, n: u8| format!("{target}:{port}@127.2.0.{n}");
    let [first, second, third, backup] =
        [id("one.test", pa, 1), id("two.test", pb, 2), id("two.test", pb, 3), id("one.test", pb, 1)];
    let weight = |id: &str| host.backend("web", id)["weight"].as_u64();
    assert_eq!([&first, &second, &third, &backup].map(|id| weight(id)), [3, 1, 1, 5].map(Some));
    let is_backup = |id: &str| host.backend("web", id)["backup"] == true;
    assert_eq!([&first, &second, &third, &backup].map(|id| is_backup(id)), [false, false, false, true]);
    assert_eq!(host.backend("web", &backup)["address"], format!("127.2.0.1:{pb}"));
    names.set_services("_http._tcp.test", &[(10, 7, pa, one), (20, 5, pb, one), (10, 1, pa, "gone.test.")]);
    eventually("they are others", || ids(&host).len() == 2);
    assert_eq!((weight(&first), is_backup(&backup)), (Some(7), true));
    eventually("the target that is no name is told", || error(&host).contains("gone.test"));
    names.set_services("_http._tcp.test", &[(0, 0, 0, ".")]);
    eventually("there is no such service", || error(&host) == "there is no such service");
    assert_eq!(ids(&host).len(), 2);
}

#[test]
fn the_system_is_asked_where_nobody_else_is_named() {
    let backends = Backend::everywhere();
    let port = backends.address().port();
    let host = Setup::of([]).pool(&format!("discover = {{ dns = 'localhost:{port}' }}")).start();
    assert!(ids(&host).contains(&format!("127.0.0.1:{port}")), "{:?} {}", ids(&host), error(&host));
}
