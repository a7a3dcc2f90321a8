//! The facts of the running thread, and the functions that read them in place of the host's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::trimtab::plugin::log::Level;

thread_local! {
    static REQUEST: RefCell<Option<Request>> = const { RefCell::new(None) };
    static LOAD: RefCell<Load> = RefCell::new(Load::default());
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// What is being decided: see [`request`](crate::request) for each item.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // named as the functions
pub struct Request {
    pub protocol: String,
    pub listener: String,
    pub client_address: String,
    pub client_port: u16,
    pub host: String,
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// Names and values, in order. Not read from `headers`.
    pub cookies: Vec<(String, String)>,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    pub key_bytes: Option<Vec<u8>>,
    /// Indexes of the backends tried before.
    pub tried: Vec<u32>,
}

impl Request {
    /// A `GET` of this path over HTTP/1.1, from 192.0.2.7.
    pub fn get(path: &str) -> Self {
        Self {
            protocol: "http/1.1".to_owned(),
            listener: "test".to_owned(),
            client_address: "192.0.2.7".to_owned(),
            client_port: 40_000,
            host: "test".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            cookies: Vec::new(),
            sni: None,
            alpn: None,
            key_bytes: None,
            tried: Vec::new(),
        }
    }

    /// With this header after the others.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this cookie after the others.
    #[must_use]
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The numbers of the pool, by index: see [`load`](crate::load) for each item.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // named as the functions
pub struct Load {
    pub in_flight: Vec<u32>,
    pub latency_us: Vec<Option<u32>>,
    pub failures: Vec<u32>,
    pub metrics: BTreeMap<(u32, String), f64>,
    /// The next turn.
    pub turn: u64,
}

/// Runs `decide` as a decision about this request.
pub fn with_request<T>(request: &Request, decide: impl FnOnce() -> T) -> T {
    let before = REQUEST.replace(Some(request.clone()));
    let answer = decide();
    REQUEST.replace(before);
    answer
}

/// Sets the numbers of the pool.
pub fn set_load(load: Load) {
    LOAD.set(load);
}

/// Takes the lines logged so far, oldest first, as `level: message`.
pub fn lines() -> Vec<String> {
    LINES.take().into_iter().map(|(level, message)| format!("{}: {message}", word(level))).collect()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

fn with<T>(read: impl FnOnce(&Request) -> T) -> T {
    REQUEST.with_borrow(|request| match request {
        Some(request) => read(request),
        None => panic!("a fact of the request was asked for outside a decision: see testing::with_request"),
    })
}

#[allow(missing_docs)] // the items of the contract
pub mod request {
    use super::with;

    pub fn protocol() -> String {
        with(|r| r.protocol.clone())
    }

    pub fn listener() -> String {
        with(|r| r.listener.clone())
    }

    pub fn client_address() -> String {
        with(|r| r.client_address.clone())
    }

    pub fn client_port() -> u16 {
        with(|r| r.client_port)
    }

    pub fn host() -> String {
        with(|r| r.host.clone())
    }

    pub fn method() -> String {
        with(|r| r.method.clone())
    }

    pub fn path() -> String {
        with(|r| r.path.clone())
    }

    pub fn query() -> String {
        with(|r| r.query.clone())
    }

    pub fn header(name: &str) -> Option<String> {
        headers(name).into_iter().next()
    }

    pub fn headers(name: &str) -> Vec<String> {
        with(|r| r.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).collect())
    }

    pub fn cookie(name: &str) -> Option<String> {
        with(|r| r.cookies.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    }

    pub fn sni() -> Option<String> {
        with(|r| r.sni.clone())
    }

    pub fn alpn() -> Option<String> {
        with(|r| r.alpn.clone())
    }

    pub fn key_bytes() -> Option<Vec<u8>> {
        with(|r| r.key_bytes.clone())
    }

    pub fn tried(backend: u32) -> bool {
        with(|r| r.tried.contains(&backend))
    }
}

#[allow(missing_docs)] // the items of the contract
pub mod load {
    use super::LOAD;

    pub fn in_flight(backend: u32) -> u32 {
        LOAD.with_borrow(|load| load.in_flight.get(backend as usize).copied().unwrap_or(0))
    }

    pub fn in_flight_all() -> Vec<u32> {
        LOAD.with_borrow(|load| load.in_flight.clone())
    }

    pub fn in_flight_total() -> u32 {
        LOAD.with_borrow(|load| load.in_flight.iter().sum())
    }

    pub fn latency_us(backend: u32) -> Option<u32> {
        LOAD.with_borrow(|load| load.latency_us.get(backend as usize).copied().flatten())
    }

    pub fn failures(backend: u32) -> u32 {
        LOAD.with_borrow(|load| load.failures.get(backend as usize).copied().unwrap_or(0))
    }

    pub fn metric(backend: u32, name: &str) -> Option<f64> {
        LOAD.with_borrow(|load| load.metrics.get(&(backend, name.to_owned())).copied())
    }

    pub fn turn() -> u64 {
        LOAD.with_borrow_mut(|load| {
            let turn = load.turn;
            load.turn += 1;
            turn
        })
    }
}

#[allow(missing_docs)] // the item of the contract
pub mod log {
    use super::{LINES, Level};

    pub fn log(level: Level, message: &str) {
        LINES.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
    }
}
