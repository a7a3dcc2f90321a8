//! `wasi:random`: chance that can be had again. The same calls in the same moment give the same bytes.
//!
//! It is no secret: within a decision it follows from `moment.random`, which the plugin knows anyhow.

use wasmtime::Error;
use wasmtime::component::LinkerInstance;
use xxhash_rust::xxh64::xxh64;

use super::Guest;
use crate::plugin::instance::Seat;
use crate::plugin::sandbox::Sandbox;

/// Bytes that a guest gets at once; asking for more is a trap.
const MOST: u64 = 64 << 10;
/// Added at each step: the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Copy)]
pub(super) struct Chance(u64);

impl Chance {
    /// That of a decision.
    pub(super) fn of_moment(random: u64) -> Self {
        Self(random)
    }

    /// That of an instance outside decisions. A client cannot guess it where the settings hold a secret.
    pub(super) fn of_seat(seat: &Seat) -> Self {
        let of_pool = xxh64(seat.pool.as_bytes(), xxh64(seat.settings.as_bytes(), 0));
        Self(xxh64(&seat.worker.to_le_bytes(), of_pool))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > MOST {
            return Err(Error::msg(format!("asked for {len} random bytes at once; {MOST} are allowed")));
        }
        let len = usize::try_from(len)?;
        let mut bytes = Vec::with_capacity(len + 7);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        Ok(bytes)
    }
}

pub(super) fn random(random: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    both(random, "get-random-bytes", "get-random-u64")
}

pub(super) fn insecure(insecure: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    both(insecure, "get-insecure-random-bytes", "get-insecure-random-u64")
}

pub(super) fn insecure_seed(seed: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    seed.func_wrap("insecure-seed", |mut guest: Guest<'_>, ()| {
        let chance = of(&mut guest);
        Ok(((chance.next(), chance.next()),))
    })
}

fn both(offered: &mut LinkerInstance<'_, Sandbox>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    offered.func_wrap(bytes, |mut guest: Guest<'_>, (len,): (u64,)| Ok((of(&mut guest).bytes(len)?,)))?;
    offered.func_wrap(number, |mut guest: Guest<'_>, ()| Ok((of(&mut guest).next(),)))
}

/// The chance of the call that runs.
fn of<'a>(guest: &'a mut Guest<'_>) -> &'a mut Chance {
    let Sandbox { wasi, facts, .. } = guest.data_mut();
    if facts.is_some() { &mut wasi.moment } else { &mut wasi.seat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_paper() {
        let mut chance = Chance::of_moment(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(expected.map(|_| chance.next()), expected);
    }

    #[test]
    fn bytes_are_as_many_as_asked_for() {
        let mut chance = Chance::of_moment(7);
        for len in [0, 1, 8, 9, MOST] {
            assert_eq!(chance.bytes(len).unwrap().len() as u64, len);
        }
        assert!(chance.bytes(MOST + 1).unwrap_err().to_string().contains("65536 are allowed"));
    }
}
