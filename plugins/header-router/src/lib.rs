//! Header router: the value of a request header names the pool, by a table of values or prefixes.
//!
//! It asks nothing else: a pool is picked also when none of its backends is ready, since who names a pool wants that one.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_sdk::{Destination, Instance, Moment, Plan, Router, request, settings};

/// The header, and positions of pools.
#[derive(Debug)]
pub struct HeaderRouter {
    header: String,
    values: BTreeMap<String, u32>,
    /// Longest first.
    prefixes: Vec<(String, u32)>,
    default: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    header: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    prefix: BTreeMap<String, String>,
    default: Option<String>,
}

impl Router for HeaderRouter {
    fn configure(settings: &str, _instance: &Instance, pools: &[String]) -> Result<(Self, Plan), String> {
        let Settings { header, values, prefix, default } = settings::parse(settings)?;
        if header.is_empty() {
            return Err("`header` is empty: it must name the header to look at".to_owned());
        }
        if values.is_empty() && prefix.is_empty() {
            return Err("neither `values` nor `prefix` says where to go".to_owned());
        }
        let default = default.map(|pool| position(&pool, "`default`", pools)).transpose()?;
        let mut prefixes = positions(prefix, "`prefix`", pools)?;
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let values = positions(values, "`values`", pools)?.into_iter().collect();
        Ok((Self { header, values, prefixes, default }, Plan::default()))
    }

    fn route(&mut self, _moment: Moment) -> Destination {
        let named = request::header(&self.header).and_then(|value| self.named(&value));
        named.or(self.default).map_or(Destination::Pass, Destination::Pool)
    }
}

impl HeaderRouter {
    /// The whole value goes before a prefix, and a longer prefix before a shorter one.
    fn named(&self, value: &str) -> Option<u32> {
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| value.starts_with(prefix)).map(|(_, pool)| *pool);
        self.values.get(value).copied().or_else(by_prefix)
    }
}

/// Texts with the positions of their pools. `of` is the setting they are from.
fn positions(
    pools_by_text: BTreeMap<String, String>,
    of: &str,
    pools: &[String],
) -> Result<Vec<(String, u32)>, String> {
    pools_by_text.into_iter().map(|(text, pool)| position(&pool, of, pools).map(|position| (text, position))).collect()
}

fn position(pool: &str, of: &str, pools: &[String]) -> Result<u32, String> {
    let found = (0..).zip(pools).find(|(_, name)| *name == pool).map(|(position, _)| position);
    found.ok_or_else(|| format!("{of} names the pool `{pool}`, which is not in `pools`: {}", pools.join(", ")))
}

trimtab_sdk::export_router!(HeaderRouter);
