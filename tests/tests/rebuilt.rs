//! Every committed component decides as the one built from its sources does, over 10⁵ recorded moments.
//!
//! Compilers make different bytes of the same source, so it is decisions that are compared. Both run in
//! the plugin host of the shipped binary and see the same tables, numbers and facts; only the first
//! difference is told, with all that the two were given since their last table.

#[path = "rebuilt/record.rs"]
mod record;

use std::sync::Arc;

use record::{Event, Pick, Record};
use trimtab::config::PluginLimits;
use trimtab::decide::{Balancer, Facts, Fault, PoolLoad, Verdict, check};
use trimtab::plugin::{BUILT_IN, Instance, Registry, RegistryOptions, Seat, Source};
use trimtab_tests::rebuilt;

const MOMENTS: usize = 100_000;
/// Any: a failure names it.
const SEED: u64 = 0x7472_696d_7461_6200;

#[test]
#[ignore = "needs components built from their sources: tests/run builds them and runs this"]
fn rebuilt_components_decide_as_the_committed_ones() {
    let registry = Registry::new(RegistryOptions::default()).expect("an engine");
    let _activity = registry.activity();
    for name in BUILT_IN {
        let committed = build(&registry, name, Source::BuiltIn);
        let again = build(&registry, name, Source::File(rebuilt::component(name)));
        compare(name, [committed, again]);
    }
}

fn build(registry: &Registry, name: &str, source: Source) -> Instance {
    let definition = registry.load_blocking(name.into(), source, PluginLimits::default()).expect("it loads");
    let seat = Seat {
        definition,
        pool: "web".into(),
        worker: 0,
        workers: 2,
        settings: "{}".into(),
        keys: Vec::new(),
        load: Arc::new(PoolLoad::default()),
        rows: Arc::new([]),
    };
    registry.build_blocking(seat).expect("it starts")
}

fn compare(name: &str, mut instances: [Instance; 2]) {
    let mut record = Record::new(SEED);
    let mut facts = Box::new(Facts::default());
    let (mut since_table, mut backends) = (Vec::new(), 0);
    let mut moments = 0;
    while moments < MOMENTS {
        let event = record.next();
        if matches!(event, Event::Update(_)) {
            since_table.clear();
        }
        since_table.push(event.to_string());
        let told = |what: String| {
            let table = since_table.join("\n  ");
            format!("{name}, moment {moments} of seed {SEED:#x}: {what}\n  {table}\n  loads: {}", record.loads())
        };
        let each = instances.iter_mut();
        match event {
            Event::Update(rows) => {
                let answers: Vec<_> = each.map(|instance| instance.update(&rows)).collect();
                assert!(answers.iter().all(Result::is_ok), "{}", told(format!("{answers:?}")));
            }
            Event::Adjust(weights, readiness) => {
                let answers: Vec<_> = each.map(|instance| instance.adjust(&weights, &readiness)).collect();
                assert!(answers.iter().all(Result::is_ok), "{}", told(format!("{answers:?}")));
            }
            Event::Pick(pick) => {
                let answers = each.map(|instance| ask(instance, &pick, &mut facts)).collect::<Result<Vec<_>, _>>();
                let answers = answers.unwrap_or_else(|fault| panic!("{}", told(fault.to_string())));
                let (committed, again) = (answers[0], answers[1]);
                if committed != again {
                    panic!("{}", told(format!("committed {committed:?}, rebuilt {again:?}")));
                }
                if let Err(fault) = check(committed, record.readiness(), &pick.tried) {
                    panic!("{}", told(fault.to_string()));
                }
                backends += usize::from(matches!(committed, Verdict::Backend(_)));
                moments += 1;
            }
        }
    }
    assert!(backends > MOMENTS / 2, "{name}: only {backends} of {MOMENTS} moments had a backend to pick");
}

fn ask(instance: &mut Instance, pick: &Pick, facts: &mut Box<Facts>) -> Result<Verdict, Fault> {
    let mut lent = std::mem::take(facts);
    pick.fill(&mut lent);
    let (back, answer) = instance.pick(pick.moment, lent);
    *facts = back;
    answer
}
