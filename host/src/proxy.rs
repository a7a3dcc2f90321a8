//! The data path: from an accepted socket to a backend and back.
//!
//! [`connection`] serves a client's connection, `http` each request on it, `tcp` one that is carried as it is, [`udp`] flows of
//! datagrams, [`forward`] takes one through its decisions and attempts, [`body`] and [`carry`] carry the bytes. Everything here runs on one worker's thread, takes no lock and
//! waits on nothing but sockets and the deadlines of [`deadline`].

mod admission;
mod attempt;
pub mod bare;
pub mod bells;
pub mod body;
pub mod carry;
pub mod connection;
pub mod deadline;
mod destination;
pub mod door;
pub mod downstream;
pub mod error;
pub mod exchange;
pub mod forward;
mod goal;
pub mod grpc;
mod handshake;
pub mod headers;
mod http;
pub mod http1;
pub mod http2;
mod https;
mod introduced;
pub mod line;
mod opening;
mod passage;
pub mod path;
pub mod refusal;
mod relay;
pub mod replay;
mod respond;
pub mod rules;
mod said;
pub mod socket;
pub mod target;
mod tcp;
mod tunnels;
pub mod udp;
pub mod upgrade;
pub mod websocket;
mod whom;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::pool::Member;
use crate::snapshot::View;
use crate::snapshot::decision::Circumstances;
use crate::telemetry::access::Sink;
use bells::Bells;
use deadline::Deadlines;
use relay::splice::Pipes;
use tunnels::Tunnels;
use udp::batch::Batch;

/// Idle connections to backends are swept once a second.
const SWEEP_TICKS: u64 = 10;

/// What the data path of one worker works with.
pub struct Proxy {
    /// Number of this worker.
    pub worker: usize,
    /// What new requests see.
    pub view: RefCell<Rc<View>>,
    /// Timeouts of its connections.
    pub deadlines: Rc<Deadlines>,
    /// Where requests are logged, if anywhere.
    pub access_log: Option<Sink>,
    /// Open client connections.
    pub connections: Cell<usize>,
    /// By which workers ask each other for room.
    pub bells: Bells,
    /// Open connections of which bytes are carried as they are.
    pub tunnels: Tunnels,
    /// What they read into; nothing is in it between two turns of the loop.
    scratch: RefCell<Box<[u8]>>,
    /// By which much moves within the kernel.
    pipes: Pipes,
    /// What datagrams are read into, once any are; nothing is in it between two turns of the loop.
    batch: RefCell<Option<Box<Batch>>>,
    /// Connections that are being refused.
    refusing: Cell<usize>,
    ticks: Cell<u64>,
    /// Idle connections to backends, as of the last sweep.
    idle: Cell<usize>,
    clock: Clock,
    random: RefCell<fastrand::Rng>,
}

impl Proxy {
    /// Of one worker, serving `view`.
    pub fn new(worker: usize, view: View, clock: Clock, access_log: Option<Sink>, bells: Bells) -> Rc<Self> {
        Rc::new(Self {
            worker,
            view: RefCell::new(Rc::new(view)),
            deadlines: Deadlines::new(),
            access_log,
            connections: Cell::new(0),
            bells,
            tunnels: Tunnels::default(),
            scratch: RefCell::new(vec![0; relay::SCRATCH].into()),
            pipes: Pipes::default(),
            batch: RefCell::default(),
            refusing: Cell::new(0),
            ticks: Cell::new(0),
            idle: Cell::new(0),
            clock,
            random: RefCell::new(fastrand::Rng::new()),
        })
    }

    /// Every 100 ms while there are connections, then every two seconds. Answers whether it should go on when there are none:
    /// idle connections to backends have to be watched too.
    pub fn tick(&self) -> bool {
        self.clock.follow();
        if let Some(log) = &self.access_log {
            log.flush();
        }
        self.ticks.set(self.ticks.get() + 1);
        let now = Instant::now();
        let (view, now_us) = (Rc::clone(&self.view.borrow()), self.clock.unix_us(now));
        view.steering.iter().for_each(|steering| steering.tick(now, now_us));
        view.left.borrow().iter().for_each(|steering| steering.tick_left(now));
        self.wake_left(&view);
        // Requests that are on their way to a backend hold the view that had it; what goes on after that is cut off in time.
        view.left.borrow_mut().retain(|steering| Rc::strong_count(steering) > 1 || steering.goes_on());
        let alone = self.connections.get() == 0;
        // Alone it ticks every two seconds, and before the last tick nothing is to be left behind.
        if self.ticks.get().is_multiple_of(SWEEP_TICKS) || alone {
            self.idle.set(self.sweep());
        }
        !alone || self.idle.get() > 0
    }

    /// Wakes whoever waits for a backend that has left its pool.
    pub fn wake_left(&self, view: &View) {
        // All of them: each takes its leave.
        let left = view.steering.iter().chain(&*view.left.borrow()).filter(|steering| steering.take_left()).count();
        if left > 0 {
            self.deadlines.wake_all();
        }
    }

    /// Closes idle connections to backends that are too old or stale. Answers how many are left.
    fn sweep(&self) -> usize {
        let (view, now) = (Rc::clone(&self.view.borrow()), Instant::now());
        let mut left = 0;
        for steering in view.steering.iter().chain(&*view.left.borrow()) {
            let timeout = steering.pool().policy.idle_timeout;
            left += steering.members().iter().map(|member| member.sweep(now, timeout)).sum::<usize>();
        }
        left
    }

    /// What a decision at `now` is made from.
    fn circumstances<'a>(&self, now: Instant, hash_seed: u64, tried: &'a [Rc<Member>]) -> Circumstances<'a> {
        Circumstances { random: self.random(), now, now_us: self.clock.unix_us(now), hash_seed, tried }
    }

    /// Sixteen bytes that nobody has used.
    fn nonce(&self) -> [u8; 16] {
        self.random.borrow_mut().u128(..).to_ne_bytes()
    }

    fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }
}

/// Unix time from the monotonic clock: one reading serves for durations and for the time of day. All workers
/// share it, so that time goes back for nobody.
#[derive(Debug, Clone)]
pub struct Clock {
    epoch: Instant,
    /// Unix microseconds at `epoch`. Only ever grows.
    offset_us: Arc<AtomicU64>,
}

impl Default for Clock {
    fn default() -> Self {
        let clock = Self { epoch: Instant::now(), offset_us: Arc::default() };
        clock.follow();
        clock
    }
}

impl Clock {
    fn unix_us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_micros();
        self.offset_us.load(Relaxed) + u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Follows the wall clock, where that goes forward.
    fn follow(&self) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let offset = u64::try_from(wall)
            .unwrap_or(u64::MAX)
            .saturating_sub(u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.offset_us.fetch_max(offset, Relaxed);
    }
}
