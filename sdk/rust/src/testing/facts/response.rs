//! The response that a client is about to get, and the functions of [`response`](crate::response).

#![allow(missing_docs)] // named and documented as the items of the contract

use std::cell::RefCell;

thread_local! {
    static RESPONSE: RefCell<Option<Response>> = const { RefCell::new(None) };
}

/// The head of a backend's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
}

impl Response {
    /// Of this status, without headers.
    pub fn of(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    /// With this header after the others.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Runs `bind` as a decision about this response.
pub fn with_response<T>(response: &Response, bind: impl FnOnce() -> T) -> T {
    let before = RESPONSE.replace(Some(response.clone()));
    let answer = bind();
    RESPONSE.replace(before);
    answer
}

/// Name and value of a `set-cookie` header, without quotes and attributes.
pub(in crate::testing) fn cookie_pair(header: &str) -> Option<(&str, &str)> {
    let (name, value) = header.split(';').next()?.split_once('=')?;
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some((name.trim(), unquoted.unwrap_or(value)))
}

pub fn status() -> u16 {
    with(|r| r.status)
}

pub fn header(name: &str) -> Option<String> {
    headers(name).into_iter().next()
}

pub fn headers(name: &str) -> Vec<String> {
    with(|r| r.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).collect())
}

pub fn set_cookie(name: &str) -> Option<String> {
    let set = headers("set-cookie");
    set.iter()
        .rev()
        .filter_map(|header| cookie_pair(header))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value.to_owned())
}

fn with<T>(read: impl FnOnce(&Response) -> T) -> T {
    RESPONSE.with_borrow(|response| match response {
        Some(response) => read(response),
        None => panic!("a fact of the response was asked for outside `bind`: see testing::with_response"),
    })
}
