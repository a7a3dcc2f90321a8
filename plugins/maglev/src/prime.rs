//! Sizes that a table may have: prime, so that every backend's steps reach every slot.

/// The largest size, as Envoy's: 20 MB a worker.
const LARGEST: u32 = 5_000_011;

/// Whether a table may have this size.
///
/// # Errors
///
/// A sentence that proposes a size near it.
pub(crate) fn check(size: u32) -> Result<(), String> {
    if size > LARGEST {
        return Err(format!("`table_size` is {size}, and the largest is {LARGEST}"));
    }
    match (size.max(3)..).find(|number| is_prime(*number)) {
        Some(next) if next != size => Err(format!("`table_size` is {size}, which is no prime above 2: try {next}")),
        _ => Ok(()),
    }
}

fn is_prime(number: u32) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_no_prime_proposes_the_next() {
        for (size, next) in [(0, 3), (2, 3), (4, 5), (65_536, 65_537), (65_538, 65_539), (655_360, 655_373)] {
            let error = check(size).expect_err("no prime");
            assert!(error.ends_with(&format!("try {next}")), "{error}");
        }
        assert!(check(5_000_012).expect_err("too large").contains("5000011"));
        assert!(check(u32::MAX).is_err());
        for size in [3, 251, 65_537, 655_373, LARGEST] {
            check(size).expect("a prime");
        }
    }
}
