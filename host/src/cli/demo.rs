//! `trimtab demo`: three embedded backends, a balancer in front, and a line to try.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::finish;
use crate::config::load::parse;
use crate::plugin::BUILT_IN;
use crate::server::control;
use crate::telemetry::logging;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Runs the demo until it is interrupted.
pub(super) fn run(port: u16, balancer: &str) -> ExitCode {
    let addresses = match NAMES.map(start_backend).into_iter().collect::<std::io::Result<Vec<_>>>() {
        Ok(addresses) => addresses,
        Err(error) => {
            complain!("error: the demo's backends cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Some(port) = free(port) else {
        complain!("error: port {port} of 127.0.0.1 is in use; try another one: trimtab demo --port 8081");
        return ExitCode::FAILURE;
    };
    let text = configuration(port, balancer, &addresses);
    let config = match parse(&text, "demo", Path::new("."), BUILT_IN) {
        Ok(loaded) => loaded.config,
        Err(errors) => {
            complain!("{}", errors.render(false));
            return ExitCode::FAILURE;
        }
    };
    say!(
        "Three backends, a balancer, and the `{balancer}` plugin, a WebAssembly component, that picks for every \
         request.\n\n    for i in 1 2 3 4 5 6; do curl -s http://127.0.0.1:{port}/; done\n\nThis is the \
         configuration:\n\n{text}\nCtrl-C ends it.\n"
    );
    if let Err(error) = logging::start(&config.log) {
        complain!("error: {error}");
    }
    finish(Path::new("demo"), control::run(config, None))
}

fn configuration(port: u16, balancer: &str, addresses: &[SocketAddr]) -> String {
    let backends: String = NAMES
        .iter()
        .zip(addresses)
        .map(|(id, address)| format!("  {{ id = \"{id}\", address = \"{address}\" }},\n"))
        .collect();
    format!(
        "[[listener]]\nname = \"web\"\naddress = \"127.0.0.1:{port}\"\npool = \"demo\"\n\n[pool.demo]\nbalancer = \
         \"{balancer}\"\nbackends = [\n{backends}]\n"
    )
}

/// The port, if it can be listened on; another free one in place of 0.
fn free(port: u16) -> Option<u16> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", port)).ok()?;
    socket.local_addr().ok().map(|address| address.port())
}

/// A backend on a thread of its own that says its name.
fn start_backend(name: &'static str) -> std::io::Result<SocketAddr> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(format!("backend-{name}")).spawn(move || {
        runtime.block_on(async move {
            let Ok(socket) = TcpListener::from_std(socket) else { return };
            while let Ok((client, _)) = socket.accept().await {
                let service = service_fn(move |request: Request<Incoming>| async move {
                    let text = format!("backend {name} answers {} {}\n", request.method(), request.uri());
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
                });
                tokio::spawn(Builder::new().serve_connection(TokioIo::new(client), service));
            }
        });
    })?;
    Ok(address)
}
