//! The ring: all points in order, and how it follows a change of the pool.
//!
//! A change works out and sorts the points of the backends that changed and merges them with those that
//! stay, which is one pass over the ring. Only the first table costs the hashing of all.

use std::collections::HashMap;

use trimtab_sdk::Backend;
use xxhash_rust::xxh64::Xxh64;

use crate::points::points;

/// No index: a backend that left.
const GONE: u32 = u32::MAX;

/// Points of the backends with a weight, whatever their readiness.
#[derive(Debug)]
pub struct Ring {
    /// Points for a unit of weight, and for all together at most.
    per_weight: u32,
    most: u32,
    /// In order of hash (upper half), then of index (lower half). nginx keeps the first of points that
    /// collide; so does a search here, and when its backend leaves, the other is there already.
    points: Vec<u64>,
    /// By index, whose points there are.
    owners: Vec<Owner>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Owner {
    /// XXH64 of id and address: to keep ten thousand texts would cost more than the rest of a change.
    name: u64,
    points: u32,
}

impl Ring {
    /// Empty, to have so many points for a unit of weight, and at most `most`.
    pub fn new(per_weight: u32, most: u32) -> Self {
        Self { per_weight, most, points: Vec::new(), owners: Vec::new() }
    }

    /// Follows a new table.
    pub fn update(&mut self, backends: &[Backend]) {
        let counts = self.counts(backends);
        let owners: Vec<_> = backends.iter().zip(counts).map(Owner::new).collect();
        let old: HashMap<u64, usize> = self.owners.iter().enumerate().map(|(i, owner)| (owner.name, i)).collect();
        let mut now = vec![GONE; self.owners.len()];
        let mut fresh = Vec::new();
        for (index, owner) in (0..).zip(&owners) {
            match old.get(&owner.name) {
                Some(before) if self.owners[*before] == *owner => now[*before] = index,
                _ => fresh.push(index),
            }
        }
        self.owners = owners;
        if !fresh.is_empty() || !now.iter().copied().eq(0..self.owners.len() as u32) {
            self.follow(backends, &now, &fresh);
        }
    }

    /// Follows new weights of the same backends.
    pub fn adjust(&mut self, backends: &[Backend]) {
        let counts = self.counts(backends);
        let mut now: Vec<u32> = (0..self.owners.len() as u32).collect();
        let mut fresh = Vec::new();
        for ((index, owner), points) in (0..).zip(&mut self.owners).zip(counts) {
            if owner.points != points {
                owner.points = points;
                now[index as usize] = GONE;
                fresh.push(index);
            }
        }
        if !fresh.is_empty() {
            self.follow(backends, &now, &fresh);
        }
    }

    /// The backends' indexes from this hash on, once around: that of the first point that is not below it, and on.
    #[inline]
    pub fn order(&self, hash: u32) -> impl Iterator<Item = u32> {
        let start = self.points.partition_point(|point| hash_of(*point) < hash);
        self.points[start..].iter().chain(&self.points[..start]).map(|point| index_of(*point))
    }

    /// The number of points, those that collide included.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether no backend has a weight.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Points of each backend. Where they would be too many, halved until they are not: by halves, and
    /// not just so much as needed, so that one more backend does not change everybody's.
    fn counts(&self, backends: &[Backend]) -> impl Iterator<Item = u32> + use<> {
        let per_weight = u64::from(self.per_weight);
        let wanted: Vec<u64> = backends.iter().map(|backend| u64::from(backend.weight) * per_weight).collect();
        let mut total: u64 = wanted.iter().sum();
        let mut halvings = 0;
        while total > u64::from(self.most) {
            total /= 2;
            halvings += 1;
        }
        wanted.into_iter().map(move |points| if points == 0 { 0 } else { (points >> halvings).max(1) as u32 })
    }

    /// Puts old indexes to new ones (`GONE`: drops them) and adds the points of `fresh`.
    fn follow(&mut self, backends: &[Backend], now: &[u32], fresh: &[u32]) {
        let mut added = Vec::new();
        for index in fresh {
            let (address, count) = (&backends[*index as usize].address, self.owners[*index as usize].points);
            added.extend(points(address, count).map(|hash| joined(hash, *index)));
        }
        added.sort_unstable();
        if self.points.is_empty() {
            self.points = added;
            return;
        }
        let mut all = Vec::with_capacity(self.points.len() + added.len());
        let mut added = added.into_iter().peekable();
        for point in &self.points {
            let index = now[index_of(*point) as usize];
            if index == GONE {
                continue;
            }
            let kept = joined(hash_of(*point), index);
            while let Some(point) = added.next_if(|point| *point < kept) {
                all.push(point);
            }
            all.push(kept);
            settle(&mut all);
        }
        all.extend(added);
        self.points = all;
    }
}

impl Owner {
    fn new((backend, points): (&Backend, u32)) -> Self {
        let mut name = Xxh64::new(0);
        name.update(backend.id.as_bytes());
        name.update(&[0]);
        name.update(backend.address.as_bytes());
        Self { name: name.digest(), points }
    }
}

#[inline]
fn joined(hash: u32, index: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(index)
}

#[inline]
fn hash_of(point: u64) -> u32 {
    (point >> 32) as u32
}

#[inline]
fn index_of(point: u64) -> u32 {
    point as u32
}

/// Puts the last point where it belongs: elsewhere only among points that collide, whose order new indexes
/// may have turned.
#[inline]
fn settle(points: &mut [u64]) {
    let mut at = points.len() - 1;
    while at > 0 && points[at - 1] > points[at] {
        points.swap(at - 1, at);
        at -= 1;
    }
}
