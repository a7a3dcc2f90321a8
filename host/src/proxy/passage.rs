//! One connection, or one flow of datagrams, that is carried as it is, as counters and the access log see it.

use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Proxy;
use super::carry::{Ending, Reason};
use super::error::Error;
use super::relay::{Relay, Side};
use super::whom::Whom;
use crate::decide::OutcomeKind;
use crate::pool::{InFlight, Place};
use crate::snapshot::{Ledger, View};
use crate::telemetry::carried::{Carried, End};

/// Begins when a connection was accepted, or with the first datagram of a flow, and ends, when dropped, with it.
pub(super) struct Passage {
    proxy: Rc<Proxy>,
    ledger: Rc<Ledger>,
    listener: usize,
    /// Position of the pool, or one behind the last for none.
    pool: usize,
    client: Option<SocketAddr>,
    server_name: Option<Arc<str>>,
    began: Instant,
    attempts: u32,
    upstream: u64,
    downstream: u64,
    end: End,
    /// The attempt that has reached a backend, and whether the backend has said anything since.
    in_flight: Option<InFlight>,
    is_well: bool,
    /// In a pool that takes so many and no more. Dropped behind the attempt.
    pub(super) place: Option<Place>,
}

impl Passage {
    /// One of this client, by the listener at this position.
    pub(super) fn begin(proxy: &Rc<Proxy>, view: &View, listener: usize, client: Option<SocketAddr>) -> Box<Self> {
        let (ledger, pool) = (Rc::clone(&view.ledger), view.ledger.no_pool());
        let passage = Box::new(Self {
            proxy: Rc::clone(proxy),
            ledger,
            listener,
            pool,
            client,
            server_name: None,
            began: Instant::now(),
            attempts: 0,
            upstream: 0,
            downstream: 0,
            end: End::ClientLeft,
            in_flight: None,
            is_well: false,
            place: None,
        });
        passage.count(|carried| carried.open.add(1));
        passage
    }

    /// It is decided in this view, where its listener has this position.
    pub(super) fn sees(&mut self, view: &View, listener: usize) {
        self.count(|carried| carried.open.subtract(1));
        (self.pool, self.listener) = (view.ledger.no_pool(), listener);
        self.ledger = Rc::clone(&view.ledger);
        self.count(|carried| carried.open.add(1));
    }

    /// The client asked for this name.
    pub(super) fn names(&mut self, server_name: Option<Arc<str>>) {
        self.server_name = server_name;
    }

    /// It goes to this pool.
    pub(super) fn enter_pool(&mut self, pool: usize) {
        self.count(|carried| carried.open.subtract(1));
        self.pool = pool;
        self.count(|carried| carried.open.add(1));
    }

    /// One more backend is tried.
    pub(super) fn attempted(&mut self) {
        self.attempts += 1;
    }

    /// It goes to the backend of this attempt.
    pub(super) fn reached(&mut self, in_flight: InFlight) {
        (self.in_flight, self.is_well) = (Some(in_flight), false);
    }

    /// The backend has answered for the first time: it has accepted the connection, or sent a datagram.
    pub(super) fn answered(&mut self) {
        let Some(in_flight) = &mut self.in_flight else { return };
        let now = Instant::now();
        let latency = in_flight.connected(now);
        in_flight.member().backend.load.sample(latency, self.proxy.clock.unix_us(now));
    }

    /// The backend has said something, which says that it is well.
    pub(super) fn heard(&mut self) {
        if !std::mem::replace(&mut self.is_well, true)
            && let Some(in_flight) = &mut self.in_flight
        {
            in_flight.is_well();
        }
    }

    /// The backend is left, as it turned out in this way; another may be reached.
    pub(super) fn leaves(&mut self, outcome: Option<OutcomeKind>) {
        if let (Some(mut in_flight), Some(outcome)) = (self.in_flight.take(), outcome) {
            in_flight.set_outcome(outcome);
        }
        // It may go to another pool.
        self.place = None;
    }

    /// So much has been carried in all.
    pub(super) fn moved(&mut self, relay: &Relay) {
        let (upstream, downstream) = (relay.to_backend(), relay.to_client());
        if downstream > 0 {
            self.heard();
        }
        self.carried(upstream - self.upstream, downstream - self.downstream);
    }

    /// So many bytes more have been carried.
    pub(super) fn carried(&mut self, upstream: u64, downstream: u64) {
        self.count(|carried| {
            carried.upstream.add(upstream);
            carried.downstream.add(downstream);
        });
        self.upstream += upstream;
        self.downstream += downstream;
    }

    /// It ends for this reason, which says nothing of its backend.
    pub(super) fn fails(&mut self, end: End) {
        self.end = end;
    }

    /// It was carried, and that is how it ended.
    pub(super) fn ends(&mut self, ending: &Ending) {
        let (end, outcome) = match ending {
            Ending::Finished => (End::Finished, OutcomeKind::Success),
            Ending::Broken(broken) if broken.side == Side::Client => (End::ClientReset, OutcomeKind::Cancelled),
            Ending::Broken(_) => (End::BackendReset, OutcomeKind::Reset),
            // Who was asked and said nothing is late; who was not asked is nothing.
            Ending::Ours(Reason::Idle) if self.upstream > 0 => (End::Idle, OutcomeKind::Timeout),
            Ending::Ours(Reason::Idle) => (End::Idle, OutcomeKind::Cancelled),
            Ending::Ours(Reason::Left) => (End::BackendLeft, OutcomeKind::Cancelled),
            Ending::Ours(Reason::Stop) => (End::Stopped, OutcomeKind::Cancelled),
        };
        self.end = end;
        if !self.is_well
            && let Some(in_flight) = &mut self.in_flight
        {
            in_flight.set_outcome(outcome);
        }
    }

    /// Counts something more of it.
    pub(super) fn count(&self, count: impl FnOnce(&Carried)) {
        if let Some(carried) = self.ledger.carried(self.listener, self.pool, self.proxy.worker) {
            count(carried);
        }
    }

    /// As a request's line: `time client listener pool backend attempts 0 bytes microseconds "PROTOCOL SNI" -`, where bytes
    /// are those to the client; then the bytes to the backend, and why it ended.
    fn write(&self, took: Duration, line: &mut Vec<u8>) {
        let (ledger, number) = (&self.ledger, self.listener);
        let (name, protocol) = (ledger.listener(number).unwrap_or("-"), ledger.protocol(number).unwrap_or("-"));
        let pool = ledger.pool(self.pool).unwrap_or("-");
        let backend = self.in_flight.as_ref().map_or("-", |attempt| &*attempt.member().backend.id);
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        // Writing to a vector cannot fail. A name of SNI is made of letters, digits and dots.
        let _ = write!(
            line,
            "{time} {} {name} {pool} {backend} {} 0 {} {} \"{protocol} {}\" - {} {}",
            Whom(self.client),
            self.attempts,
            self.downstream,
            took.as_micros(),
            self.server_name.as_deref().unwrap_or("-"),
            self.upstream,
            self.end.as_str(),
        );
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.count(|carried| {
            carried.open.subtract(1);
            carried.ends[self.end as usize].add(1);
            carried.durations.observe(took);
        });
        if let Some(log) = &self.proxy.access_log {
            log.line(|line| self.write(took, line));
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::Denied,
            Error::RateLimited(_) => Self::RateLimited,
            Error::Refused(_) => Self::Refused,
            Error::NoRoute => Self::NoRoute,
            Error::OutOfDescriptors => Self::Descriptors,
            Error::Connect => Self::ConnectError,
            Error::ConnectTimeout => Self::ConnectTimeout,
            _ => Self::NoBackend,
        }
    }
}
