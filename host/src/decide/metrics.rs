//! The numbers that a backend reports of itself, by name: what all workers heard last.
//!
//! Nobody waits for anybody: values are single atomics, and the list of names is immutable and swapped whole when a name
//! is new, which is rare. Two workers that hear different reports at once may leave some numbers of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

/// Names that are remembered of a backend; with more, only those of the newest report.
pub const MOST: usize = 64;

/// What one backend reports of itself.
#[derive(Debug, Default)]
pub struct Metrics {
    named: ArcSwapOption<Named>,
    /// By which the last report is known again; 0: there is none.
    last: AtomicU64,
}

#[derive(Debug)]
struct Named {
    names: Box<[Box<str>]>,
    /// Bits of an `f64`; not a number: it was not in the last report.
    values: Box<[AtomicU64]>,
}

impl Metrics {
    /// The last reported value; none if the last report had none.
    pub fn get(&self, name: &str) -> Option<f64> {
        let named = self.named.load();
        let named = named.as_ref()?;
        let value = f64::from_bits(named.values[named.position(name)?].load(Ordering::Relaxed));
        (!value.is_nan()).then_some(value)
    }

    /// Whether the last report has this number.
    pub fn is_last(&self, number: u64) -> bool {
        number != 0 && self.last.load(Ordering::Relaxed) == number
    }

    /// Takes a report, to be known again by a number (a hash of it, say): what is not in it, is not known any more. Beyond
    /// [`MOST`], what comes last is left out.
    pub fn report<N: AsRef<str>>(&self, report: &[(N, f64)], number: u64) {
        self.last.store(number, Ordering::Relaxed);
        let report = &report[..report.len().min(MOST)];
        let known = self.named.load_full();
        let named = match known {
            Some(named) if report.iter().all(|(name, _)| named.position(name.as_ref()).is_some()) => named,
            known => {
                let named = Arc::new(Named::with(known.as_deref(), report));
                self.named.store(Some(Arc::clone(&named)));
                named
            }
        };
        for (name, value) in named.names.iter().zip(&named.values) {
            // Reports are short, and of two values of one name the last counts.
            let said = report.iter().rev().find(|(said, _)| said.as_ref() == &**name);
            value.store(said.map_or(f64::NAN, |(_, value)| *value).to_bits(), Ordering::Relaxed);
        }
    }

    /// Nothing is known any more.
    pub fn clear(&self) {
        self.last.store(0, Ordering::Relaxed);
        self.named.store(None);
    }
}

impl Named {
    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The names of `known` and of a report, or of the report alone where they are too many.
    fn with<N: AsRef<str>>(known: Option<&Self>, report: &[(N, f64)]) -> Self {
        let mut names: Vec<Box<str>> = known.map(|known| known.names.to_vec()).unwrap_or_default();
        let add = |names: &mut Vec<Box<str>>| {
            for (name, _) in report {
                if !names.iter().any(|known| **known == *name.as_ref()) {
                    names.push(name.as_ref().into());
                }
            }
        };
        add(&mut names);
        if names.len() > MOST {
            names.clear();
            add(&mut names);
        }
        let values = names.iter().map(|_| AtomicU64::new(f64::NAN.to_bits())).collect();
        Self { names: names.into(), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts() {
        let metrics = Metrics::default();
        assert_eq!(metrics.get("cpu"), None);
        metrics.report(&[("cpu", 0.5), ("mem", 0.0)], 0);
        assert_eq!((metrics.get("cpu"), metrics.get("mem"), metrics.get("x")), (Some(0.5), Some(0.0), None));
        metrics.report(&[("mem", 0.2), ("x", 3.0), ("x", 4.0)], 0);
        assert_eq!((metrics.get("cpu"), metrics.get("mem"), metrics.get("x")), (None, Some(0.2), Some(4.0)));
        metrics.clear();
        assert_eq!(metrics.get("mem"), None);
    }

    #[test]
    fn names_are_as_many_as_may_be() {
        let metrics = Metrics::default();
        for round in 0..10 {
            let report: Vec<_> = (0..50).map(|n| (format!("{round}-{n}"), 1.0)).collect();
            metrics.report(&report, 0);
            assert_eq!(metrics.get(&format!("{round}-49")), Some(1.0));
        }
        let names = metrics.named.load_full().map_or(0, |named| named.names.len());
        assert!(names <= MOST, "{names}");
        let report: Vec<_> = (0..100).map(|n| (n.to_string(), 1.0)).collect();
        metrics.report(&report, 0);
        assert_eq!((metrics.get("63"), metrics.get("64")), (Some(1.0), None));
    }

    #[test]
    fn workers_report_at_once() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let metrics = &metrics;
                scope.spawn(move || {
                    for round in 0..2_000 {
                        metrics.report(&[("cpu", 1.0), (["a", "b", "c", "d"][(worker + round) % 4], 2.0)], 0);
                        let cpu = metrics.get("cpu");
                        assert!(cpu.is_none_or(|cpu| cpu == 1.0), "{cpu:?}");
                    }
                });
            }
        });
        metrics.report(&[("cpu", 3.0)], 0);
        assert_eq!((metrics.get("cpu"), metrics.get("a")), (Some(3.0), None));
    }
}
