//! curl and OpenSSL as clients. Both are packages of Debian, which `tests/run` installs.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use trimtab_tests::{Authority, Backend, Folder};

use super::{authority, secured};

/// What `openssl s_client` says of a handshake, with no name asked for.
pub(super) fn s_client(address: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-noservername"]).args(arguments);
    let output = command.stdin(Stdio::null()).output().expect("openssl runs: apt-get install openssl");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// The body and then the status that curl gets.
fn curl(folder: &Folder, address: SocketAddr, arguments: &[&str]) -> String {
    let to = format!("test:{}:127.0.0.1", address.port());
    let ca = folder.path("ca.pem");
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--http1.1",
        "--write-out",
        " %{http_code}",
        "--resolve",
        &to,
        "--cacert",
    ]);
    let command = command.arg(ca).args(arguments).arg(format!("https://test:{}/", address.port()));
    let output = command.stdin(Stdio::null()).output().expect("curl runs: apt-get install curl");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[test]
fn curl_is_served() {
    let (authority, folder) = authority();
    authority.write(&folder);
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let said = curl(&host.folder, host.address(), &[version]);
        assert!(said.ends_with(" 200") && said.contains("\"backend\":\"a\""), "{said}");
    }
    let said = curl(&host.folder, host.address(), &["--tls-max", "1.2", "--data", "body"]);
    assert!(said.contains("\"body_length\":4"), "{said}");
}

#[test]
fn curl_shows_a_certificate() {
    let (authority, folder) = authority();
    authority.write(&folder);
    authority.issue_to("curl").write(&folder, "client");
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "tls = { client_ca = \"ca.pem\" }");
    let path = |name: &str| host.folder.path(name).to_string_lossy().into_owned();
    let said = curl(&host.folder, host.address(), &["--cert", &path("client.pem"), "--key", &path("client.key")]);
    assert!(said.contains("CN=curl,O=Tests") && said.ends_with(" 200"), "{said}");
    let said = curl(&host.folder, host.address(), &[]);
    assert!(said.contains(" 000"), "{said}");
}

#[test]
fn openssl_shakes_hands() {
    let (_authority, folder): (Authority, Folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    let said = s_client(host.address(), &["-tls1_3", "-alpn", "http/1.1"]);
    assert!(said.contains("New, TLSv1.3") && said.contains("ALPN protocol: http/1.1"), "{said}");
    let said = s_client(host.address(), &["-tls1_2"]);
    assert!(said.contains("New, TLSv1.2") && said.contains("Secure Renegotiation IS supported"), "{said}");
    let said = s_client(host.address(), &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(said.contains("Cipher is (NONE)"), "{said}");
}
