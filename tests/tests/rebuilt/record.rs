//! A record of what a balancer is given, drawn from a seed: the same one in every run and on every machine.
//!
//! It is meant to be unfriendly rather than likely: empty tables, weights of 0, changes between the
//! attempts of a request. It knows nothing of what is a good answer.

use std::fmt;
use std::sync::Arc;

use trimtab::decide::{BackendLoad, Facts, Moment, Readiness, Row};

/// Moments per table, on average.
const PER_TABLE: u64 = 200;
/// Moments per change of weights and readiness, on average.
const PER_CHANGE: u64 = 25;
const MOST_BACKENDS: u64 = 24;
const MOST_ATTEMPTS: u32 = 4;

/// One thing that a balancer is given.
pub(crate) enum Event {
    /// A table.
    Update(Vec<Row>),
    /// The same rows with other weights and readiness.
    Adjust(Vec<Row>),
    /// A question.
    Pick(Pick),
}

/// A question, and the facts that it may ask for.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) moment: Moment,
    pub(crate) tried: Vec<u32>,
    user: Option<u64>,
}

/// The events, one after the other.
pub(crate) struct Record {
    draw: Draw,
    rows: Vec<Row>,
    attempt: u32,
    tried: Vec<u32>,
    now_us: u64,
    /// What comes before the next question.
    table_is_due: bool,
}

impl Record {
    /// The record of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            draw: Draw(seed),
            rows: Vec::new(),
            attempt: 0,
            tried: Vec::new(),
            now_us: 1_700_000_000_000_000,
            table_is_due: true,
        }
    }

    /// The next event; there is no end.
    pub(crate) fn next(&mut self) -> Event {
        if std::mem::take(&mut self.table_is_due) || self.draw.one_in(PER_TABLE) {
            return self.update();
        }
        if self.draw.one_in(PER_CHANGE) {
            return self.adjust();
        }
        self.change_loads();
        self.pick()
    }

    /// The numbers that the host shows now, in words.
    pub(crate) fn loads(&self) -> String {
        let load = |row: &Row| format!("{}/{:?}/{}", row.load.in_flight(), row.load.latency_us(), row.load.failures());
        let loads: Vec<_> = self.rows.iter().map(load).collect();
        format!("in flight/latency/failures {}", loads.join(" "))
    }

    fn update(&mut self) -> Event {
        let count = self.draw.below(MOST_BACKENDS + 1);
        self.rows = (0..count).map(|_| self.draw.row()).collect();
        // Indexes of the old table mean nothing in the new one.
        (self.attempt, self.tried) = (0, Vec::new());
        Event::Update(self.rows.clone())
    }

    fn adjust(&mut self) -> Event {
        for at in 0..self.rows.len() {
            if self.draw.one_in(3) {
                self.rows[at].weight = self.draw.weight();
            }
            if self.draw.one_in(3) {
                self.rows[at].readiness = self.draw.readiness();
            }
        }
        Event::Adjust(self.rows.clone())
    }

    fn change_loads(&mut self) {
        let Some(last) = (self.rows.len() as u64).checked_sub(1) else { return };
        let load = Arc::clone(&self.rows[self.draw.below(last + 1) as usize].load);
        match self.draw.below(6) {
            0 | 1 => load.begin(),
            2 if load.in_flight() > 0 => load.end(),
            3 => load.sample(self.draw.below(200_000) as u32, self.now_us),
            4 => load.failed(),
            _ => load.succeeded(),
        }
    }

    fn pick(&mut self) -> Event {
        self.now_us += self.draw.below(5_000);
        // The attempt before failed at some backend that had been ready.
        let again = self.attempt + 1 < MOST_ATTEMPTS && self.draw.one_in(4);
        let untried: Vec<u32> = (0..).take(self.rows.len()).filter(|index| !self.tried.contains(index)).collect();
        if again && !untried.is_empty() {
            self.attempt += 1;
            self.tried.push(untried[self.draw.below(untried.len() as u64) as usize]);
        } else {
            (self.attempt, self.tried) = (0, Vec::new());
        }
        let key = (!self.draw.one_in(4)).then(|| self.draw.any());
        let moment = Moment { key, random: self.draw.any(), now_us: self.now_us, attempt: self.attempt };
        let user = self.draw.one_in(2).then(|| self.draw.below(100));
        Event::Pick(Pick { moment, tried: self.tried.clone(), user })
    }
}

impl Pick {
    /// Makes `facts` those of this question, with this cookie.
    pub(crate) fn fill(&self, facts: &mut Facts, cookie: Option<&str>) {
        facts.protocol = "http/1.1";
        facts.client = Some(([10, 0, 0, self.user.unwrap_or(200) as u8], 4711).into());
        facts.tried.clear();
        facts.tried.extend(self.tried.iter().copied());
        facts.headers.clear();
        facts.headers.insert("host", "example.com".parse().expect("a header value"));
        if let Some(user) = self.user {
            facts.headers.insert("x-user", format!("user-{user}").parse().expect("a header value"));
        }
        if let Some(cookie) = cookie {
            facts.headers.insert("cookie", cookie.parse().expect("a header value"));
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update(rows) | Self::Adjust(rows) => {
                f.write_str(if matches!(self, Self::Update(_)) { "update" } else { "adjust" })?;
                rows.iter().try_for_each(|row| write!(f, " {}:{}:{}", row.id, row.weight, row.readiness.as_str()))
            }
            Self::Pick(pick) => write!(f, "{pick:?}"),
        }
    }
}

/// Draws by SplitMix64 (Steele, Lea and Flood, 2014).
struct Draw(u64);

impl Draw {
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.any() % limit
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// Mostly small ones, as people write them; none sometimes; the largest sometimes.
    fn weight(&mut self) -> u32 {
        match self.below(10) {
            0 => 0,
            1 => self.below(65_536) as u32,
            2..=4 => 1,
            _ => self.below(12) as u32 + 1,
        }
    }

    fn readiness(&mut self) -> Readiness {
        match self.below(8) {
            0 => Readiness::Down,
            1 => Readiness::Draining,
            _ => Readiness::Ready,
        }
    }

    fn row(&mut self) -> Row {
        let id = self.below(1 << 32);
        Row {
            id: format!("b{id:x}").into(),
            address: format!("10.0.{}.{}:80", id >> 8 & 255, id & 255).into(),
            weight: self.weight(),
            readiness: self.readiness(),
            labels: Arc::new([("zone".to_owned(), ["a", "b", "c"][(id % 3) as usize].to_owned())]),
            load: Arc::new(BackendLoad::default()),
        }
    }
}
