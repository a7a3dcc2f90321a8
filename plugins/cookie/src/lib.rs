//! Cookie: binds a client by a cookie that names its backend, opaquely.
//!
//! The binding is in the client's hands alone, so there is nothing to share or lose. What names a backend is worked
//! out when it joins; a request is one look-up by what it brings. `seal` says what a value is,
//! `attributes` what surrounds it.

mod attributes;
mod seal;

pub use attributes::{Attributes, Settings};
pub use seal::{Seal, Value};

use std::cell::OnceCell;
use std::collections::HashMap;

use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Readiness, Verdict, request, settings};

/// What a client gets whose backend is not there, where `strict` is set: Service Unavailable.
const GONE: Verdict = Verdict::Refuse(503);

/// The backends by the tags of their cookies.
#[derive(Debug)]
pub struct Cookie {
    strict: bool,
    attributes: Attributes,
    seal: Seal,
    /// By index.
    seats: Vec<Seat>,
    by_tag: HashMap<u64, u32>,
}

#[derive(Debug)]
struct Seat {
    id: String,
    tag: u64,
    /// Worked out for the first client.
    seal: OnceCell<u64>,
    readiness: Readiness,
}

impl Affinity for Cookie {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        let (attributes, seal) = (settings.attributes()?, Seal::new(&settings.secret)?);
        let cookie = Self { strict: settings.strict, attributes, seal, seats: Vec::new(), by_tag: HashMap::new() };
        Ok((cookie, Plan::default()))
    }

    /// Backends that stay keep their tags: to work one out takes about as long as to find five backends.
    fn update(&mut self, backends: &[Backend]) {
        let before: HashMap<String, u64> = self.seats.drain(..).map(|seat| (seat.id, seat.tag)).collect();
        let seat = |backend: &Backend| Seat {
            id: backend.id.clone(),
            tag: before.get(&backend.id).copied().unwrap_or_else(|| self.seal.tag(&backend.id)),
            seal: OnceCell::new(),
            readiness: backend.readiness,
        };
        self.seats = backends.iter().map(seat).collect();
        self.by_tag = (0..).zip(&self.seats).map(|(index, seat)| (seat.tag, index)).collect();
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.seats.iter_mut().zip(backends).for_each(|(seat, backend)| seat.readiness = backend.readiness);
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let Some(value) = request::cookie(&self.attributes.name).and_then(|text| Value::parse(&text)) else {
            return Verdict::Pass;
        };
        match self.by_tag.get(&value.tag) {
            Some(index) if self.value(&self.seats[*index as usize]) != value => Verdict::Pass,
            Some(index) if self.is_there(*index, moment) => Verdict::Backend(*index),
            Some(_) if self.strict => GONE,
            None if self.strict && self.seal.seal(value.tag) == value.seal => GONE,
            _ => Verdict::Pass,
        }
    }

    fn bind(&mut self, _moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
        // What `find` answered was found by the right cookie. One with an end is set again, as its time counts
        // from the last visit.
        let bound = found == Some(backend) && !self.attributes.ends;
        let seat = self.seats.get(backend as usize).filter(|_| !bound);
        seat.map(|seat| ("set-cookie".to_owned(), self.attributes.set(self.value(seat)))).into_iter().collect()
    }
}

impl Cookie {
    fn value(&self, seat: &Seat) -> Value {
        Value { tag: seat.tag, seal: *seat.seal.get_or_init(|| self.seal.seal(seat.tag)) }
    }

    fn is_there(&self, index: u32, moment: Moment) -> bool {
        let readiness = self.seats[index as usize].readiness;
        readiness != Readiness::Down && (moment.attempt == 0 || !request::tried(index))
    }
}

trimtab_sdk::export_affinity!(Cookie);
