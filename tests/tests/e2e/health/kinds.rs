//! Each kind of check takes a backend out, and brings it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use trimtab_tests::certificates::Issued;
use trimtab_tests::{Authority, Backend, Folder, Host, Service, Setup, Spawned};

use super::{QUICK, answered_by, becomes, failure};

/// Answers checks with a status that may be set, and everything else as [`Backend::echo`].
fn switched(name: &str) -> (Backend, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let backend = Backend::new(name, {
        let status = Arc::clone(&status);
        move |exchange| match exchange.request.target.as_str() {
            "/healthz" => {
                exchange.body()?;
                exchange.respond(status.load(Ordering::SeqCst), "", "")
            }
            _ => exchange.echo(),
        }
    });
    (backend, status)
}

#[test]
fn http() {
    let ((a, status), b) = (switched("a"), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).pool(&format!("health = {{ http = '/healthz', {QUICK} }}")).start();
    ["a", "b"].into_iter().for_each(|id| becomes(&host, id, "healthy"));
    answered_by(&host, &["a", "b"]);
    status.store(503, Ordering::SeqCst);
    answered_by(&host, &["b"]);
    assert_eq!(failure(&host, "a"), "status 503, expected 200-399");
    status.store(204, Ordering::SeqCst);
    answered_by(&host, &["a", "b"]);
    assert_eq!(failure(&host, "a"), "");
    let log = host.log();
    assert_eq!(log.matches("unhealthy: status 503, expected 200-399").count(), 1, "{log}");
}

#[test]
fn tcp() {
    let (mut a, b) = (Spawned::new("a"), Spawned::new("b"));
    let host =
        Setup::of([a.entry(), b.entry()]).pool(&format!("health = {{ tcp = true, {QUICK} }}\nretries = 0")).start();
    answered_by(&host, &["a", "b"]);
    a.kill();
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "connection refused");
    answered_by(&host, &["b"]);
    a.restart();
    answered_by(&host, &["a", "b"]);
}

/// A host with one backend, of which only checks are of interest here.
fn checking(service: &Service, folder: Folder, check: &str) -> Host {
    Setup::of([service.entry()]).pool(&format!("health = {{ {check}, {QUICK} }}")).start_in(folder)
}

fn authority() -> (Authority, Issued, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.write(&folder);
    let issued = authority.issue(&["127.0.0.1", "app.internal"]);
    (authority, issued, folder)
}

#[test]
fn https() {
    let (authority, issued, folder) = authority();
    let service = Service::https("a", authority.server(&issued, &["http/1.1"], false));
    let host = checking(&service, folder, "http = '/healthz', tls = { ca = 'ca.pem' }");
    becomes(&host, "a", "healthy");
    service.set_status(500);
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "status 500, expected 200-399");
    service.set_status(200);
    becomes(&host, "a", "healthy");
}

#[test]
fn certificates_must_be_right_unless_nobody_cares() {
    let (authority, issued, folder) = authority();
    let service = Service::https("a", authority.server(&issued, &[], false));
    let setup =
        |tls: &str| Setup::of([service.entry()]).pool(&format!("health = {{ http = '/', tls = {tls}, {QUICK} }}"));
    let host = setup("{ ca = 'ca.pem', server_name = 'app.internal' }").start_in(folder);
    becomes(&host, "a", "healthy");
    host.reloaded(&setup("{ ca = 'ca.pem', server_name = 'other.internal' }").text());
    becomes(&host, "a", "unhealthy");
    let why = failure(&host, "a");
    assert!(why.starts_with("TLS: ") && why.contains("NotValidForName") || why.contains("not valid for name"), "{why}");
    host.reloaded(&setup("{ insecure = true }").text());
    becomes(&host, "a", "healthy");
    Authority::new().write(&host.folder);
    host.reloaded(&setup("{ ca = 'ca.pem' }").text());
    becomes(&host, "a", "unhealthy");
    let why = failure(&host, "a");
    assert!(why.starts_with("TLS: invalid peer certificate"), "{why}");
}

#[test]
fn a_backend_may_ask_who_we_are() {
    let (authority, issued, folder) = authority();
    authority.issue(&["balancer.internal"]).write(&folder, "client");
    let service = Service::https("a", authority.server(&issued, &[], true));
    let setup =
        |tls: &str| Setup::of([service.entry()]).pool(&format!("health = {{ http = '/', tls = {tls}, {QUICK} }}"));
    let host = setup("{ ca = 'ca.pem', cert = 'client.pem', key = 'client.key' }").start_in(folder);
    becomes(&host, "a", "healthy");
    host.reloaded(&setup("{ ca = 'ca.pem' }").text());
    becomes(&host, "a", "unhealthy");
}

#[test]
fn a_tcp_check_with_tls_shakes_hands() {
    let (authority, issued, folder) = authority();
    let service = Service::https("a", authority.server(&issued, &[], false));
    let plain = Backend::echo("b");
    let pool = format!("health = {{ tcp = true, tls = {{ ca = 'ca.pem' }}, {QUICK} }}");
    let host = Setup::of([service.entry(), plain.entry()]).pool(&pool).start_in(folder);
    becomes(&host, "a", "healthy");
    becomes(&host, "b", "unhealthy");
    assert!(failure(&host, "b").starts_with("TLS: ") || failure(&host, "b").starts_with("no TLS handshake"));
}

#[test]
fn grpc() {
    let service = Service::grpc("a", None);
    let host =
        checking(&service, Folder::new(), "grpc = 'shop.Cart', host = 'cart.internal', headers = { x-token = 't' }");
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "gRPC status not-found");
    service.set_serving("shop.Cart", 1);
    becomes(&host, "a", "healthy");
    service.set_serving("shop.Cart", 2);
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "the service is NOT_SERVING");
    let seen = service.seen();
    let last = seen.last().expect("it was asked");
    assert_eq!((last.method.as_str(), last.service.as_deref()), ("POST", Some("shop.Cart")));
    assert_eq!(last.target, "http://cart.internal/grpc.health.v1.Health/Check");
    for (name, value) in
        [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", "100m"), ("x-token", "t")]
    {
        assert_eq!(last.headers.get(name).and_then(|value| value.to_str().ok()), Some(value), "{:?}", last.headers);
    }
    assert!(service.connections() >= seen.len(), "each on a connection of its own");
}

#[test]
fn grpc_over_tls() {
    let (authority, issued, folder) = authority();
    let service = Service::grpc("a", Some(authority.server(&issued, &["h2"], false)));
    let host = checking(&service, folder, "grpc = '', tls = { ca = 'ca.pem' }");
    becomes(&host, "a", "healthy");
    service.set_serving("", 2);
    becomes(&host, "a", "unhealthy");
    service.set_serving("", 1);
    becomes(&host, "a", "healthy");
}

#[test]
fn what_speaks_no_grpc_is_not_well() {
    let (a, b) = (Backend::echo("a"), Service::grpc("b", None));
    b.set_status(503);
    let pool = format!("health = {{ grpc = '', {QUICK} }}");
    let host = Setup::of([a.entry(), b.entry()]).pool(&pool).start();
    ["a", "b"].into_iter().for_each(|id| becomes(&host, id, "unhealthy"));
    assert!(failure(&host, "a").starts_with("no response"), "{}", failure(&host, "a"));
    assert_eq!(failure(&host, "b"), "no gRPC response: status 503");
}
