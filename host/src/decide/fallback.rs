//! The native answer where a plugin has none: dull, and never wrong.

use super::Readiness;

/// The next ready backend after `cursor` that was not tried, going round; none when there is none.
/// `cursor` moves to the answer, so that repeated calls spread over the ready ones.
pub fn next(cursor: &mut u32, readiness: &[Readiness], tried: &[u32]) -> Option<u32> {
    next_with(cursor, readiness, tried, Some)
}

/// The same, with what `take` answers for it; where that is none, it is not the one.
pub fn next_with<T>(
    cursor: &mut u32,
    readiness: &[Readiness],
    tried: &[u32],
    mut take: impl FnMut(u32) -> Option<T>,
) -> Option<T> {
    let len = u32::try_from(readiness.len()).ok().filter(|len| *len > 0)?;
    let start = cursor.wrapping_add(1) % len;
    let mut usable = (start..len)
        .chain(0..start)
        .filter(|index| readiness[*index as usize] == Readiness::Ready && !tried.contains(index));
    let (found, taken) = usable.find_map(|index| Some((index, take(index)?)))?;
    *cursor = found;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn readiness() -> impl Strategy<Value = Readiness> {
        prop_oneof![Just(Readiness::Ready), Just(Readiness::Draining), Just(Readiness::Down)]
    }

    proptest! {
        #[test]
        fn answers_a_ready_untried_backend_whenever_there_is_one(
            table in proptest::collection::vec(readiness(), 0..20),
            tried in proptest::collection::vec(0u32..20, 0..8),
            mut cursor in any::<u32>(),
        ) {
            let usable = |i: u32| table.get(i as usize) == Some(&Readiness::Ready) && !tried.contains(&i);
            match next(&mut cursor, &table, &tried) {
                Some(index) => prop_assert!(usable(index)),
                None => prop_assert!((0..table.len() as u32).all(|i| !usable(i))),
            }
        }

        #[test]
        fn goes_round(table in proptest::collection::vec(readiness(), 1..20)) {
            let ready = table.iter().filter(|r| **r == Readiness::Ready).count();
            let mut cursor = 0;
            let answers: Vec<_> = (0..ready).filter_map(|_| next(&mut cursor, &table, &[])).collect();
            let distinct: std::collections::BTreeSet<_> = answers.iter().collect();
            prop_assert_eq!(distinct.len(), ready);
        }
    }
}
