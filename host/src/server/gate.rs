//! Who may decide where the configuration says `conformance = "strict"`: what passes a short `trimtab plugin test --strict`,
//! with the settings and the limits that it has in its place.
//!
//! The test has tables, clients and turns of its own: nothing that decides notices it. It runs on builder threads.

use std::sync::Arc;

use tracing::dispatcher::{Dispatch, with_default};

use crate::config::{Config, Conformance};
use crate::lab::conformance::{Finding, Options, Report, examine};
use crate::lab::subject::Subject;
use crate::plugin::{BuildError, BuildReason, Registry};
use crate::snapshot::{Element, Slot, Snapshot};

/// Whether a plugin has to pass.
pub(super) fn is_strict(config: &Config, plugin: &str) -> bool {
    config.plugins.get(plugin).is_some_and(|plugin| plugin.conformance == Conformance::Strict)
}

/// Tests plugins as these places of a snapshot use them; places that use one alike are tested once.
///
/// # Errors
/// The first that does not pass, with the property and the seed.
pub(super) async fn admit(
    registry: &Registry,
    snapshot: &Snapshot,
    places: impl IntoIterator<Item = (Slot, Arc<Element>)>,
) -> Result<(), BuildError> {
    let mut passed: Vec<(&str, Arc<Element>, Arc<[Arc<str>]>)> = Vec::new();
    for (slot, element) in places {
        let (role, pools) = (role(&slot), pools(snapshot, &slot));
        let alike = |(known_role, known, known_pools): &(&str, Arc<Element>, Arc<[Arc<str>]>)| {
            *known_role == role
                && *known_pools == pools
                && Arc::ptr_eq(&known.definition, &element.definition)
                && (&known.settings, &known.keys, &known.headers)
                    == (&element.settings, &element.keys, &element.headers)
        };
        if passed.iter().any(alike) {
            continue;
        }
        let (definition, place) = (Arc::clone(&element.definition), slot.to_string());
        let tested = test(registry, role, &element, Arc::clone(&pools)).await;
        if let Err(reason) = tested {
            return Err(BuildError::new(&definition, place, reason));
        }
        tracing::info!(plugin = %definition.name(), generation = definition.generation(), "keeps the contract as {role} of {place}");
        passed.push((role, element, pools));
    }
    Ok(())
}

async fn test(
    registry: &Registry,
    role: &'static str,
    element: &Element,
    pools: Arc<[Arc<str>]>,
) -> Result<(), BuildReason> {
    let subject = Subject {
        definition: Arc::clone(&element.definition),
        settings: Arc::clone(&element.settings),
        keys: element.keys.clone(),
    };
    let pools = pools.iter().map(|pool| pool.to_string()).collect();
    let options = Options { pools, headers: Some(Arc::clone(&element.headers)), ..Options::quick() };
    // What it says about tables that nobody has is for nobody.
    let silent = move || with_default(&Dispatch::none(), || examine(&subject, role, &options, |_| ()));
    let tested = registry.work(silent).await;
    let report = tested.unwrap_or(Err(BuildReason::NoAnswer))?;
    match report.objection(true) {
        Some(finding) => Err(BuildReason::Conformance(objection(&report, finding))),
        None => Ok(()),
    }
}

fn objection(report: &Report, finding: &Finding) -> String {
    let Finding { property, status, evidence } = finding;
    format!("`{property}` of a {} {}: {evidence}", report.role, status.as_str())
}

fn role(slot: &Slot) -> &'static str {
    match slot {
        Slot::Affinity(_) => "affinity",
        Slot::Balancer(..) => "balancer",
        Slot::Shaper(..) => "shaper",
        Slot::Router(_) => "router",
    }
}

/// The pools that a router chooses between.
fn pools(snapshot: &Snapshot, slot: &Slot) -> Arc<[Arc<str>]> {
    let Slot::Router(route) = slot else { return Arc::default() };
    let crossing = snapshot.crossings.iter().flatten().find(|crossing| crossing.name == *route);
    crossing.into_iter().flat_map(|crossing| crossing.numbers.iter()).map(|(name, _)| Arc::clone(name)).collect()
}
