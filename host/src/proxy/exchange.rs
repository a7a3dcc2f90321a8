//! One request and its response, as counters and the access log see them.

use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::line::{Line, Phase};
use super::whom::Whom;
use super::{Proxy, grpc};
use crate::config::Feedback;
use crate::decide::OutcomeKind;
use crate::pool::{InFlight, Place};
use crate::snapshot::{Ledger, View};
use crate::telemetry::counters::Traffic;

/// Begins with a request's head and ends, when dropped, with the last of its response.
pub struct Exchange {
    proxy: Rc<Proxy>,
    line: Rc<Line>,
    ledger: Rc<Ledger>,
    listener: usize,
    /// Position of the pool, or one behind the last for none.
    pool: usize,
    began: Instant,
    status: Option<StatusCode>,
    broke_off: bool,
    /// Bytes of the response's body.
    sent: u64,
    is_tunnel: bool,
    attempts: u32,
    /// The attempt whose response the client gets.
    in_flight: Option<InFlight>,
    /// In a pool that takes so many and no more, over all attempts. Dropped behind the attempt.
    place: Option<Place>,
    /// Only while there is an access log.
    entry: Option<Box<Entry>>,
}

/// What the access log says of a request.
pub struct Entry {
    /// The client, after trusted proxies; none for Unix sockets.
    pub client: Option<SocketAddr>,
    /// The request's method.
    pub method: Method,
    /// The request's target.
    pub uri: Uri,
    /// The request's id.
    pub request_id: Option<HeaderValue>,
}

impl Exchange {
    /// A request's head is there.
    pub fn begin(proxy: &Rc<Proxy>, line: &Rc<Line>, view: &View, listener: usize, began: Instant) -> Box<Self> {
        Box::new(Self {
            proxy: Rc::clone(proxy),
            line: Rc::clone(line),
            ledger: Rc::clone(&view.ledger),
            listener,
            pool: usize::MAX,
            began,
            status: None,
            broke_off: false,
            sent: 0,
            is_tunnel: false,
            attempts: 0,
            in_flight: None,
            place: None,
            entry: None,
        })
    }

    /// For the access log.
    pub fn log(&mut self, entry: Box<Entry>) {
        self.entry = Some(entry);
    }

    /// It goes to this pool, or to none.
    pub fn enter_pool(&mut self, pool: Option<usize>) {
        self.pool = pool.unwrap_or(self.ledger.no_pool());
        if let Some(traffic) = self.traffic() {
            traffic.in_flight.add(1);
        }
    }

    /// When the request's head was there.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Its place in the pool: it is kept until the last of the response has been sent.
    pub fn place(&mut self) -> &mut Option<Place> {
        &mut self.place
    }

    /// One more backend is tried.
    pub fn attempted(&mut self) {
        self.attempts += 1;
    }

    /// The response's head is there; it comes from this attempt, or from us.
    pub fn respond(&mut self, status: StatusCode, in_flight: Option<InFlight>) {
        self.status = Some(status);
        self.in_flight = in_flight;
    }

    /// More of the response's body goes to the client.
    pub fn sends(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// What the backend says in the trailers of its response: of itself, where it is listened to, and how a call of gRPC
    /// ended.
    pub fn hear(&mut self, trailers: &mut HeaderMap, feedback: Option<&Feedback>, is_call: bool) {
        let Some(in_flight) = &mut self.in_flight else { return };
        if is_call && grpc::is_failure(trailers) {
            in_flight.set_outcome(OutcomeKind::ServerError);
        }
        if let Some(feedback) = feedback {
            let now_us = self.proxy.clock.unix_us(Instant::now());
            in_flight.member().hear(trailers, feedback, now_us / 1000);
        }
    }

    /// The connection is a tunnel from now on.
    pub fn becomes_tunnel(&mut self) {
        if let Some(traffic) = self.traffic() {
            traffic.tunnels.add(1);
            self.is_tunnel = true;
        }
    }

    /// The response ended before its end; `blame` says how, where that is the backend's doing.
    pub fn broke_off(&mut self, blame: Option<OutcomeKind>) {
        self.broke_off = true;
        if let (Some(in_flight), Some(blame)) = (&mut self.in_flight, blame) {
            in_flight.set_outcome(blame);
        }
    }

    fn traffic(&self) -> Option<&Traffic> {
        self.ledger.traffic(self.listener, self.pool, self.proxy.worker)
    }

    /// `time client listener pool backend attempts status bytes microseconds "METHOD target" request-id`
    fn write(&self, entry: &Entry, took: std::time::Duration, line: &mut Vec<u8>) {
        let listener = self.ledger.listener(self.listener).unwrap_or("-");
        let pool = self.ledger.pool(self.pool).unwrap_or("-");
        let backend = self.in_flight.as_ref().map_or("-", |attempt| &*attempt.member().backend.id);
        let status = self.status.map_or(0, |status| status.as_u16());
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        let id = entry.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("-");
        // Writing to a vector cannot fail.
        let _ = write!(
            line,
            "{time} {} {listener} {pool} {backend} {} {status} {} {} \"{} ",
            Whom(entry.client),
            self.attempts,
            self.sent,
            took.as_micros(),
            entry.method,
        );
        for byte in entry.uri.path_and_query().map_or("/", |target| target.as_str()).bytes() {
            match byte {
                b'"' | b'\\' => line.extend([b'\\', byte]),
                b'!'..=b'~' => line.push(byte),
                _ => drop(write!(line, "\\x{byte:02x}")),
            }
        }
        let _ = write!(line, "\" {id}{}", if self.broke_off { " broke-off" } else { "" });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.line.phase() == Phase::Response {
            // Of a body of our own, or one that hyper does not ask for: the next move is the client's.
            self.line.enter(Phase::Idle);
        }
        let took = self.began.elapsed();
        if let Some(traffic) = self.traffic() {
            traffic.in_flight.subtract(1);
            traffic.tunnels.subtract(u64::from(self.is_tunnel));
            traffic.durations.observe(took);
            let class = self.status.map_or(0, |status| usize::from(status.as_u16() / 100));
            if let Some(counter) = traffic.classes.get(class) {
                counter.add(1);
            }
        }
        if let (Some(entry), Some(log)) = (&self.entry, &self.proxy.access_log) {
            log.line(|line| self.write(entry, took, line));
        }
    }
}
