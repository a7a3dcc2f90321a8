//! The table of slots, and how it is filled.
//!
//! As in the paper (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
//! section 3.4): backends take turns, and each takes the next free slot of its own permutation. Weights as in
//! Envoy: the heaviest has a turn in every round, one of half its weight in every second. Envoy's hashes too:
//! XXH64 of the id with seed 0 for where a permutation starts, with seed 1 for its step.

use trimtab_sdk::Backend;
use xxhash_rust::xxh64::xxh64;

/// No backend: the end of a list.
const NOBODY: u32 = u32::MAX;

/// The index of a backend in each slot; without slots where no backend has a weight.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<u32>,
}

/// A backend while the table is filled.
struct Filler {
    index: u32,
    weight: u32,
    /// The slot that it wants next, and the step from there.
    slot: u32,
    step: u32,
    /// Slots taken.
    taken: u32,
    /// Who else has its next turn in the same round.
    beside: u32,
}

/// The slots while they are filled. Nearly all of the work is to ask whether a slot is free, at places all over the
/// table: a bit for each stays in the processor's nearest cache.
struct Slots {
    indexes: Vec<u32>,
    taken: Vec<u64>,
}

impl Table {
    /// Of so many slots, a prime, for the backends with a weight. Their order does not matter: turns are
    /// taken in that of the hashes, which is cheaper than that of the names.
    pub fn new(size: u32, backends: &[Backend]) -> Self {
        let weighted = (0..).zip(backends).filter(|(_, backend)| backend.weight > 0);
        let mut hashed: Vec<_> = weighted.map(|(index, b)| (xxh64(b.id.as_bytes(), 0), index, b)).collect();
        hashed.sort_unstable_by_key(|(hash, ..)| *hash);
        let filler = |(hash, index, backend): (u64, u32, &Backend)| Filler {
            index,
            weight: backend.weight,
            slot: (hash % u64::from(size)) as u32,
            step: (xxh64(backend.id.as_bytes(), 1) % u64::from(size - 1)) as u32 + 1,
            taken: 0,
            beside: NOBODY,
        };
        Self { slots: fill(size, hashed.into_iter().map(filler).collect()) }
    }

    /// The slots from that of this key on, once around.
    #[inline]
    pub fn order(&self, key: u64) -> impl Iterator<Item = u32> {
        let start = key.checked_rem(self.slots.len() as u64).unwrap_or(0) as usize;
        self.slots[start..].iter().chain(&self.slots[..start]).copied()
    }

    /// The slots.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }
}

/// Round by round. Each round has a list of who has a turn in it, so that the many rounds of a heavy
/// backend do not each look at ten thousand light ones.
fn fill(size: u32, mut fillers: Vec<Filler>) -> Vec<u32> {
    let Some(heaviest) = fillers.iter().map(|filler| filler.weight).max() else { return Vec::new() };
    let mut slots = Slots { indexes: vec![NOBODY; size as usize], taken: vec![0; size as usize / 64 + 1] };
    let mut free = size;
    // Rounds count from 1, as in Envoy. The heaviest takes a slot in each, so no more than `size` matter.
    let mut rounds = vec![NOBODY; size as usize + 1];
    let mut turns: Vec<u32> = (0..fillers.len() as u32).collect();
    for round in 1..=size {
        if round > 1 {
            turns.clear();
            let mut at = rounds[round as usize];
            while let Some(filler) = fillers.get(at as usize) {
                turns.push(at);
                at = filler.beside;
            }
            turns.sort_unstable();
        }
        for at in &turns {
            if free == 0 {
                return slots.indexes;
            }
            free -= 1;
            let filler = &mut fillers[*at as usize];
            filler.take(&mut slots);
            let next = filler.next_round(round, heaviest);
            if let Some(list) = rounds.get_mut(next as usize) {
                filler.beside = std::mem::replace(list, *at);
            }
        }
    }
    slots.indexes
}

impl Filler {
    /// Takes the next slot of its permutation that is free: there is one.
    fn take(&mut self, slots: &mut Slots) {
        let size = slots.indexes.len() as u32;
        let mut slot = self.slot;
        while slots.is_taken(slot) {
            slot = self.after(slot, size);
        }
        slots.taken[slot as usize / 64] |= 1 << (slot % 64);
        slots.indexes[slot as usize] = self.index;
        self.slot = self.after(slot, size);
        self.taken += 1;
    }

    /// Both are below `size`, which is far from overflowing.
    #[inline]
    fn after(&self, slot: u32, size: u32) -> u32 {
        let next = slot + self.step;
        if next < size { next } else { next - size }
    }

    /// The first round after this one by which its weight is worth more slots than it took.
    fn next_round(&self, round: u32, heaviest: u32) -> u64 {
        let after = u64::from(round) + 1;
        if self.weight == heaviest {
            return after;
        }
        after.max((u64::from(self.taken) * u64::from(heaviest)).div_ceil(u64::from(self.weight)))
    }
}

impl Slots {
    #[inline]
    fn is_taken(&self, slot: u32) -> bool {
        self.taken[slot as usize / 64] >> (slot % 64) & 1 == 1
    }
}
