//! What is being decided, and the functions of [`request`](crate::request).

#![allow(missing_docs)] // named and documented as the items of the contract

use std::cell::RefCell;

thread_local! {
    static REQUEST: RefCell<Option<Request>> = const { RefCell::new(None) };
}

/// What is being decided: see [`request`](crate::request) for each item.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Names and values, in order. Not read from `headers`, but a `cookie` header for them.
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

/// Runs `decide` as a decision about this request.
pub fn with_request<T>(request: &Request, decide: impl FnOnce() -> T) -> T {
    let before = REQUEST.replace(Some(request.clone()));
    let answer = decide();
    REQUEST.replace(before);
    answer
}

fn with<T>(read: impl FnOnce(&Request) -> T) -> T {
    REQUEST.with_borrow(|request| match request {
        Some(request) => read(request),
        None => panic!("a fact of the request was asked for outside a decision: see testing::with_request"),
    })
}

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
    with(|r| {
        let named = r.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut values: Vec<String> = named.map(|(_, value)| value.clone()).collect();
        if name.eq_ignore_ascii_case("cookie") && !r.cookies.is_empty() {
            let pairs: Vec<String> = r.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            values.push(pairs.join("; "));
        }
        values
    })
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
