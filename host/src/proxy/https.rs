//! From HTTP to HTTPS: `redirect_to_https`.

use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use super::body::Body;
use super::error::Error;
use super::headers::{Peer, X_FORWARDED_PROTO};
use crate::config::HttpsRedirect;
use crate::decide::Facts;
use crate::route::Entry;
use crate::snapshot::Listener;

/// Where a request is to be sent, if it is. It is not where a route names this very listener (so that a path can be served
/// without TLS, for ACME say), nor where a trusted proxy says that the client came by HTTPS.
pub(super) fn redirect(
    listener: &Listener,
    route: Option<&Entry>,
    peer: &Peer,
    facts: &Facts,
) -> Option<HttpsRedirect> {
    let redirect = listener.redirect_to_https?;
    let is_secure = || facts.headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let is_served = route.is_some_and(Entry::names_listener) || peer.trusted && is_secure();
    (!is_served).then_some(redirect)
}

/// The same URL by HTTPS.
pub(super) fn response(redirect: HttpsRedirect, facts: &Facts) -> Result<Response<Body>, Error> {
    let host = facts.host();
    if host.is_empty() {
        return Err(Error::BadHost);
    }
    // `OPTIONS *` is of no path.
    let path = facts.uri.path_and_query().map(|path| path.as_str()).filter(|path| path.starts_with('/')).unwrap_or("/");
    let location = match redirect.port {
        443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    let mut response = Response::new(Body::Empty(None));
    *response.status_mut() = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| Error::BadRequest)?);
    Ok(response)
}
