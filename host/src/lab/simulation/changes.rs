//! What happens to backends, who is told of it and what that moves; and what is seen from time to time.

use std::collections::HashMap;
use std::sync::Arc;

use super::scenario::What;
use super::statistics::{Disruption, Figures, SLICES, over_mean};
use super::steering::BadEntrant;
use super::{Event, World};
use crate::decide::{OutcomeKind, Readiness};

impl World<'_> {
    /// An event of the description.
    pub(super) fn happen(&mut self, number: usize) -> Result<(), BadEntrant> {
        let event = &self.scenario.events[number];
        let Some(backend) = self.roster.iter().position(|row| *row.id == *event.backend) else { return Ok(()) };
        let what = format!("{} {}", event.what.as_str(), event.backend);
        match event.what {
            What::Down => {
                for slot in self.servers[backend].fall() {
                    self.roster[backend].load.failed();
                    self.leave(slot, OutcomeKind::Reset);
                    self.end_of(slot, Some(&mut |figures: &mut Figures| figures.failed += 1));
                }
                self.at(self.now + self.scenario.detection.as_micros() as u64, Event::Known(backend));
            }
            What::Up => {
                self.servers[backend].is_up = true;
                self.at(self.now + self.scenario.detection.as_micros() as u64, Event::Known(backend));
            }
            What::Slow => self.servers[backend].factor = event.factor.unwrap_or(1.0),
            What::Drain => {
                self.roster[backend].readiness = Readiness::Draining;
                return self.tell(false, &what);
            }
            What::Remove | What::Add => {
                self.present[backend] = event.what == What::Add;
                return self.tell(true, &what);
            }
        }
        Ok(())
    }

    /// Tells the table, and looks what that has moved.
    pub(super) fn tell(&mut self, is_another: bool, what: &str) -> Result<(), BadEntrant> {
        let keys = self.scenario.keys.population;
        let before = self.steering.probe(keys, self.now);
        self.table();
        self.steering.tell(is_another, self.now)?;
        let after = self.steering.probe(keys, self.now);
        if let (Some(before), Some(after)) = (before, after) {
            let is_ready =
                |id: &Arc<str>| self.steering.rows.iter().any(|row| row.id == *id && row.readiness == Readiness::Ready);
            let ready: HashMap<_, _> = before.iter().flatten().map(|id| (id, is_ready(id))).collect();
            let (mut moved, mut needless) = (0u32, 0u32);
            for (before, after) in before.iter().zip(&after) {
                let has_moved = before != after;
                moved += u32::from(has_moved);
                needless += u32::from(has_moved && before.as_ref().is_some_and(|id| ready[id]));
            }
            let share = |count: u32| f64::from(count) / before.len().max(1) as f64;
            let (moved, needless) = (share(moved), share(needless));
            self.figures.disruptions.push(Disruption { at_us: self.now, what: what.into(), moved, needless });
        }
        Ok(())
    }

    /// Puts together those that are there.
    pub(super) fn table(&mut self) {
        self.mark();
        self.members = (0..self.roster.len()).filter(|backend| self.present[*backend]).collect();
        self.positions = vec![None; self.roster.len()];
        for (position, backend) in self.members.iter().enumerate() {
            self.positions[*backend] = Some(position as u32);
        }
        self.steering.rows = self.members.iter().map(|backend| self.roster[*backend].clone()).collect();
    }

    /// Counts how even the responses were since the last change, of those that the table then had ready.
    fn mark(&mut self) {
        let rows = self.members.iter().zip(&self.steering.rows);
        let ready = rows.filter(|(_, row)| row.readiness == Readiness::Ready);
        let parts =
            ready.map(|(member, row)| ((self.figures.served[*member] - self.marked[*member]) as f64, row.weight));
        let answered: f64 = parts.clone().map(|(count, _)| count).sum();
        self.spread.0 += over_mean(parts) * answered;
        self.spread.1 += answered;
        self.marked.clone_from(&self.figures.served);
    }

    /// Sees what is in flight.
    pub(super) fn observe(&mut self) {
        let slice = (self.now * SLICES as u64 / self.end) as usize;
        let Some((sums, seen)) = self.seen.get_mut(slice) else { return };
        for (sum, row) in sums.iter_mut().zip(&self.roster) {
            *sum += f64::from(row.load.in_flight());
        }
        *seen += 1;
        let ready = self.steering.rows.iter().filter(|row| row.readiness == Readiness::Ready);
        let ready = ready.map(|row| (f64::from(row.load.in_flight()), row.weight));
        if ready.clone().any(|(in_flight, _)| in_flight > 0.0) {
            self.peaks.0 += over_mean(ready);
            self.peaks.1 += 1;
        }
    }

    /// The figures, in the end.
    pub(super) fn close(mut self) -> Figures {
        self.mark();
        let mut figures = self.figures;
        (figures.faults, figures.fallbacks) = (self.steering.faults, self.steering.fallbacks);
        let average = |(sum, of): (f64, f64)| if of == 0.0 { 1.0 } else { sum / of };
        figures.imbalance = (average(self.spread), average((self.peaks.0, f64::from(self.peaks.1))));
        let mean = |(sums, seen): (Vec<f64>, u32)| {
            sums.into_iter().map(|sum| (sum / f64::from(seen.max(1))) as f32).collect::<Vec<_>>()
        };
        figures.in_flight = self.seen.into_iter().map(mean).collect();
        figures
    }
}
