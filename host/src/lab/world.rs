//! Tables, requests and moments, as people would have them, all from a seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::decide::{BackendLoad, Facts, Keyed, Moment, Readiness, Row, key};

/// When worlds begin, in microseconds of Unix time: the year 2100. A sandbox begins in its own present, and goes back for nobody, so what is
/// due after a time would never be in a past.
pub const BEGINNING: u64 = 4_102_444_800_000_000;

/// A backend's row: this id, an address by its number, ready, nothing in flight.
pub fn row(number: usize, id: &str, weight: u32, labels: &[(&str, &str)]) -> Row {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Row {
        id: id.into(),
        address: format!("10.{}.{}.{}:8080", number / 62_500, number / 250 % 250, number % 250 + 1).into(),
        weight,
        readiness: Readiness::Ready,
        labels: labels.collect(),
        load: Arc::new(BackendLoad::default()),
    }
}

/// A table of so many, with zones and priorities as labels, and weights of 1.
pub fn rows(count: usize) -> Vec<Row> {
    let zones = ["a", "b", "c"];
    let row = |number: usize| {
        let priority = (number % 3).to_string();
        row(number, &format!("web{number}"), 1, &[("priority", &priority), ("zone", zones[number % 3])])
    };
    (0..count).map(row).collect()
}

/// The request of a client: its address, a user in a header, and what browsers send.
pub fn request(client: u32) -> Box<Facts> {
    let mut facts = Facts {
        protocol: "http/1.1",
        listener: "web".into(),
        uri: Uri::from_static("/shop/basket?item=17"),
        ..Facts::default()
    };
    facts.headers.insert("host", HeaderValue::from_static("example.com"));
    facts.headers.insert("user-agent", HeaderValue::from_static("a-browser/1.0 (of some length)"));
    facts.headers.insert("accept", HeaderValue::from_static("text/html,application/xhtml+xml"));
    name(&mut facts, client);
    Box::new(facts)
}

/// The request becomes that of another client.
pub fn name(facts: &mut Facts, client: u32) {
    // It has no character that a header could not have.
    if let Ok(value) = HeaderValue::from_str(&format!("user-{client}.example")) {
        facts.headers.insert("x-user", value);
    }
    facts.client = Some(SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + client), 40_000)));
}

/// Time and chance of decisions that follow each other, the same for the same seed.
pub struct Clock {
    /// Chance, for whatever else there is to choose.
    pub random: fastrand::Rng,
    /// Unix time in microseconds.
    pub now_us: u64,
}

impl Clock {
    /// At the beginning.
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), now_us: BEGINNING }
    }

    /// The moment of a first try, now; the key is hashed as for each decision.
    pub fn moment(&mut self, instance: &impl Keyed, facts: &Facts) -> Moment {
        let key = key::hash(instance.keys(), facts, 0);
        Moment { key, random: self.random.u64(..), now_us: self.now_us, attempt: 0 }
    }
}
