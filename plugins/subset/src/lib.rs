//! Subset: of a very large pool, each balancer process uses a stable part.
//!
//! Which part is decided by rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit
//! rates", 1998): each process ranks the backends by a hash of its name and theirs, and takes the first ready ones. So
//! processes need not know how many they are, a change moves only what it must, and who is down is replaced by the next in
//! rank. The deterministic subsets of the SRE book are evenly spread where processes are few and numbered, but there a
//! backend that joins or leaves reshuffles the subsets of all.

use serde::Deserialize;
use trimtab_sdk::{Backend, Instance, Shaper, settings};
use xxhash_rust::xxh64::xxh64;

/// The size of the subset, and who ranks.
#[derive(Debug)]
pub struct Subset {
    size: usize,
    /// Hash of the name of this process.
    balancer: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    size: usize,
    balancer: Option<Name>,
    /// Set by the host.
    process: Option<Name>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Number(i64),
    Text(String),
}

impl Shaper for Subset {
    fn configure(settings: &str, _instance: &Instance) -> Result<Self, String> {
        let Settings { size, balancer, process } = settings::parse(settings)?;
        if size == 0 {
            return Err("`size` is 0: it must be 1 or more".to_owned());
        }
        let name = match balancer.or(process) {
            Some(Name::Number(number)) => number.to_string(),
            Some(Name::Text(text)) if !text.is_empty() => text,
            _ => return Err("`balancer` is missing: it must name this balancer process".to_owned()),
        };
        Ok(Self { size, balancer: xxh64(name.as_bytes(), 0) })
    }

    fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        // The position decides between equal hashes, which is rare enough.
        let mut ranked: Vec<(u64, usize)> =
            candidates.map(|(at, backend)| (xxh64(backend.id.as_bytes(), self.balancer), at)).collect();
        if self.size < ranked.len() {
            ranked.select_nth_unstable(self.size);
            ranked.truncate(self.size);
        }
        let mut weights = vec![0; backends.len()];
        for (_, at) in ranked {
            weights[at] = backends[at].weight;
        }
        weights
    }
}

trimtab_sdk::export_shaper!(Subset);
