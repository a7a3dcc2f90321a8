//! Active checks: what takes a backend out of its pool and what brings it back.

use serde_json::Value;
use trimtab_tests::{Host, eventually};

#[path = "health/changes.rs"]
mod changes;
#[path = "health/expectations.rs"]
mod expectations;
#[path = "health/grpcio.rs"]
mod grpcio;
#[path = "health/kinds.rs"]
mod kinds;
#[path = "health/many.rs"]
mod many;
#[path = "health/processes.rs"]
mod processes;
#[path = "health/shared.rs"]
mod shared;
#[path = "health/shown.rs"]
mod shown;

/// Times of checks in most tests: soon, and with few results.
const QUICK: &str = "interval = '100ms', timeout = '100ms', rise = 2, fall = 2";

/// What is shown of a backend's health.
fn health(host: &Host, id: &str) -> Value {
    host.backend("web", id)["health"].clone()
}

fn state(host: &Host, id: &str) -> String {
    health(host, id)["state"].as_str().unwrap_or_default().to_owned()
}

/// Why the last check failed.
fn failure(host: &Host, id: &str) -> String {
    health(host, id)["last"].as_str().unwrap_or_default().to_owned()
}

/// Waits until it is found healthy or not, and its pool knows. Workers know a moment later.
fn becomes(host: &Host, id: &str, wanted: &str) {
    let ready = || host.metrics().sum("trimtab_backend_ready", &[("pool", "web"), ("backend", id)]);
    let expected = if wanted == "healthy" { 1.0 } else { 0.0 };
    eventually(&format!("{id} is {wanted}"), || state(host, id) == wanted && ready() == expected);
}

/// Who answers some requests, each once, in order.
fn answering(host: &Host) -> Vec<String> {
    let mut names: Vec<_> = (0..8).map(|_| host.get("/").backend().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// Waits until these are all that answer.
fn answered_by(host: &Host, names: &[&str]) {
    eventually(&format!("{names:?} answer"), || answering(host) == names);
}
