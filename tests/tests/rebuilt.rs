//! Every committed component decides as the one built from its sources does, over 10⁵ recorded moments.
//!
//! Compilers make different bytes of the same source, so it is decisions that are compared. Both run in
//! the plugin host of the shipped binary and see the same tables, numbers and facts; only the first
//! difference is told, with all that the two were given since their last table.

#[path = "rebuilt/guest.rs"]
mod guest;
#[path = "rebuilt/record.rs"]
mod record;

use guest::Guest;
use record::{Event, Record};
use trimtab::decide::{Facts, Row};
use trimtab::plugin::{BUILT_IN, Registry, RegistryOptions, Source};
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
        let committed = Guest::new(&registry, name, Source::BuiltIn);
        let again = Guest::new(&registry, name, Source::File(rebuilt::component(name)));
        compare(name, [committed, again]);
    }
}

fn compare(name: &str, mut guests: [Guest; 2]) {
    let mut record = Record::new(SEED);
    let mut facts = Box::new(Facts::default());
    let (mut since_table, mut backends) = (Vec::new(), 0);
    let (mut table, mut cookie): (Vec<Row>, Option<String>) = (Vec::new(), None);
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
        let rebuilt = matches!(event, Event::Update(_));
        let answers = guests.each_mut().map(|guest| match &event {
            Event::Update(rows) | Event::Adjust(rows) => guest.tell(rows, rebuilt).map(|answer| (answer, None)),
            Event::Pick(pick) => guest.ask(pick, &table, &mut facts, cookie.as_deref()),
        });
        let [committed, again] =
            answers.map(|answer| answer.unwrap_or_else(|fault| panic!("{}", told(fault.to_string()))));
        if committed != again {
            panic!("{}", told(format!("committed {committed:?}, rebuilt {again:?}")));
        }
        match event {
            Event::Update(rows) | Event::Adjust(rows) => table = rows,
            Event::Pick(_) => {
                backends += usize::from(committed.0.starts_with("Backend"));
                cookie = committed.1.or(cookie);
                moments += 1;
            }
        }
    }
    // Hash balancers pass on a moment without a key, and half of the moments have one.
    let enough = backends > MOMENTS / 3 || !guests[0].is_balancer();
    assert!(enough, "{name}: only {backends} of {MOMENTS} moments had a backend to pick");
}
