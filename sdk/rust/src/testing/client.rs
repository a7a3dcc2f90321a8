//! A client that keeps its cookies.

use super::clock::now_us;
use super::facts::response::cookie_pair;
use super::{Request, Response};

/// Sends the same request again and again, and keeps the cookies it is given. It does not look at
/// their path and domain.
#[derive(Debug, Clone)]
pub struct Client {
    /// What it sends. Its `cookies` grow and shrink with the responses.
    pub request: Request,
    /// Names of cookies that end, and the Unix time in microseconds at which they do.
    ends: Vec<(String, u64)>,
}

impl Client {
    /// A client that asks for `/`.
    pub fn new() -> Self {
        Self::with(Request::get("/"))
    }

    /// A client that sends this request.
    pub fn with(request: Request) -> Self {
        Self { request, ends: Vec::new() }
    }

    /// The value of this cookie, as the next request will have it.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.request.cookies.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Sets a cookie by hand.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.forget(name);
        self.request.cookies.push((name.to_owned(), value.to_owned()));
    }

    /// Drops a cookie.
    pub fn forget(&mut self, name: &str) {
        self.request.cookies.retain(|(other, _)| other != name);
        self.ends.retain(|(other, _)| other != name);
    }

    /// The request it would send now, with the cookies that have not ended.
    pub(super) fn ask(&mut self) -> Request {
        let ended: Vec<_> =
            self.ends.iter().filter(|(_, end)| *end <= now_us()).map(|(name, _)| name.clone()).collect();
        ended.iter().for_each(|name| self.forget(name));
        self.request.clone()
    }

    /// Takes the cookies of a response.
    pub(super) fn receive(&mut self, response: &Response) {
        for (_, header) in response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let Some((name, value)) = cookie_pair(header) else { continue };
            let attributes = header.split(';').skip(1).filter_map(|attribute| attribute.trim().split_once('='));
            let max_age = attributes.filter(|(name, _)| name.eq_ignore_ascii_case("max-age")).last();
            self.set_cookie(name, value);
            if let Some(seconds) = max_age.and_then(|(_, seconds)| seconds.parse::<u64>().ok()) {
                self.ends.push((name.to_owned(), now_us().saturating_add(seconds.saturating_mul(1_000_000))));
            }
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}
