//! The cookie `backend` has the id of the backend that answered: a request with it goes there again.

use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Readiness, Verdict, request};

/// The ids of all backends, and whether they are there.
pub struct Steer(Vec<(String, bool)>);

impl Affinity for Steer {
    /// The settings have `secret` in them, as those of any affinity: this one does not need it.
    fn configure(_settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        Ok((Self(Vec::new()), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        let seat = |backend: &Backend| (backend.id.clone(), backend.readiness != Readiness::Down);
        self.0 = backends.iter().map(seat).collect();
    }

    fn find(&mut self, _moment: Moment) -> Verdict {
        let Some(bound) = request::cookie("backend") else { return Verdict::Pass };
        let mut seats = (0..).zip(&self.0);
        let found = seats.find(|(index, (id, is_there))| *id == bound && *is_there && !request::tried(*index));
        found.map_or(Verdict::Pass, |(index, _)| Verdict::Backend(index))
    }

    fn bind(&mut self, _moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
        let seat = self.0.get(backend as usize).filter(|_| found != Some(backend));
        let set = |id: &String| ("set-cookie".to_owned(), format!("backend={id}; Path=/; HttpOnly; SameSite=Lax"));
        seat.map(|(id, _)| set(id)).into_iter().collect()
    }
}

trimtab_sdk::export_affinity!(Steer);
