//! Real clients: of HTTP, through every combination of HTTP/1.1, HTTP/2 and TLS that they and their server speak, and of
//! what is carried as it is.
//!
//! Each is a library or a tool that owes nothing to this project; what it checks is in its script in `tests/clients`.

#[path = "clients/databases.rs"]
mod databases;
#[path = "clients/events.rs"]
mod events;
#[path = "clients/fast_open.rs"]
mod fast_open;
#[path = "clients/grpc.rs"]
mod grpc;
#[path = "clients/introductions.rs"]
mod introductions;
#[path = "clients/names.rs"]
mod names;
#[path = "clients/passthrough.rs"]
mod passthrough;
#[path = "clients/tools.rs"]
mod tools;
#[path = "clients/websocket.rs"]
mod websocket;

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::Command;

use trimtab_tests::script::{self, Server, script};
use trimtab_tests::{Authority, Folder, Host, Setup};

use Way::{Http1, Http1Tls, Http2, Http2Tls};

/// How HTTP is spoken on one side of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Http1,
    Http1Tls,
    /// With prior knowledge.
    Http2,
    /// By ALPN.
    Http2Tls,
}

const ALL: &[Way] = &[Http1, Http1Tls, Http2, Http2Tls];

/// Who is tried how: what the client can speak with the host, and what its server can.
struct Row {
    client: &'static str,
    downstream: &'static [Way],
    upstream: &'static [Way],
}

/// The table. Browsers and most libraries have no HTTP/2 without TLS, and no WebSocket client here but one has HTTP/2.
const TABLE: &[Row] = &[
    Row { client: "curl", downstream: ALL, upstream: ALL },
    Row { client: "h2load", downstream: ALL, upstream: ALL },
    Row { client: "nghttp", downstream: &[Http2, Http2Tls], upstream: ALL },
    Row { client: "ws", downstream: ALL, upstream: ALL },
    Row { client: "websockets", downstream: &[Http1, Http1Tls], upstream: ALL },
    Row { client: "eventsource", downstream: &[Http1, Http1Tls], upstream: ALL },
    Row { client: "httpx-sse", downstream: ALL, upstream: ALL },
    Row { client: "grpcio", downstream: &[Http2, Http2Tls], upstream: &[Http2, Http2Tls] },
];

impl Way {
    fn has_tls(self) -> bool {
        matches!(self, Http1Tls | Http2Tls)
    }

    fn is_http2(self) -> bool {
        matches!(self, Http2 | Http2Tls)
    }

    /// The word that scripts take.
    fn version(self) -> &'static str {
        if self.is_http2() { "http2" } else { "http1" }
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_http2() { "HTTP/2" } else { "HTTP/1.1" })?;
        f.write_str(if self.has_tls() { " with TLS" } else { "" })
    }
}

/// A host between a client and its server.
struct Between {
    host: Host,
    authority: PathBuf,
    _server: Server,
}

impl Between {
    /// The server is this script, which takes its protocol, and a certificate and key for TLS.
    fn start(server: &str, upstream: Way) -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        authority.issue(&["127.0.0.1", "localhost"]).write(&folder, "both");
        let ca = authority.write(&folder);
        let mut command = script(server);
        command.arg(upstream.version());
        if upstream.has_tls() {
            command.args(["both.pem", "both.key"].map(|file| folder.root().join(file)));
        }
        let server = Server::start(&mut command);
        let mut setup = Setup::of([format!("'127.0.0.1:{}'", server.port)]);
        if upstream.has_tls() {
            setup = setup.pool("tls = { ca = 'ca.pem' }");
        }
        if upstream.is_http2() {
            setup = setup.pool("protocol = 'h2'");
        }
        let setup = setup.more(
            "[[listener]]\nname = 'secure'\naddress = '127.0.0.1:0'\npool = 'web'\n\
             certificates = [{ cert = 'both.pem', key = 'both.key' }]",
        );
        Self { host: setup.start_in(folder), authority: ca, _server: server }
    }

    /// Where the client goes: `https://127.0.0.1:PORT`.
    fn origin(&self, downstream: Way) -> String {
        match downstream.has_tls() {
            false => format!("http://{}", self.host.address()),
            true => format!("https://{}", self.host.address_of("secure")),
        }
    }

    /// This script, which trusts the host and is told where it is.
    fn client(&self, file: &str, downstream: Way) -> Command {
        let mut command = script(file);
        self.prepare(&mut command);
        command.arg(self.origin(downstream)).arg(downstream.version());
        command
    }

    fn prepare(&self, command: &mut Command) {
        script::trust(command, &self.authority);
    }
}

/// Tries a client of the table, with this server, in every way.
#[allow(clippy::print_stdout, reason = "when a client fails, it should be told in which way")]
fn every_way(client: &str, server: &str, each: impl Fn(&Between, Way) -> String) {
    let row = TABLE.iter().find(|row| row.client == client).expect("the client is in the table");
    for upstream in row.upstream {
        let between = Between::start(server, *upstream);
        for downstream in row.downstream {
            println!("{client}: {downstream}, to the server {upstream}");
            println!("    {}", each(&between, *downstream).trim().replace('\n', "\n    "));
        }
    }
}
