//! What balancers do with requests in flight: read them the cheaper way, and compare them by weight.

use std::cmp::Ordering;

use crate::load;

/// Requests in flight of the backends that one decision looks at.
#[derive(Debug, Clone)]
pub enum InFlight {
    /// Asked of the host one by one.
    Single,
    /// Asked of the host at once, by index.
    All(Vec<u32>),
}

impl InFlight {
    /// For a decision that looks at so many backends, of a table of so many. The list costs as much
    /// as two or three single calls, and for each backend of the table a fortieth of one.
    pub fn read(looked_at: usize, table: usize) -> Self {
        if looked_at * 40 > table + 100 { Self::All(load::in_flight_all()) } else { Self::Single }
    }

    /// The number of this backend; 0 when out of range.
    #[inline]
    pub fn of(&self, index: u32) -> u32 {
        match self {
            Self::Single => load::in_flight(index),
            Self::All(list) => list.get(index as usize).copied().unwrap_or(0),
        }
    }
}

/// Compares two backends (requests in flight, and a weight above 0) by requests per weight, without a division.
#[inline]
pub fn by_weight((a, a_weight): (u32, u32), (b, b_weight): (u32, u32)) -> Ordering {
    (u64::from(a) * u64::from(b_weight)).cmp(&(u64::from(b) * u64::from(a_weight)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Load, set_load};

    #[test]
    fn both_ways_read_the_same() {
        set_load(Load { in_flight: vec![4, 0, 9], ..Load::default() });
        let ways = [InFlight::read(2, 1_000), InFlight::read(3, 3)];
        assert!(matches!(ways, [InFlight::Single, InFlight::All(_)]));
        for way in ways {
            assert_eq!([0, 1, 2, 3].map(|index| way.of(index)), [4, 0, 9, 0]);
        }
    }

    #[test]
    fn weights_divide() {
        assert_eq!(by_weight((3, 3), (1, 1)), Ordering::Equal);
        assert_eq!(by_weight((3, 2), (1, 1)), Ordering::Greater);
        assert_eq!(by_weight((0, 1), (0, 65_535)), Ordering::Equal);
        assert_eq!(by_weight((u32::MAX, 1), (u32::MAX, u32::MAX)), Ordering::Greater);
    }
}
