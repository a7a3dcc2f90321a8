//! A place in a sequence, in a form that outlives the sequence: how much each backend is owed there.
//!
//! These are nginx's current weights: a backend gains its share with every pick of anybody and pays the whole for its own.
//! In another sequence the place is where they are nearest to that.
//!
//! As bytes, version 1, numbers in little-endian: the version (1), the position (4) and the length of the sequence (4);
//! then for each candidate XXH64 of its id (8) and its current weight (4, signed). Where all candidates are owed nothing,
//! the sequence begins.

/// What the bytes begin with.
const VERSION: u8 = 1;
/// As many candidates as 1 MiB holds; those behind them count as new.
const MOST: usize = ((1 << 20) - 9) / 12;

/// A place in a sequence of some table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    position: u32,
    period: u32,
    /// Hash of the id, and what the candidate is owed, in parts of a pick: `period` parts are one.
    current: Vec<(u64, i32)>,
}

/// A candidate in a sequence: its part of it, and what it is still to get.
struct Share {
    /// How often it is in a period.
    count: i64,
    /// How often it was picked since the period began.
    picked: i64,
    /// What it is to be owed; none where nothing is known of it.
    target: Option<i64>,
}

impl Place {
    /// Position `at` of a sequence of indexes. `ids` are the hashes of all ids, by index.
    pub fn of(sequence: &[u32], at: usize, ids: &[u64]) -> Self {
        let mut shares = shares(sequence);
        let passed = &sequence[..at.min(sequence.len())];
        passed.iter().for_each(|index| shares[*index as usize].picked += 1);
        let known = shares.iter().zip(ids).filter(|(share, _)| share.count > 0);
        // A smooth sequence owes nobody more than about one pick, so all of these are small.
        let current = known.map(|(share, id)| (*id, share.owed(passed.len(), sequence.len()) as i32)).take(MOST);
        Self { position: passed.len() as u32, period: sequence.len() as u32, current: current.collect() }
    }

    /// The position in another sequence where everyone who is known is owed as much, or most nearly so.
    pub fn within(&self, sequence: &[u32], ids: &[u64]) -> usize {
        let (period, before) = (sequence.len(), i64::from(self.period));
        if period == 0 || before == 0 {
            return 0;
        }
        let mut known = self.current.clone();
        known.sort_unstable_by_key(|(id, _)| *id);
        let mut shares = shares(sequence);
        for (share, id) in shares.iter_mut().zip(ids) {
            let found = known.binary_search_by_key(id, |(known, _)| *known).ok();
            // Within what a sequence can owe, and far more: so squares fit, whatever the state says.
            let most = 2 * period as i64;
            let target = found.map(|at| (i64::from(known[at].1) * period as i64 / before).clamp(-most, most));
            share.target = target.filter(|_| share.count > 0);
        }
        let same = self.position as usize % period;
        if self.position < self.period && is_at(sequence, &mut shares, same) {
            same
        } else {
            nearest(sequence, shares, same)
        }
    }

    /// For the next generation.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.position.to_le_bytes());
        bytes.extend(self.period.to_le_bytes());
        for (id, current) in &self.current {
            bytes.extend(id.to_le_bytes());
            bytes.extend(current.to_le_bytes());
        }
        bytes
    }

    /// From the generation before.
    ///
    /// # Errors
    ///
    /// Bytes of another version, or of another length than this one has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let broken = || "the state is cut off or no state".to_owned();
        let (version, rest) = bytes.split_first().ok_or_else(broken)?;
        if *version != VERSION {
            return Err(format!("the state is of version {version}, and this plugin reads version {VERSION}"));
        }
        let (position, rest) = rest.split_first_chunk().ok_or_else(broken)?;
        let (period, rest) = rest.split_first_chunk().ok_or_else(broken)?;
        let (rows, []) = rest.as_chunks::<12>() else { return Err(broken()) };
        let row = |row: &[u8; 12]| {
            let [a, b, c, d, e, f, g, h, current @ ..] = *row;
            (u64::from_le_bytes([a, b, c, d, e, f, g, h]), i32::from_le_bytes(current))
        };
        let current = rows.iter().map(row).collect();
        Ok(Self { position: u32::from_le_bytes(*position), period: u32::from_le_bytes(*period), current })
    }
}

impl Share {
    fn owed(&self, at: usize, period: usize) -> i64 {
        at as i64 * self.count - period as i64 * self.picked
    }
}

/// The shares at the beginning, by index.
fn shares(sequence: &[u32]) -> Vec<Share> {
    let end = sequence.iter().max().map_or(0, |index| *index as usize + 1);
    let mut shares: Vec<_> = (0..end).map(|_| Share { count: 0, picked: 0, target: None }).collect();
    sequence.iter().for_each(|index| shares[*index as usize].count += 1);
    shares
}

/// Whether everyone is owed just what it is to be owed at this position: so it is where the table is the same.
fn is_at(sequence: &[u32], shares: &mut [Share], position: usize) -> bool {
    sequence[..position].iter().for_each(|index| shares[*index as usize].picked += 1);
    let period = sequence.len();
    let is = shares.iter().all(|share| share.target.is_none_or(|target| share.owed(position, period) == target));
    shares.iter_mut().for_each(|share| share.picked = 0);
    is
}

/// The position of the least sum of squares of what everyone who is known is owed too much; of several the first from
/// `start` on. One walk over the period: a step changes the sum by what can be known of it without a look at all.
fn nearest(sequence: &[u32], mut shares: Vec<Share>, start: usize) -> usize {
    let period = sequence.len();
    let known = || shares.iter().filter_map(|share| share.target.map(|target| (share.count, -target)));
    let squares: i64 = known().map(|(count, _)| count * count).sum();
    // With `off` for what one is owed too much: the sums of off² and of off × count.
    let mut sum: i64 = known().map(|(_, off)| off * off).sum();
    let mut product: i64 = known().map(|(count, off)| count * off).sum();
    let mut best = (sum, (period - start) % period, 0);
    for (at, index) in sequence.iter().enumerate().take(period - 1) {
        sum += 2 * product + squares;
        product += squares;
        let share = &mut shares[*index as usize];
        if let Some(target) = share.target {
            let (off, all) = (share.owed(at + 1, period) - target, period as i64);
            sum += all * all - 2 * all * off;
            product -= all * share.count;
        }
        share.picked += 1;
        best = best.min((sum, (at + 1 + period - start) % period, at + 1));
    }
    best.2
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [u64; 4] = [11, 22, 33, 44];
    /// Weights 5, 1, 1.
    const SEQUENCE: [u32; 7] = [0, 0, 1, 0, 2, 0, 0];

    #[test]
    fn bytes_are_as_described() {
        let place = Place::of(&SEQUENCE, 3, &IDS);
        assert_eq!(place.current, [(11, 1), (22, -4), (33, 3)]);
        let mut expected = vec![1, 3, 0, 0, 0, 7, 0, 0, 0];
        for (id, current) in &place.current {
            expected.extend([*id as u8, 0, 0, 0, 0, 0, 0, 0]);
            expected.extend(current.to_le_bytes());
        }
        assert_eq!(place.to_bytes(), expected);
        assert_eq!(Place::from_bytes(&expected), Ok(place));
        assert!(Place::from_bytes(&expected[..20]).is_err_and(|error| error.contains("cut off")));
        assert!(Place::from_bytes(&[]).is_err());
        assert!(Place::from_bytes(&[2, 0, 0]).is_err_and(|error| error.contains("version 2")));
    }

    #[test]
    fn every_place_is_found_again() {
        for at in 0..SEQUENCE.len() {
            let place = Place::of(&SEQUENCE, at, &IDS);
            assert_eq!(place.within(&SEQUENCE, &IDS), at);
            assert_eq!(Place { position: 0, ..place }.within(&SEQUENCE, &IDS), at, "by what everyone is owed");
        }
        assert_eq!(Place::of(&SEQUENCE, 9, &IDS).within(&SEQUENCE, &IDS), 0, "the end is the beginning");
    }

    #[test]
    fn backends_are_known_wherever_they_stand() {
        let (ids, sequence) = ([44, 33, 22, 11], [3, 3, 2, 3, 1, 3, 3]);
        for at in 0..SEQUENCE.len() {
            assert_eq!(Place::of(&SEQUENCE, at, &IDS).within(&sequence, &ids), at);
        }
        assert_eq!(Place::of(&SEQUENCE, 3, &IDS).within(&[0, 1], &[55, 66]), 1, "nobody is known: the same position");
        assert_eq!(Place::of(&SEQUENCE, 3, &IDS).within(&[], &[]), 0);
        assert_eq!(Place::of(&[], 0, &[]).within(&SEQUENCE, &IDS), 0);
    }

    /// The sum that is kept step by step is the one that is meant.
    #[test]
    fn the_nearest_is_the_nearest() {
        let (ids, sequence) = ([33, 11, 22, 77], [1, 0, 1, 2, 1, 3, 0, 1, 2, 1]);
        for at in 0..SEQUENCE.len() {
            let place = Place::of(&SEQUENCE, at, &IDS);
            let distance = |at: usize| -> i64 {
                let there = Place::of(&sequence, at, &ids);
                let owed = |id: u64, place: &Place| {
                    place.current.iter().find(|(known, _)| *known == id).map_or(0, |(_, current)| i64::from(*current))
                };
                let off = |id: u64| owed(id, &there) - owed(id, &place) * 10 / 7;
                [11, 22, 33].map(|id| off(id) * off(id)).iter().sum()
            };
            let found = distance(place.within(&sequence, &ids));
            assert_eq!(found, (0..10).map(distance).min().expect("positions"), "from {at}");
        }
    }
}
