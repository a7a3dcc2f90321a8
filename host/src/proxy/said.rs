//! What we say to a client ourselves: redirects and fixed responses of routes, and errors with the pages that are
//! configured for them.
//!
//! An answer on a bare socket, to what was no request, has no page: see `refusal`.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::body::Body;
use super::error::Error;
use super::forward::is_grpc;
use super::rules::Scope;
use crate::config::Answer;
use crate::decide::Facts;
use crate::snapshot::{Page, Snapshot};

/// Fields that speak of the body which is replaced.
const OF_THE_BODY: [header::HeaderName; 8] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRAILER,
];

impl Scope<'_> {
    /// What the route says itself.
    pub(super) fn answer(&self, facts: &Facts, snapshot: &Snapshot) -> Result<Response<Body>, Error> {
        let Some(route) = self.route else { return Err(Error::NoRoute) };
        match route.answer() {
            Some(Answer::Redirect { to, status }) => {
                let location = self.location(to, facts).ok_or(Error::BadRequest)?;
                let mut response = Response::new(Body::Empty(None));
                *response.status_mut() = *status;
                response.headers_mut().insert(LOCATION, location);
                Ok(response)
            }
            Some(Answer::Respond { status, .. }) => {
                let page = snapshot.said.get(route.number).and_then(|said| said.fixed.as_ref());
                let mut response = page.map_or_else(|| Response::new(Body::Empty(None)), with_body);
                *response.status_mut() = *status;
                Ok(response)
            }
            None => Err(Error::NoRoute),
        }
    }

    /// An error as the client gets it.
    pub(super) fn excuse(&self, error: Error, facts: &Facts, snapshot: &Snapshot) -> Response<Body> {
        let plain = error.into_response();
        let page = self.page(Some(error.reason()), plain.status(), facts, snapshot);
        match page {
            Some(page) => replace_body(plain, page),
            None => plain,
        }
    }

    /// A backend's response, with a page in place of an error's body where that is wanted.
    pub(super) fn intercept(&self, response: Response<Body>, facts: &Facts, snapshot: &Snapshot) -> Response<Body> {
        let status = response.status();
        let is_wanted = self.route.and_then(|route| route.rules().intercept_errors);
        if status.as_u16() < 400 || !is_wanted.unwrap_or(self.listener.intercept_errors) {
            return response;
        }
        match self.page(None, status, facts, snapshot) {
            Some(page) => replace_body(response, page),
            None => response,
        }
    }

    fn page<'s>(
        &'s self,
        reason: Option<&str>,
        status: StatusCode,
        facts: &Facts,
        snapshot: &'s Snapshot,
    ) -> Option<&'s Page> {
        let of_route = self.route.and_then(|route| snapshot.said.get(route.number)).map(|said| &said.pages);
        let mut pages = of_route.into_iter().chain([&self.listener.pages]).filter(|pages| !pages.is_empty()).peekable();
        pages.peek()?;
        if is_grpc(facts) {
            return None;
        }
        let accept = facts.headers.get(ACCEPT);
        pages.find_map(|pages| pages.find(reason, status.as_u16(), accept))
    }
}

fn with_body(page: &Page) -> Response<Body> {
    if page.body.is_empty() {
        return Response::new(Body::Empty(None));
    }
    let mut response = Response::new(Body::full(page.body.clone()));
    response.headers_mut().insert(CONTENT_TYPE, page.kind.clone());
    response
}

fn replace_body(response: Response<Body>, page: &Page) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    without_body(&mut parts.headers);
    parts.headers.insert(CONTENT_TYPE, page.kind.clone());
    // Which of several pages it is depends on what the client accepts.
    parts.headers.append(header::VARY, HeaderValue::from_static("accept"));
    Response::from_parts(parts, Body::full(page.body.clone()))
}

fn without_body(headers: &mut HeaderMap) {
    for name in &OF_THE_BODY {
        headers.remove(name);
    }
}
