//! Certificates that are read again, by a reload or because they have changed.

use rustix::process::Signal;
use trimtab_tests::{Authority, Backend, Caller, Setup, eventually, under_load_by};

use super::{CERTIFICATES, authority, secured};

fn shown(caller: &Caller, address: std::net::SocketAddr) -> Vec<u8> {
    caller.call(address).wire.session().certificate.expect("a certificate")
}

#[test]
fn a_new_certificate_is_served_and_nobody_notices() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    let next = authority.issue(&["test"]);
    let caller = Caller::trusting(&authority).resuming_nothing();
    let before = shown(&caller, host.address());
    let mut kept = caller.call(host.address());
    assert_eq!(kept.get("/").status, 200);
    let ((), requests) = under_load_by(
        || caller.call(host.address()),
        |_| String::new(),
        || {
            next.write(&host.folder, "test");
            host.signal(Signal::HUP);
            eventually("the new certificate is shown", || shown(&caller, host.address()) == next.der().to_vec());
        },
    );
    assert!(requests > 0);
    assert_ne!(before, next.der().to_vec());
    assert_eq!(kept.get("/").status, 200, "a connection goes on");
    assert_eq!(kept.wire.session().certificate, Some(before));
}

#[test]
fn tickets_outlive_a_certificate_and_not_a_verification() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    authority.write(&folder);
    let setup = Setup::over(&[&a]).listener(CERTIFICATES);
    let host = setup.start_in(folder);
    let caller = Caller::trusting(&authority);
    assert_eq!(caller.call(host.address()).get("/").status, 200);
    authority.issue(&["test"]).write(&host.folder, "test");
    host.reloaded(&setup.text());
    let mut again = caller.call(host.address());
    assert_eq!(again.get("/").status, 200);
    assert!(again.wire.session().resumed);
    host.reloaded(&Setup::over(&[&a]).listener(CERTIFICATES).listener("tls = { client_ca = \"ca.pem\" }").text());
    let refused = caller.connect(host.address());
    assert!(refused.is_err() || refused.is_ok_and(|mut client| client.try_get().is_none()), "no way around it");
}

#[test]
fn files_are_watched_and_a_broken_one_changes_nothing() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).server("watch = true").listener(CERTIFICATES).start_in(folder);
    let caller = Caller::trusting(&authority).resuming_nothing();
    let before = shown(&caller, host.address());
    host.folder.write("test.pem", "no PEM");
    eventually("the log says that it is of no use", || {
        host.log().contains("not reloaded, nothing has changed: TLS of listener `web`: there is no certificate in PEM")
    });
    assert_eq!(shown(&caller, host.address()), before);
    let next = authority.issue(&["test"]);
    next.write(&host.folder, "test");
    eventually("the new certificate is shown", || shown(&caller, host.address()) == next.der().to_vec());
}

#[test]
fn what_secures_backends_is_read_again_and_kept_if_it_is_the_same() {
    let (authority, folder) = authority();
    let app = Backend::secured("app", authority.server(&authority.issue(&["127.0.0.1"]), &[], false), |exchange| {
        exchange.echo()
    });
    authority.write(&folder);
    let setup = Setup::over(&[&app]).pool("tls = { ca = \"ca.pem\" }").workers(1);
    let host = setup.start_in(folder);
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    host.reloaded(&setup.text());
    assert_eq!(client.get("/").status, 200);
    assert_eq!(app.connections(), 1, "nothing has changed");
    Authority::new().write(&host.folder);
    host.reloaded(&setup.text());
    assert_eq!(client.get("/").status, 502, "what was believed is not any more, kept connections included");
}
