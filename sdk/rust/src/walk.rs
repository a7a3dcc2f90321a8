//! Who may take a request, asked of one backend after the other in an order of the plugin's own: the
//! points of a ring, the slots of a table, scores.
//!
//! A plugin that hashes has an order over *all* backends and keeps it while backends go down and come
//! back; [`Walk`] knows who of them is a candidate now, was not tried, and is within the
//! [`Bound`]. So an outage moves the keys of the backend that is out, and no others. The order itself
//! is the plugin's.
//!
//! ```
//! # use trimtab_sdk::testing::{backends, moments, with_request, Request};
//! use trimtab_sdk::{Verdict, walk::Walk};
//!
//! let mut walk = Walk::default();
//! walk.update(&backends(&[("a", 0), ("b", 1), ("c", 1)]));
//! let moment = moments(1).next().expect("a moment");
//! let verdict = walk.pick(&moment, |asking| asking.first([0, 1, 2]));
//! assert_eq!(verdict, Verdict::Backend(1), "`a` has no weight");
//! ```

use crate::bounded::{self, Bound};
use crate::{Backend, Moment, Verdict, load, request};

/// The backends as a walk sees them.
#[derive(Debug, Default)]
pub struct Walk {
    bound: Bound,
    rows: Vec<Row>,
    /// Rows that are candidates, and the sum of their weights.
    candidates: u32,
    weight: u64,
    /// Number of the search that runs.
    search: u32,
}

#[derive(Debug)]
struct Row {
    weight: u32,
    candidate: bool,
    /// The last search in which it was asked and could not take the request.
    refused: u32,
}

impl Walk {
    /// Within this bound.
    pub fn new(bound: Bound) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Takes over weights and readiness. One pass over the table: for `update` and `adjust`.
    pub fn update(&mut self, backends: &[Backend]) {
        let row = |b: &Backend| Row { weight: b.weight, candidate: b.is_candidate(), refused: 0 };
        self.rows.clear();
        self.rows.extend(backends.iter().map(row));
        self.search = 0;
        let candidates = self.rows.iter().filter(|row| row.candidate);
        (self.candidates, self.weight) =
            candidates.fold((0, 0), |(count, weight), row| (count + 1, weight + u64::from(row.weight)));
    }

    /// Picks what `search` finds; passes where it finds nobody.
    ///
    /// `search` goes through the plugin's order, from what this request prefers, and answers the first
    /// that takes it. It runs a second time without the bound if nobody is within it: the bound never
    /// costs a request.
    #[inline]
    pub fn pick(&mut self, moment: &Moment, mut search: impl FnMut(&mut Asking<'_>) -> Option<u32>) -> Verdict {
        if self.candidates == 0 {
            return Verdict::Pass;
        }
        let retry = moment.attempt > 0;
        let mut found = None;
        if self.bound.is_set() {
            let per_weight = self.bound.per_weight(self.weight);
            found = search(&mut self.asking(retry, per_weight));
        }
        if found.is_none() {
            found = search(&mut self.asking(retry, None));
        }
        found.map_or(Verdict::Pass, Verdict::Backend)
    }

    #[inline]
    fn asking(&mut self, retry: bool, per_weight: Option<f64>) -> Asking<'_> {
        // 0 is never: rows begin with it. After 2³² searches a refusal of the distant past may be
        // mistaken for one of now; it costs that request its favourite, nothing else.
        self.search = self.search.wrapping_add(1).max(1);
        Asking { rows: &mut self.rows, search: self.search, left: self.candidates, retry, per_weight }
    }
}

/// One search: whom to ask.
#[derive(Debug)]
pub struct Asking<'a> {
    rows: &'a mut [Row],
    search: u32,
    /// Candidates that have not refused yet.
    left: u32,
    retry: bool,
    per_weight: Option<f64>,
}

impl Asking<'_> {
    /// Whether this backend takes the request. Who does not is remembered, so that a backend met again
    /// costs the host no second question.
    #[inline]
    pub fn takes(&mut self, index: u32) -> bool {
        let Some(row) = self.rows.get_mut(index as usize) else { return false };
        if !row.candidate || row.refused == self.search {
            return false;
        }
        let free = !(self.retry && request::tried(index))
            && self.per_weight.is_none_or(|limit| bounded::admits(limit, row.weight, load::in_flight(index)));
        if !free {
            row.refused = self.search;
            self.left -= 1;
        }
        free
    }

    /// Whether this backend may take requests at all. Asks the host nothing.
    #[inline]
    pub fn is_candidate(&self, index: u32) -> bool {
        self.rows.get(index as usize).is_some_and(|row| row.candidate && row.refused != self.search)
    }

    /// The first of this order that takes it. Ends with the order, or as soon as all have refused.
    #[inline]
    pub fn first(&mut self, order: impl IntoIterator<Item = u32>) -> Option<u32> {
        for index in order {
            if self.takes(index) {
                return Some(index);
            }
            if self.left == 0 {
                break;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Readiness;
    use crate::testing::{Load, Request, backends, moments, set_load, with_request};

    fn pick(walk: &mut Walk, tried: &[u32], order: &[u32]) -> Option<u32> {
        let moment = Moment { attempt: tried.len() as u32, ..moments(1).next().expect("a moment") };
        let request = Request { tried: tried.to_vec(), ..Request::get("/") };
        let order = order.iter().copied();
        match with_request(&request, || walk.pick(&moment, |asking| asking.first(order.clone()))) {
            Verdict::Backend(index) => Some(index),
            _ => None,
        }
    }

    #[test]
    fn only_candidates_that_were_not_tried_take_it() {
        let mut walk = Walk::default();
        let mut table = backends(&[("a", 1), ("b", 0), ("c", 1), ("d", 1)]);
        table[0].readiness = Readiness::Draining;
        walk.update(&table);
        let order = [9, 0, 1, 2, 2, 3];
        assert_eq!(pick(&mut walk, &[], &order), Some(2));
        assert_eq!(pick(&mut walk, &[2], &order), Some(3));
        assert_eq!(pick(&mut walk, &[2, 3], &order), None);
        assert_eq!(pick(&mut walk, &[], &order), Some(2), "refusals are those of one search");
        walk.update(&[]);
        assert_eq!(pick(&mut walk, &[], &order), None);
    }

    #[test]
    fn it_ends_when_all_have_refused() {
        let mut walk = Walk::default();
        walk.update(&backends(&[("a", 1), ("b", 1)]));
        let moment = Moment { attempt: 2, ..moments(1).next().expect("a moment") };
        let request = Request { tried: vec![0, 1], ..Request::get("/") };
        let mut steps = 0;
        let endless = (0u64..).map(|step| {
            steps += 1;
            (step % 2) as u32
        });
        let mut endless = Some(endless);
        let search = |asking: &mut Asking<'_>| asking.first(endless.take()?);
        assert_eq!(with_request(&request, || walk.pick(&moment, search)), Verdict::Pass);
        assert_eq!(steps, 2);
    }

    #[test]
    fn what_is_too_much_goes_to_the_next_and_never_to_nobody() {
        let mut walk = Walk::new(Bound::new(Some(1.25)).expect("a factor"));
        walk.update(&backends(&[("a", 1), ("b", 1), ("c", 2)]));
        // 12 in flight and this one: 13 × 1.25 ÷ 4 is 4.06 a unit of weight.
        set_load(Load { in_flight: vec![5, 4, 3], ..Load::default() });
        assert_eq!(pick(&mut walk, &[], &[0, 1, 2]), Some(1));
        set_load(Load { in_flight: vec![5, 5, 2], ..Load::default() });
        assert_eq!(pick(&mut walk, &[], &[0, 1, 2]), Some(2));
        assert_eq!(pick(&mut walk, &[2], &[0, 1, 2]), Some(0), "a request is worth more than the bound");
    }
}
