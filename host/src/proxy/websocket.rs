//! The opening of a WebSocket over either version of HTTP: what a client asks and a backend answers, in the other's words.
//!
//! Within the host it is always that of HTTP/1.1 (RFC 6455 §4), whoever speaks what: an extended CONNECT of HTTP/2 (RFC
//! 8441) becomes one as it comes, and is made of one as it goes. HTTP/2 has no keys, so they are made and answered here.
//! What goes on after the opening is `upgrade`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

use super::error::Error;
use super::forward::Forward;
use crate::pool::Upstream;
use crate::pool::upstream::Outgoing;

const WEBSOCKET: &str = "websocket";

/// What a key is hashed with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key (RFC 6455 §4.1).
const KEY: usize = 16;

/// How a client asks to go on with another protocol.
#[derive(Debug)]
pub enum Switch {
    /// By `Upgrade`, of HTTP/1.1.
    Upgrade,
    /// By an extended CONNECT of HTTP/2: this gives its stream.
    Connect(OnUpgrade),
}

/// How a backend was asked for the same.
#[derive(Debug)]
pub(super) enum Asked {
    /// By `Upgrade`. What has to be answered to a key of our own.
    Upgrade(Option<HeaderValue>),
    /// By an extended CONNECT. What the client's key is answered with.
    Connect(Option<HeaderValue>),
}

/// Makes the `Upgrade` of an extended CONNECT. None: it is a CONNECT to elsewhere, which is left as it is.
///
/// # Errors
/// Another protocol than WebSocket: 501 (RFC 9220 §3).
pub(super) fn receive(head: &mut request::Parts) -> Result<Option<Switch>, Error> {
    let Some(protocol) = head.extensions.remove::<Protocol>() else { return Ok(None) };
    let (true, Some(stream)) = (protocol.as_str() == WEBSOCKET, head.extensions.remove::<OnUpgrade>()) else {
        return Err(Error::NoUpgrade);
    };
    head.method = Method::GET;
    name_upgrade(&mut head.headers);
    head.headers.remove(SEC_WEBSOCKET_KEY);
    Ok(Some(Switch::Connect(stream)))
}

/// Makes of a 101 what answers an extended CONNECT.
pub(super) fn answer(status: &mut StatusCode, headers: &mut HeaderMap) {
    *status = StatusCode::OK;
    for name in [UPGRADE, CONNECTION, SEC_WEBSOCKET_ACCEPT] {
        headers.remove(name);
    }
}

/// Whether this can be asked for by an extended CONNECT: an opening of a WebSocket as it should be (RFC 6455 §4.2.1).
pub(super) fn is_opening(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET && headers.get(UPGRADE).is_some_and(is_websocket)
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
}

fn name_upgrade(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
}

impl Forward<'_> {
    /// Puts the client's wish in the words of a backend that is spoken to by `upstream`.
    ///
    /// # Errors
    /// A key that is none.
    pub(super) fn ask(
        &self,
        switch: &Switch,
        request: &mut Request<Outgoing>,
        upstream: &Upstream,
    ) -> Result<Box<Asked>, Error> {
        let headers = request.headers_mut();
        Ok(Box::new(match (switch, upstream) {
            (Switch::Upgrade, Upstream::Http1(_)) => Asked::Upgrade(None),
            (Switch::Connect(_), Upstream::Http1(_)) => {
                let key = STANDARD.encode(self.admission.proxy.nonce());
                let accept = accept(key.as_bytes());
                headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).map_err(|_| Error::BadRequest)?);
                Asked::Upgrade(accept)
            }
            (_, Upstream::Http2(_)) => {
                headers.remove(UPGRADE);
                headers.remove(CONNECTION);
                let accept = match (switch, headers.remove(SEC_WEBSOCKET_KEY)) {
                    (Switch::Connect(_), _) => None,
                    (Switch::Upgrade, Some(key)) if is_key(&key) => accept(key.as_bytes()),
                    _ => return Err(Error::BadRequest),
                };
                *request.method_mut() = Method::CONNECT;
                request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
                Asked::Connect(accept)
            }
        }))
    }
}

impl Asked {
    /// Puts the backend's answer in the words of HTTP/1.1.
    ///
    /// # Errors
    /// It agrees to something else.
    pub(super) fn settle<B>(&self, response: &mut Response<B>) -> Result<(), Error> {
        let status = response.status();
        match self {
            Self::Upgrade(Some(expected)) if status == StatusCode::SWITCHING_PROTOCOLS => {
                let headers = response.headers();
                let is_agreed = headers.get(SEC_WEBSOCKET_ACCEPT) == Some(expected)
                    && headers.get(UPGRADE).is_some_and(is_websocket);
                if is_agreed { Ok(()) } else { Err(Error::BadResponse) }
            }
            Self::Connect(accept) if status == StatusCode::OK => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                name_upgrade(response.headers_mut());
                if let Some(accept) = accept {
                    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == KEY)
}

/// What a key is answered with (RFC 6455 §4.2.2). Base64 is always a value.
fn accept(key: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, accept: &'static str) -> Response<()> {
        let response = Response::builder().status(status).header(UPGRADE, "WebSocket");
        response.header(SEC_WEBSOCKET_ACCEPT, accept).body(()).expect("a response")
    }

    #[test]
    fn keys_are_answered_as_in_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_key(&key));
        assert_eq!(accept(key.as_bytes()).expect("a value"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for none in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZQ==", "?"] {
            assert!(!is_key(&HeaderValue::from_static(none)), "{none}");
        }
    }

    #[test]
    fn an_answer_to_our_key_is_checked() {
        let asked = Asked::Upgrade(Some(HeaderValue::from_static("right")));
        assert_eq!(asked.settle(&mut response(101, "right")), Ok(()));
        assert_eq!(asked.settle(&mut response(101, "wrong")), Err(Error::BadResponse));
        assert_eq!(asked.settle(&mut response(403, "wrong")), Ok(()), "no agreement, so nothing to check");
        assert_eq!(Asked::Upgrade(None).settle(&mut response(101, "any")), Ok(()), "the client's key is the client's");
    }

    #[test]
    fn a_stream_that_is_open_is_a_switch() {
        let asked = Asked::Connect(Some(HeaderValue::from_static("answer")));
        let mut opened = Response::new(());
        assert_eq!(asked.settle(&mut opened), Ok(()));
        assert_eq!(opened.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(opened.headers()[SEC_WEBSOCKET_ACCEPT], "answer");
        let (mut head, ()) = opened.into_parts();
        answer(&mut head.status, &mut head.headers);
        assert_eq!((head.status, head.headers.is_empty()), (StatusCode::OK, true));
        let mut refused = Response::builder().status(403).body(()).expect("a response");
        assert_eq!(asked.settle(&mut refused), Ok(()));
        assert_eq!(refused.status(), 403);
    }
}
