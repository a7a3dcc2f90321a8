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
        let untried = |(index, _): &&(u32, String)| !request::tried(*index);
        let wanted = request::header("x-backend");
        let named = wanted.and_then(|wanted| self.0.iter().filter(untried).find(|(_, id)| *id == wanted));
        let random = (((moment.random >> 32) * self.0.len() as u64) >> 32) as usize;
        let mut others = self.0[random..].iter().chain(&self.0[..random]);
        named.or_else(|| others.find(untried)).map_or(Verdict::Pass, |(index, _)| Verdict::Backend(*index))
    }
}

trimtab_sdk::export_balancer!(Steer);
