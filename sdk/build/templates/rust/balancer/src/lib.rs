//! A request with the header `x-backend: ID` goes to that backend, any other to a random one.

use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, request, settings};

/// The positions and ids of those that may be picked.
pub struct Steer(Vec<(u32, String)>);

impl Balancer for Steer {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self(Vec::new()), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        self.0 = candidates.map(|(index, backend)| (index, backend.id.clone())).collect();
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let untried: Vec<_> = self.0.iter().filter(|(index, _)| !request::tried(*index)).collect();
        let wanted = request::header("x-backend");
        let named = untried.iter().find(|(_, id)| wanted.as_ref() == Some(id));
        let random = (((moment.random >> 32) * untried.len() as u64) >> 32) as usize;
        named.or(untried.get(random)).map_or(Verdict::Pass, |(index, _)| Verdict::Backend(*index))
    }
}

trimtab_sdk::export_balancer!(Steer);
