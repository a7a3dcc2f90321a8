//! Which certificate a client gets, by name, version and kind of key; and what is wrong with files.

use trimtab_tests::{Authority, Backend, Caller, Folder, Setup, trimtab};

use super::{authority, secured};

#[test]
fn a_name_goes_before_a_wildcard_before_the_first() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let a = Backend::echo("a");
    let issued: Vec<_> = [&["test", "127.0.0.1"][..], &["*.example.com"], &["api.example.com", "Other.org"]]
        .iter()
        .zip(["first", "wildcard", "exact"])
        .map(|(names, file)| {
            let issued = authority.issue(names);
            issued.write(&folder, file);
            issued
        })
        .collect();
    let certificates = "certificates = [{ cert = \"first.pem\", key = \"first.key\" }, \
                        { cert = \"wildcard.pem\", key = \"wildcard.key\" }, { cert = \"exact.pem\", key = \"exact.key\" }]";
    let by_sni = "balancer = { plugin = \"maglev\", key = \"sni\" }";
    let host = Setup::over(&[&a]).listener(certificates).pool(by_sni).start_in(folder);
    let shown = |name: &str| {
        let client = Caller::trusting(&authority).named(name).connect(host.address());
        client.map(|client| client.wire.session().certificate.expect("a certificate"))
    };
    for (name, expected) in [
        ("test", 0),
        ("127.0.0.1", 0),
        ("www.example.com", 1),
        ("WWW.example.com", 1),
        ("api.example.com", 2),
        ("other.org", 2),
    ] {
        assert_eq!(shown(name).expect(name), issued[expected].der().to_vec(), "{name}");
    }
    for name in ["example.com", "a.b.example.com", "else.org"] {
        let error = shown(name).expect_err("the first certificate is not for this name").to_string();
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
    // The name is a fact of decisions.
    let seen = Caller::trusting(&authority).named("other.org").call(host.address()).get("/");
    assert_eq!(seen.status, 200);
}

#[test]
fn a_client_gets_the_kind_of_key_that_it_takes() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let a = Backend::echo("a");
    let (rsa, ecdsa) = (authority.issue_rsa(&["test"]), authority.issue(&["test"]));
    rsa.write(&folder, "test");
    ecdsa.write(&folder, "ecdsa");
    let both =
        "certificates = [{ cert = \"test.pem\", key = \"test.key\" }, { cert = \"ecdsa.pem\", key = \"ecdsa.key\" }]";
    let host = Setup::over(&[&a]).listener(both).start_in(folder);
    let session = Caller::trusting(&authority).call(host.address()).wire.session();
    assert_eq!(session.certificate, Some(ecdsa.der().to_vec()), "ECDSA costs less");
    let session = super::real::s_client(host.address(), &["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"]);
    assert!(session.contains("Peer signature type: RSA-PSS"), "{session}");
}

#[test]
fn versions_are_those_that_are_wanted() {
    use rustls::version::{TLS12, TLS13};
    for (settings, with_12, with_13) in [
        ("", true, true),
        ("tls = { min_version = \"1.3\" }", false, true),
        ("tls = { max_version = \"1.2\" }", true, false),
    ] {
        let (authority, folder) = authority();
        let a = Backend::echo("a");
        let host = secured(folder, &[&a], settings);
        for (version, works, name) in [(&TLS12, with_12, "TLSv1_2"), (&TLS13, with_13, "TLSv1_3")] {
            match Caller::speaking(&authority, version).connect(host.address()) {
                Ok(client) => assert_eq!((works, client.wire.session().version), (true, name)),
                Err(error) => assert!(!works, "{settings} {name}: {error}"),
            }
        }
    }
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let (authority, folder) = authority();
    authority.issue(&["test"]).write(&folder, "other");
    let said = |listener: &str| {
        let config = Setup::of(["\"127.0.0.1:1\"".to_owned()]).listener(listener).text();
        let path = folder.write("check.toml", config);
        let output = trimtab(&["check", path.to_str().expect("text")]);
        assert!(!output.status.success(), "{listener}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = said("certificates = [{ cert = \"none.pem\", key = \"test.key\" }]");
    assert!(missing.contains("TLS of listener `web`: cannot read the certificates of"), "{missing}");
    let mismatch = said("certificates = [{ cert = \"test.pem\", key = \"other.key\" }]");
    assert!(mismatch.contains("other.key` does not belong to the certificate"), "{mismatch}");
    let no_key = said("certificates = [{ cert = \"test.pem\", key = \"test.pem\" }]");
    assert!(no_key.contains("there is no private key in PEM in"), "{no_key}");
    let ca = "tls = { client_ca = \"test.key\" }\ncertificates = [{ cert = \"test.pem\", key = \"test.key\" }]";
    assert!(said(ca).contains("there is no certificate in PEM in"));
}

#[test]
fn what_will_surprise_somebody_is_warned_of() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let a = Backend::echo("a");
    authority.issue_expired(&["test"]).write(&folder, "test");
    authority.issue(&["test"]).write(&folder, "again");
    let both =
        "certificates = [{ cert = \"test.pem\", key = \"test.key\" }, { cert = \"again.pem\", key = \"again.key\" }]";
    let host = Setup::over(&[&a]).listener(both).start_in(folder);
    let log = host.log();
    assert!(log.contains("test.pem` has expired"), "{log}");
    assert!(log.contains("again.pem` are both for `test`: the first counts"), "{log}");
    let error = Caller::trusting(&authority).connect(host.address()).err().expect("it has expired").to_string();
    assert!(error.contains("expired"), "{error}");
}
