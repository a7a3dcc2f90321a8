//! One period of picks that gives every candidate its share, as evenly spread as possible.

/// Longest sequence that is worked out as nginx does (1 MiB of memory)…
const LONGEST: u64 = 1 << 18;
/// …and the most steps spent on it, each a compare and an addition: far below the deadline of an `update`.
const MOST_STEPS: u64 = 1 << 22;
/// Positions of a sequence whose exact period is too long. Shares are then rounded to one position.
const ROUNDED: u64 = 1 << 16;

/// The indexes of the candidates (index and weight, above 0) in the order of picks.
///
/// It is exactly nginx's smooth sequence, as long as the sum of the weights divided by their greatest
/// common divisor allows: 262 144 positions, and 4 194 304 if multiplied by the number of candidates.
/// Beyond that weights are scaled down (to 1 at least) and each candidate's picks are evenly spaced.
pub fn sequence(candidates: &[(u32, u32)]) -> Vec<u32> {
    let divisor = candidates.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
    let reduced: Vec<_> = candidates.iter().map(|(index, weight)| (*index, u64::from(weight / divisor))).collect();
    let period: u64 = reduced.iter().map(|(_, weight)| weight).sum();
    let count = reduced.len() as u64;
    if period <= LONGEST && period * count <= MOST_STEPS {
        return smooth(&reduced, period);
    }
    let positions = ROUNDED.max(8 * count);
    let scaled: Vec<_> =
        reduced.iter().map(|(index, weight)| (*index, (weight * positions).div_ceil(period))).collect();
    spaced(&scaled)
}

/// nginx's `ngx_http_upstream_get_peer`: everyone gains its weight, the first of the highest is picked
/// and pays the total.
fn smooth(candidates: &[(u32, u64)], period: u64) -> Vec<u32> {
    let total = period as i64;
    let mut current = vec![0i64; candidates.len()];
    let mut sequence = Vec::with_capacity(period as usize);
    for _ in 0..period {
        let (mut best, mut highest) = (0, i64::MIN);
        for (at, (_, weight)) in candidates.iter().enumerate() {
            current[at] += *weight as i64;
            if current[at] > highest {
                (best, highest) = (at, current[at]);
            }
        }
        current[best] -= total;
        sequence.push(candidates[best].0);
    }
    sequence
}

/// Candidate by candidate at equal distances, half a distance from the ends; ties in table order.
fn spaced(candidates: &[(u32, u64)]) -> Vec<u32> {
    // A place is a fraction of 32 bits, before the index: plain integers sort in half the time of pairs.
    let mut places: Vec<u64> = Vec::with_capacity(candidates.iter().map(|(_, weight)| *weight as usize).sum());
    for (index, weight) in candidates {
        let place = |nth: u64| ((2 * nth + 1) << 32) / (2 * weight);
        places.extend((0..*weight).map(|nth| (place(nth) << 32) | u64::from(*index)));
    }
    places.sort_unstable();
    places.into_iter().map(|place| place as u32).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
