//! The shares of draws: exact where they can be counted, by frequency where not.

use super::*;

fn draw(weights: &[u32]) -> Draw {
    Draw::new((0..).zip(weights).map(|(index, weight)| Candidate { index, weight: *weight }))
}

/// Parts of the chance of each candidate; all together are `len × total`.
fn parts(draw: &Draw) -> Vec<u64> {
    let mut parts = vec![0; draw.len()];
    for (at, column) in draw.columns.iter().enumerate() {
        parts[at] += column.threshold;
        parts[column.other as usize] += draw.total - column.threshold;
    }
    parts
}

fn assert_exact(weights: &[u32]) {
    let draw = draw(weights);
    let expected: Vec<u64> =
        weights.iter().filter(|weight| **weight > 0).map(|weight| u64::from(*weight) * draw.len() as u64).collect();
    assert_eq!(parts(&draw), expected, "{weights:?}");
}

#[test]
fn shares_are_exactly_the_weights() {
    assert_exact(&[]);
    assert_exact(&[0]);
    assert_exact(&[7]);
    assert_exact(&[1, 1, 1]);
    assert_exact(&[0, 65_535, 0, 1]);
    let mut bits = Bits::new(1);
    for _ in 0..300 {
        let len = below(40, bits.next());
        let weights: Vec<u32> = (0..len).map(|_| below(65_536, bits.next()) as u32).collect();
        assert_exact(&weights);
    }
    let many: Vec<u32> = (0..10_000).map(|_| below(65_536, bits.next()) as u32).collect();
    assert_exact(&many);
}

#[test]
fn one_follows_the_weights() {
    let draw = draw(&[5, 0, 1, 2]);
    let mut bits = Bits::new(7);
    let mut counts = [0.0f64; 4];
    for _ in 0..80_000 {
        counts[draw.one(bits.next()).expect("candidates").index as usize] += 1.0;
    }
    for (count, expected) in counts.iter().zip([50_000.0, 0.0, 10_000.0, 20_000.0]) {
        // Five standard deviations.
        assert!((count - expected).abs() <= 5.0 * f64::sqrt(expected), "{counts:?}");
    }
}

#[test]
fn the_ends_of_the_range_are_candidates() {
    let draw = draw(&[3, 9, 1]);
    for bits in [0, 1, u64::MAX / 3, u64::MAX / 3 + 1, u64::MAX - 1, u64::MAX] {
        assert!(draw.one(bits).is_some_and(|candidate| candidate.index < 3), "{bits}");
    }
    assert_eq!(super::Draw::default().one(u64::MAX), None);
}

#[test]
fn another_draws_everybody_once_and_then_nobody() {
    let draw = draw(&[65_535, 1, 1, 40_000, 2]);
    let mut drawn = Drawn::default();
    for seed in 0..1_000 {
        drawn.clear();
        let mut bits = Bits::new(seed);
        let mut order: Vec<u32> =
            std::iter::from_fn(|| draw.another(&mut bits, &mut drawn)).map(|candidate| candidate.index).collect();
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}

/// The pairs of two draws without putting back have known chances: wᵢ/W × wⱼ/(W − wᵢ).
#[test]
fn another_follows_the_weights_of_those_left() {
    let weights = [6.0, 3.0, 2.0, 1.0];
    let draw = draw(&[6, 3, 2, 1]);
    let (mut bits, mut drawn) = (Bits::new(3), Drawn::default());
    let mut counts = [[0.0f64; 4]; 4];
    let times = 120_000.0;
    for _ in 0..times as u32 {
        drawn.clear();
        let first = draw.another(&mut bits, &mut drawn).expect("four candidates");
        let second = draw.another(&mut bits, &mut drawn).expect("four candidates");
        counts[first.index as usize][second.index as usize] += 1.0;
    }
    for (i, first) in weights.iter().enumerate() {
        for (j, second) in weights.iter().enumerate() {
            let chance = if i == j { 0.0 } else { first / 12.0 * second / (12.0 - first) };
            let expected: f64 = times * chance;
            assert!((counts[i][j] - expected).abs() <= 5.0 * expected.sqrt(), "{i} then {j}: {counts:?}");
        }
    }
}
