//! The health service of gRPC's own library, to which ours owes nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use trimtab_tests::{Setup, plugin::root};

use super::{QUICK, becomes, failure};

/// The server; killed when dropped.
struct Server(Child);

impl Server {
    /// With the Python in `$TRIMTAB_GRPCIO`, which has the library. Answers its port, too.
    fn start() -> (Self, u16) {
        let python = std::env::var_os("TRIMTAB_GRPCIO").expect("$TRIMTAB_GRPCIO is a Python that has grpcio");
        let mut child = Command::new(python)
            .arg(root().join("tests/grpc/health.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line of the server");
        (Self(child), line.trim().parse().expect("a port"))
    }

    fn set(&mut self, line: &str) {
        let stdin = self.0.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("the server reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs grpcio, which tests/run installs"]
fn the_library_is_understood() {
    let (mut server, port) = Server::start();
    let host = Setup::of([format!("{{ id = 'a', address = '127.0.0.1:{port}' }}")])
        .pool(&format!("health = {{ grpc = 'shop.Cart', {QUICK} }}"))
        .start();
    becomes(&host, "a", "unhealthy");
    assert!(failure(&host, "a").starts_with("gRPC status not-found"), "{}", failure(&host, "a"));
    server.set("shop.Cart SERVING");
    becomes(&host, "a", "healthy");
    server.set("shop.Cart NOT_SERVING");
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "the service is NOT_SERVING");
}
