//! Weighted draws: a candidate by chance in proportion to its weight, at the same cost for 3 backends and for 10 000.
//!
//! [`Draw::one`] is Vose's form of Walker's alias method ("A linear algorithm for generating random numbers with a
//! given distribution", 1991) in integers, so that shares are those of the weights and nothing is lost to rounding.
//! [`Draw::another`] draws without putting back. There is no generator of its own making here: all chance comes from
//! `moment.random`, so a decision can be replayed.

use crate::{Backend, request};

/// One who may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Position in the table.
    pub index: u32,
    /// Above 0.
    pub weight: u32,
}

/// The candidates of a table, prepared for draws. Made anew when the table changes.
#[derive(Debug, Clone, Default)]
pub struct Draw {
    columns: Vec<Column>,
    total: u64,
}

/// A column of the alias table: `total` parts of chance, shared by at most two candidates.
#[derive(Debug, Clone, Copy)]
struct Column {
    own: Candidate,
    /// How many of the parts are its own.
    threshold: u64,
    /// Position of the column whose candidate has the others.
    other: u32,
    /// Sum of the weights in the columns before.
    start: u64,
}

impl Draw {
    /// The candidates of this table ([`Backend::is_candidate`]).
    pub fn of(backends: &[Backend]) -> Self {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        Self::new(candidates.map(|(index, backend)| Candidate { index, weight: backend.weight }))
    }

    /// These candidates, without those of weight 0.
    pub fn new(candidates: impl IntoIterator<Item = Candidate>) -> Self {
        let mut total = 0;
        let column = |own: Candidate| {
            let start = total;
            total += u64::from(own.weight);
            Column { own, threshold: 0, other: 0, start }
        };
        let mut columns: Vec<_> = candidates.into_iter().filter(|own| own.weight > 0).map(column).collect();
        share_columns(&mut columns, total);
        Self { columns, total }
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The candidates, in table order.
    pub fn candidates(&self) -> impl ExactSizeIterator<Item = Candidate> {
        self.columns.iter().map(|column| column.own)
    }

    /// One candidate, by 64 uniform bits; none where there is no candidate. Two multiplications and two reads. The
    /// error of a share is that of 64 bits: below 2⁻²⁰ of it for 10 000 backends of the highest weight.
    #[inline]
    pub fn one(&self, bits: u64) -> Option<Candidate> {
        self.position(bits).map(|position| self.columns[position as usize].own)
    }

    /// A candidate that is not among the drawn, in proportion to the weights of those left, and puts it there.
    /// None when all are drawn. It never takes long: a draw that hits a drawn candidate, as most do where one is
    /// heavier than all the others, is followed by one among the rest alone.
    pub fn another(&self, bits: &mut Bits, drawn: &mut Drawn) -> Option<Candidate> {
        if drawn.positions.len() >= self.columns.len() {
            return None;
        }
        let mut position = self.position(bits.next())?;
        if drawn.positions.contains(&position) {
            position = self.position_of_rest(bits, drawn);
        }
        let own = self.columns[position as usize].own;
        let place = drawn.positions.partition_point(|other| *other < position);
        drawn.positions.insert(place, position);
        drawn.weight += u64::from(own.weight);
        Some(own)
    }

    /// As `another`, passing over backends that earlier attempts of this request went to. The host is asked only
    /// when `attempt` (of the moment) is above 0. To be called within a decision.
    pub fn untried(&self, attempt: u32, bits: &mut Bits, drawn: &mut Drawn) -> Option<Candidate> {
        loop {
            let candidate = self.another(bits, drawn)?;
            if attempt == 0 || !request::tried(candidate.index) {
                return Some(candidate);
            }
        }
    }

    #[inline]
    fn position(&self, bits: u64) -> Option<u32> {
        // The bits are a fraction: its product with the number of columns is a column and a fraction of that.
        let product = u128::from(bits) * self.columns.len() as u128;
        let position = (product >> 64) as u32;
        let column = self.columns.get(position as usize)?;
        Some(if below(self.total, product as u64) < column.threshold { position } else { column.other })
    }

    /// A place on the line of weights without the drawn stretches, and who is there.
    fn position_of_rest(&self, bits: &mut Bits, drawn: &Drawn) -> u32 {
        let mut place = below(self.total - drawn.weight, bits.next());
        for position in &drawn.positions {
            let column = &self.columns[*position as usize];
            if place < column.start {
                break;
            }
            place += u64::from(column.own.weight);
        }
        (self.columns.partition_point(|column| column.start <= place) - 1) as u32
    }
}

/// Who is out of the draw. Kept between decisions for its memory, and cleared at the start of each.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// Ascending.
    positions: Vec<u32>,
    weight: u64,
}

impl Drawn {
    /// Puts everybody back.
    #[inline]
    pub fn clear(&mut self) {
        self.positions.clear();
        self.weight = 0;
    }
}

/// More bits than `moment.random` has: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014), seeded by it.
#[derive(Debug, Clone)]
pub struct Bits(u64);

impl Bits {
    /// The bits that follow from these.
    pub fn new(random: u64) -> Self {
        Self(random)
    }

    /// The next 64.
    #[allow(clippy::should_implement_trait)] // they never end
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

/// The finalizer of SplitMix64: every bit of the input changes each bit of the answer with a chance of a half. Two
/// multiplications.
#[inline]
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number below `limit` by 64 uniform bits (Lemire, "Fast random integer generation in an interval", 2019,
/// without the rejection); 0 for a limit of 0.
#[inline]
pub fn below(limit: u64, bits: u64) -> u64 {
    ((u128::from(bits) * u128::from(limit)) >> 64) as u64
}

/// Fills each column to `total`: who has less than a column is joined by somebody who has more.
fn share_columns(columns: &mut [Column], total: u64) {
    // In units of which a column holds `total`, the candidates hold as much as all columns together.
    let mut held: Vec<u64> = columns.iter().map(|column| u64::from(column.own.weight) * columns.len() as u64).collect();
    let (mut less, mut more): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(|at| held[*at] < total);
    while let (Some(poor), Some(rich)) = (less.pop(), more.last().copied()) {
        columns[poor].threshold = held[poor];
        columns[poor].other = rich as u32;
        held[rich] -= total - held[poor];
        if held[rich] < total {
            more.pop();
            less.push(rich);
        }
    }
    // Integers leave no remainder: those left hold exactly a column.
    for at in more {
        columns[at].threshold = total;
    }
}

#[cfg(test)]
mod tests;
