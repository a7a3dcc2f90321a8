//! What balancers and affinities have in common here: a question about a table, and what may be answered.

use super::{Bench, Failed, affinity};
use crate::decide::{
    Affinity, Balancer, Facts, Fault, Moment, Observer, Readiness, Row, Tabled, Verdict, check, check_found,
};
use crate::lab::clients::Client;
use crate::lab::world::Clock;
use crate::plugin::{AffinityInstance, BalancerInstance, Built, Cost};

/// An instance that is asked about a table.
pub(super) trait Asked: Built + Tabled + Observer {
    /// The function that is asked.
    const CALL: &'static str;

    /// Asks.
    fn ask(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>);

    /// Whether it may be answered.
    fn check(verdict: Verdict, readiness: &[Readiness], tried: &[u32]) -> Result<(), Fault>;

    /// What its table last cost.
    fn cost(&self) -> Cost;

    /// Its state; none: it has no `handoff`.
    fn save(&mut self) -> Result<Option<Vec<u8>>, Fault>;

    /// Has clients bound, where it binds any, to be asked about later.
    fn settle(&mut self, bench: &Bench<'_>, clock: &mut Clock, rows: &[Row]) -> Result<Vec<Client>, Failed>;

    /// Takes over a state.
    fn restore(&mut self, state: &[u8]) -> Result<(), Fault>;
}

/// What is the same for both.
macro_rules! asked {
    ($instance:ident, $call:ident, $check:ident, $settle:expr) => {
        impl Asked for $instance {
            const CALL: &'static str = stringify!($call);

            fn ask(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>) {
                self.$call(moment, facts)
            }

            fn check(verdict: Verdict, readiness: &[Readiness], tried: &[u32]) -> Result<(), Fault> {
                $check(verdict, readiness, tried)
            }

            fn cost(&self) -> Cost {
                $instance::cost(self)
            }

            fn save(&mut self) -> Result<Option<Vec<u8>>, Fault> {
                $instance::save(self)
            }

            fn settle(&mut self, bench: &Bench<'_>, clock: &mut Clock, rows: &[Row]) -> Result<Vec<Client>, Failed> {
                $settle(self, bench, clock, rows)
            }

            fn restore(&mut self, state: &[u8]) -> Result<(), Fault> {
                $instance::restore(self, state)
            }
        }
    };
}

asked!(BalancerInstance, pick, check, |_, _, _, _| Ok(Vec::new()));
asked!(AffinityInstance, find, check_found, affinity::settle);
