//! A backend's response on its way to the client.

use std::rc::Rc;
use std::time::Instant;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::body::{Body, UpstreamBody};
use super::error::Error;
use super::forward::Answer;
use super::http::{HTTP_2, Lane};
use super::target::is_length;
use super::upgrade::Tunnel;
use super::websocket::{self, Switch};
use super::{grpc, headers};
use crate::decide::OutcomeKind;
use crate::pool::{InFlight, Upstream};
use crate::snapshot::Pool;

/// Whether there is one reading of where a response ends (RFC 9112 §6.3): `chunked`, one length, or none of both.
fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), codings.next(), lengths.next(), lengths.next()) {
        (None, _, None, _) => true,
        (Some(coding), None, None, _) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (None, _, Some(length), None) => is_length(length.as_bytes()),
        _ => false,
    }
}

impl Lane {
    /// Makes a backend's response ours to send. A call of gRPC has to be over by `until`.
    pub(super) fn respond(
        &self,
        answer: Answer,
        pool: &Pool,
        switch: Option<Switch>,
        until: Option<Instant>,
    ) -> Result<(Response<Body>, Option<InFlight>), Error> {
        let Answer { response, upstream, mut in_flight, at } = answer;
        let (mut parts, incoming) = response.into_parts();
        self.line.answering.set(true);
        if !is_framed_once(&parts.headers) {
            // Whoever reads it otherwise takes a part of it for another response: its connection is not used again.
            in_flight.set_outcome(OutcomeKind::Reset);
            return Err(Error::BadResponse);
        }
        let upgraded = headers::end_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let Some(switch) = switch.filter(|_| upgraded) else {
                in_flight.set_outcome(OutcomeKind::Reset);
                return Err(Error::Reset);
            };
            let opened = parts.extensions.remove::<OnUpgrade>();
            parts.extensions.clear();
            let Some((backend, answered, connected)) = upstream.into_conduit(opened) else {
                in_flight.set_outcome(OutcomeKind::Reset);
                return Err(Error::Reset);
            };
            let member = Rc::clone(in_flight.member());
            let timeout = pool.policy.tunnel_timeout;
            let stream = match switch {
                Switch::Upgrade => None,
                Switch::Connect(stream) => {
                    websocket::answer(&mut parts.status, &mut parts.headers);
                    Some(stream)
                }
            };
            let tunnel = Tunnel { stream, backend, answered, exchange: None, connected, member, timeout };
            *self.line.tunnel.borrow_mut() = Some(tunnel);
            return Ok((Response::from_parts(parts, Body::Empty(None)), Some(in_flight)));
        }
        parts.extensions.clear();
        let body = if incoming.is_end_stream() {
            if matches!(*upstream, Upstream::Http2(_)) {
                self.line.end_upload();
            }
            in_flight.member().give_back(upstream, at, pool.policy.max_idle);
            Body::Empty(None)
        } else {
            let member = Rc::clone(in_flight.member());
            let line = Rc::clone(&self.line);
            // There is no gRPC without HTTP/2.
            let is_call = matches!(*upstream, Upstream::Http2(_)) && grpc::is_answer(&parts.headers);
            let body = UpstreamBody::new(incoming, upstream, member, line, &pool.policy, at);
            // Only HTTP/2 has trailers that its clients wait for.
            let body = body.of_call(is_call, until.filter(|_| self.protocol == HTTP_2));
            Body::Upstream(Box::new(if self.protocol == HTTP_2 { body.in_parts() } else { body }))
        };
        Ok((Response::from_parts(parts, body), Some(in_flight)))
    }
}
