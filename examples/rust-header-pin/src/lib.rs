//! A request with the header `x-backend: ID` goes to that backend; any other to the one with the
//! fewest requests in flight.

use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, load, log, request, settings};

/// The candidates' indexes and ids.
pub struct HeaderPin(Vec<(u32, String)>);

impl Balancer for HeaderPin {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self(Vec::new()), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        self.0 = candidates.map(|(index, backend)| (index, backend.id.clone())).collect();
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let untried = || self.0.iter().filter(|(index, _)| moment.attempt == 0 || !request::tried(*index));
        if let Some(id) = request::header("x-backend") {
            if let Some((index, _)) = untried().find(|(_, candidate)| *candidate == id) {
                return Verdict::Backend(*index);
            }
            log::debug(&format!("no backend `{id}` is ready: picking another"));
        }
        // Ties are broken by chance, so that an idle pool does not send everything to its first backend.
        let least = untried().min_by_key(|(index, _)| (load::in_flight(*index), moment.random.rotate_left(*index * 7)));
        least.map_or(Verdict::Pass, |(index, _)| Verdict::Backend(*index))
    }
}

trimtab_sdk::export_balancer!(HeaderPin);
