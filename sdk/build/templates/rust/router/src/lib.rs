//! A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's; any other to the route's own.

use trimtab_sdk::{Destination, Instance, Moment, Plan, Router, request, settings};

/// The names of the pools.
pub struct Steer(Vec<String>);

impl Router for Steer {
    fn configure(settings: &str, _instance: &Instance, pools: &[String]) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self(pools.to_vec()), Plan::default()))
    }

    fn route(&mut self, _moment: Moment) -> Destination {
        let Some(wanted) = request::header("x-pool") else { return Destination::Pass };
        let named = (0..).zip(&self.0).find(|(_, name)| **name == wanted);
        named.map_or(Destination::Pass, |(position, _)| Destination::Pool(position))
    }
}

trimtab_sdk::export_router!(Steer);
