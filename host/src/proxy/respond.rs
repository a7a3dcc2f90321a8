//! A backend's response on its way to the client.

use std::rc::Rc;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version};
use hyper::body::Body as _;

use super::body::{Body, UpstreamBody};
use super::error::Error;
use super::forward::Answer;
use super::headers;
use super::http::Lane;
use super::upgrade::Tunnel;
use crate::decide::OutcomeKind;
use crate::pool::InFlight;
use crate::snapshot::Pool;

impl Lane {
    /// Makes a backend's response ours to send.
    pub(super) fn respond(
        &self,
        answer: Answer,
        pool: &Pool,
        upgrading: bool,
    ) -> Result<(Response<Body>, Option<InFlight>), Error> {
        let Answer { response, upstream, mut in_flight, at } = answer;
        let (mut parts, incoming) = response.into_parts();
        self.line.answering.set(true);
        if parts.headers.contains_key(TRANSFER_ENCODING) {
            // The coding wins (RFC 9112 §6.3), and ends at this hop; the length would be a wrong one.
            parts.headers.remove(CONTENT_LENGTH);
        }
        let upgraded = headers::end_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if !(upgrading && upgraded) {
                in_flight.set_outcome(OutcomeKind::Reset);
                return Err(Error::Reset);
            }
            let Some((backend, answered, connected)) = upstream.into_socket() else { return Err(Error::Reset) };
            let member = Rc::clone(in_flight.member());
            let timeout = pool.policy.tunnel_timeout;
            let tunnel = Tunnel { backend, answered, exchange: None, connected, member, timeout };
            *self.line.tunnel.borrow_mut() = Some(tunnel);
            return Ok((Response::from_parts(parts, Body::Empty(None)), Some(in_flight)));
        }
        let body = if incoming.is_end_stream() {
            in_flight.member().give_back(upstream, at, pool.policy.max_idle);
            Body::Empty(None)
        } else {
            let member = Rc::clone(in_flight.member());
            let line = Rc::clone(&self.line);
            Body::Upstream(Box::new(UpstreamBody::new(incoming, upstream, member, line, &pool.policy, at)))
        };
        Ok((Response::from_parts(parts, body), Some(in_flight)))
    }
}
