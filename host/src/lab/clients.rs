//! Clients that come again, and keep the cookies that they are given.

use http::header::{self, HeaderValue};

use super::world;
use crate::decide::{Facts, Head, Headers};

/// Somebody who asks, and may come again.
#[derive(Debug, Clone)]
pub struct Client {
    /// Who it is.
    number: u32,
    /// What it was given, by name.
    cookies: Vec<(String, String)>,
}

impl Client {
    /// One who was never here.
    pub fn new(number: u32) -> Self {
        Self { number, cookies: Vec::new() }
    }

    /// Its request, with the cookies that it has.
    pub fn facts(&self) -> Box<Facts> {
        let mut facts = world::request(self.number);
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            // They came in headers, so they can be in one.
            facts.headers.extend(HeaderValue::try_from(pairs.join("; ")).map(|value| (header::COOKIE, value)).ok());
        }
        facts
    }

    /// The head of the response of the backend `id` to it. An application names its session with the first, in the
    /// cookie `session`.
    pub fn response(&self, id: &str, session: &str) -> Box<Head> {
        let mut head = Head { status: 200, ..Head::default() };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        if !self.cookies.iter().any(|(name, _)| name == session) {
            let set = format!("{session}={:032X}.{id}; Path=/; HttpOnly", self.number);
            head.headers.extend(HeaderValue::try_from(set).map(|value| (header::SET_COOKIE, value)).ok());
        }
        Box::new(head)
    }

    /// It keeps the cookies of a response: those of the application, and those that were added.
    pub fn keep(&mut self, head: &Head, added: &Headers) {
        let theirs = head.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let ours = added.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        for set in theirs.chain(ours.map(|(_, value)| &**value)) {
            let pair = set.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.cookies.retain(|(known, _)| known != name.trim());
            self.cookies.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_come_back() {
        let mut client = Client::new(7);
        let head = client.response("web1", "sid");
        client.keep(&head, &vec![("Set-Cookie".to_owned(), "t=x; Path=/".to_owned())]);
        let facts = client.facts();
        assert_eq!(facts.cookie("sid"), Some(&b"00000000000000000000000000000007.web1"[..]));
        assert_eq!(facts.cookie("t"), Some(&b"x"[..]));
        assert!(!client.response("web2", "sid").headers.contains_key("set-cookie"), "the session goes on");
    }
}
