//! curl and OpenSSL through `tls-passthrough`: whichever hello they say, it reaches the one whom they ask for.

use std::net::SocketAddr;
use std::process::Command;

use trimtab_tests::script::{Server, finish, run, script};
use trimtab_tests::{Authority, Folder, Host, Setup, eventually};

/// Servers that speak HTTP/2 with TLS, each with a certificate of its own names, and a host that passes on to them.
struct Passing {
    host: Host,
    folder: Folder,
    _servers: [Server; 2],
}

impl Passing {
    fn start() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        authority.write(&folder);
        let server = |name: &str, names: &[&str]| {
            authority.issue(names).write(&folder, name);
            let files = [format!("{name}.pem"), format!("{name}.key")].map(|file| folder.path(&file));
            Server::start(script("tests/clients/server.js").arg("http2").args(files))
        };
        let servers = [server("named", &["db.example.org"]), server("other", &["elsewhere.test"])];
        let [named, other] = servers.each_ref().map(|server| format!("'127.0.0.1:{}'", server.port));
        let more = format!("[pool.named]\nbackends = [{named}]\n[[route]]\nsni = '*.example.org'\npool = 'named'");
        let host = Setup::of([other]).listener("protocol = 'tls-passthrough'").more(&more).start();
        Self { host, folder, _servers: servers }
    }

    fn ca(&self) -> String {
        self.folder.path("ca.pem").display().to_string()
    }

    /// What `openssl s_client` says of a handshake that has to verify whom it has reached.
    fn s_client(&self, expected: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-verify_return_error", "-verify_hostname", expected, "-CAfile", &self.ca()]);
        // Those behind speak HTTP/2, and hang up on who agrees on nothing.
        if !arguments.contains(&"-alpn") {
            command.args(["-alpn", "h2"]);
        }
        let address = self.host.address().to_string();
        let (ok, said, complaint) = finish(command.args(["-connect", &address]).args(arguments));
        assert!(ok && said.contains("Verify return code: 0 (ok)"), "{arguments:?}: {said}{complaint}");
        said
    }
}

/// Whether this OpenSSL knows a group.
fn knows(group: &str, address: SocketAddr) -> bool {
    let arguments = ["s_client", "-connect", &address.to_string(), "-groups", group];
    !finish(Command::new("openssl").args(arguments)).2.contains("cannot be set")
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn openssl_reaches_whom_it_asks_for() {
    let passing = Passing::start();
    let named = ["-servername", "db.example.org"];
    for version in ["-tls1_2", "-tls1_3"] {
        let said = passing.s_client("db.example.org", &[&named[..], &[version, "-alpn", "h2,http/1.1"]].concat());
        assert!(said.contains("ALPN protocol: h2"), "{said}");
        passing.s_client("db.example.org", &["-servername", "DB.Example.ORG", version]);
        passing.s_client("elsewhere.test", &["-noservername", version]);
        passing.s_client("elsewhere.test", &["-servername", "example.org", version]);
    }
    // A hello of more than one record, and of many packets.
    let many: Vec<String> = (0..2000).map(|number| format!("protocol-{number}")).collect();
    let many = format!("h2,{}", many.join(","));
    let said = passing.s_client("db.example.org", &[&named[..], &["-alpn", &many]].concat());
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    // A key share of more than a kilobyte.
    if knows("X25519MLKEM768", passing.host.address()) {
        passing.s_client("db.example.org", &[&named[..], &["-groups", "X25519MLKEM768"]].concat());
    }
    // An extension that asks for what the server has not got.
    passing.s_client("db.example.org", &[&named[..], &["-status"]].concat());
    // A handshake that begins anew within the handshake: the server asks for another group.
    passing.s_client("db.example.org", &[&named[..], &["-groups", "P-521:X25519", "-tls1_3"]].concat());
    let malformed = || passing.host.metrics().sum("trimtab_carried_connections_total", &[("end", "malformed")]);
    assert_eq!(malformed(), 0.0);
    // No TLS that anybody here would take: it is passed on all the same, and its server says so.
    let (ok, ..) = finish(Command::new("openssl").args([
        "s_client",
        "-connect",
        &passing.host.address().to_string(),
        "-tls1_1",
        "-cipher",
        "ALL:@SECLEVEL=0",
    ]));
    assert!(!ok);
    eventually("it went to a backend", || {
        passing.host.metrics().sum("trimtab_carried_connections", &[]) == 0.0 && malformed() == 0.0
    });
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn curl_reaches_whom_it_asks_for() {
    let passing = Passing::start();
    let curl = |name: &str, path: &str, arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--http2", "--cacert", &passing.ca()]);
        command.args(["--connect-to", &format!("::{}", passing.host.address())]).args(arguments);
        run(command.arg(format!("https://{name}{path}")))
    };
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"], &["--no-alpn"][..0]] {
        assert_eq!(curl("db.example.org", "/hello", version), "hello over HTTP/2.0\n", "{version:?}");
        assert_eq!(curl("elsewhere.test", "/hello", version), "hello over HTTP/2.0\n", "{version:?}");
    }
    let sent = "x".repeat(3 << 20);
    let file = passing.folder.write("sent", &sent);
    let sent_file = format!("@{}", file.display());
    assert!(curl("db.example.org", "/echo", &["--data-binary", &sent_file]) == sent, "a body comes back as it was");
    let many = curl("db.example.org", "/hello?[1-50]", &["--parallel", "--parallel-max", "10"]);
    assert_eq!(many.lines().count(), 50, "{many}");
}
