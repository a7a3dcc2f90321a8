//! What the built-in plugins cost and how well they spread: `cargo bench -p trimtab --bench plugins`.
//!
//! An argument picks the rows of which the title contains it; `--write` puts all tables onto `plugins/README.md`, which
//! says what they mean. The components are those of the binary, in the sandboxes of the host: from the hash of the key to
//! the checked answer. What the host alone costs is in `decision.rs`.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a benchmark prints and may stop")]

#[path = "plugins/cases.rs"]
mod cases;
#[path = "plugins/decisions.rs"]
mod decisions;
#[path = "plugins/page.rs"]
mod page;
#[path = "plugins/quality.rs"]
mod quality;
#[path = "plugins/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Instant;

use trimtab::decide::{PoolLoad, Shaper as _};
use trimtab::lab::bench::decisions::Question;
use trimtab::lab::bench::timing::{self, Case, Telling, median, telling};
use trimtab::lab::spread::{Loss, Moved};
use trimtab::plugin::{AffinityInstance, BalancerInstance, Registry, RegistryOptions, ShaperInstance};

use cases::{AFFINITIES, BALANCERS, ROUTERS, SHAPERS};
use page::{milliseconds, nanoseconds, table};
use world::{Weights, rows};

const SIZES: [usize; 3] = [3, 100, 10_000];
const LARGE: usize = 10_000;
const QUESTIONS: [(Question, &str); 4] = [
    (Question::Find, "`find`, bound"),
    (Question::FindNew, "`find`, new client"),
    (Question::Bind, "`bind`, first response"),
    (Question::BindAgain, "`bind`, later"),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut wanted, mut write) = (String::new(), false);
    arguments.by_ref().for_each(|argument| match &*argument {
        "--write" => write = true,
        "--bench" => {}
        _ => wanted = argument,
    });
    let wanted = |title: &str| title.contains(&wanted);
    let machine = page::machine();
    let registry = Registry::new(RegistryOptions::default()).unwrap();
    let _activity = registry.activity();
    let parts = [decisions(&registry, &wanted), tables(&registry, &wanted), quality(&registry, &wanted)];
    let figures = format!("`cargo bench -p trimtab --bench plugins` on {machine}.\n\n{}", parts.concat());
    println!("{figures}");
    if write {
        page::write(&figures);
    }
}

/// Nanoseconds of decisions.
fn decisions(registry: &Registry, wanted: &dyn Fn(&str) -> bool) -> String {
    let balancers: Vec<_> = BALANCERS.iter().filter(|case| wanted(case.title)).collect();
    let affinities: Vec<_> = AFFINITIES.iter().filter(|case| wanted(case.plugin)).collect();
    let routers: Vec<_> = ROUTERS.iter().filter(|(title, _)| wanted(title)).collect();
    let mut timed = Vec::new();
    for case in &balancers {
        timed.extend(SIZES.map(|backends| Case::new(decisions::pick(registry, case, backends)).unwrap()));
    }
    for case in &affinities {
        for (question, _) in QUESTIONS {
            let work = |backends| Case::new(decisions::affinity(registry, case, backends, question)).unwrap();
            timed.extend(SIZES.map(work));
        }
    }
    timed.extend(routers.iter().map(|(_, place)| Case::new(decisions::route(registry, place)).unwrap()));
    let count = timed.len();
    timing::run(&mut timed, timing::ROUNDS, |round| eprintln!("round {round}/{}: {count} cases", timing::ROUNDS))
        .unwrap();

    let mut costs = timed.iter().map(|case| nanoseconds(case.best));
    let mut row = |title: String, count: usize| [title].into_iter().chain(costs.by_ref().take(count)).collect();
    let picks: Vec<Vec<_>> = balancers.iter().map(|case| row(case.title.to_owned(), SIZES.len())).collect();
    let mut finds = Vec::new();
    for case in &affinities {
        finds.extend(QUESTIONS.map(|(_, title)| row(format!("{}: {title}", case.plugin), SIZES.len())));
    }
    let routes: Vec<Vec<_>> = routers.iter().map(|(title, _)| row((*title).to_owned(), 1)).collect();
    let head = |first| [first, "3 backends", "100", "10 000"];
    let section =
        |table: String| if table.is_empty() { table } else { format!("Nanoseconds, median (p10):\n\n{table}") };
    section(
        [table(&head("balancer"), &picks), table(&head("affinity"), &finds), table(&["router", "any"], &routes)]
            .concat(),
    )
}

/// Milliseconds of changes of the table.
fn tables(registry: &Registry, wanted: &dyn Fn(&str) -> bool) -> String {
    let mut told = Vec::new();
    let mut row = |title: &str, telling: Telling| {
        told.push(
            [title.to_owned()]
                .into_iter()
                .chain([telling.first, telling.update, telling.adjust].map(milliseconds))
                .collect(),
        );
    };
    for case in BALANCERS.iter().filter(|case| wanted(case.title) && case.is_of_tables()) {
        let (rows, load) = (rows(LARGE, case.weights), Arc::new(PoolLoad::new(1)));
        let mut instance: BalancerInstance = case.place().seat(registry, &rows, &load);
        row(case.title, telling(&mut instance, &rows, BalancerInstance::cost).unwrap());
    }
    for case in AFFINITIES.iter().filter(|case| wanted(case.plugin)) {
        let (rows, load) = (rows(LARGE, Weights::Equal), Arc::new(PoolLoad::new(1)));
        let mut instance: AffinityInstance = case.place().seat(registry, &rows, &load);
        row(case.plugin, telling(&mut instance, &rows, AffinityInstance::cost).unwrap());
    }
    let mut shaped = Vec::new();
    for place in SHAPERS.iter().filter(|place| wanted(place.plugin)) {
        let mut cells = vec![place.plugin.to_owned()];
        for backends in SIZES {
            let (rows, load) = (rows(backends, Weights::Equal), Arc::new(PoolLoad::new(1)));
            let mut instance: ShaperInstance = place.seat(registry, &rows, &load);
            let shape = |_| {
                let start = Instant::now();
                instance.shape(&rows).unwrap();
                start.elapsed()
            };
            cells.push(format!("{:.3}", median((0..11).map(shape).collect()).as_secs_f64() * 1e3));
        }
        shaped.push(cells);
    }
    let section = |text: &str, table: String| if table.is_empty() { table } else { format!("{text}\n\n{table}") };
    let head = ["ms, 10 000 backends", "first `update`", "`update`", "`adjust`"];
    let changes = section("Changes of the table:", table(&head, &told));
    changes + &section("Shapers:", table(&["ms for `shape`", "3 backends", "100", "10 000"], &shaped))
}

/// Evenness, and what moves.
fn quality(registry: &Registry, wanted: &dyn Fn(&str) -> bool) -> String {
    let (mut even, mut moved) = (Vec::new(), Vec::new());
    let losses = [(10, Loss::Removed), (10, Loss::Down), (100, Loss::Removed), (100, Loss::Down)];
    let share = |moved: Moved| format!("{:.2} ({:.2})", moved.all * 100.0, moved.needless * 100.0);
    for case in BALANCERS.iter().filter(|case| wanted(case.title) && case.is_of_spread()) {
        eprintln!("quality of {}", case.title);
        let evenness = quality::evenness(registry, case);
        even.push(vec![
            case.title.to_owned(),
            format!("{:.3}", evenness.picks.unwrap()),
            format!("{:.2}", evenness.in_flight),
        ]);
        if case.hashes() && case.settings == "{}" && case.weights == Weights::Equal {
            let shares = losses.map(|(of, loss)| share(quality::keys_moved(registry, case, of, loss)));
            moved.push([case.title.to_owned()].into_iter().chain(shares).collect());
        }
    }
    for case in AFFINITIES.iter().filter(|case| wanted(case.plugin)) {
        let shares = losses.map(|(of, loss)| share(quality::clients_moved(registry, case, of, loss)));
        moved.push([case.plugin.to_owned()].into_iter().chain(shares).collect());
    }
    let section = |text: &str, table: String| if table.is_empty() { table } else { format!("{text}\n\n{table}") };
    let mut text = section(
        "Imbalance over 1 000 000 picks, max ÷ mean of ten backends:",
        table(&["balancer", "picks", "in flight"], &even),
    );
    let head = ["% moved (needlessly)", "one of 10 removed", "one of 10 down", "one of 100 removed", "one of 100 down"];
    text += &section("Keys and clients that move:", table(&head, &moved));
    if wanted("split") {
        let (share, moved) = quality::canary(registry);
        let (share, moved) = (share * 100.0, moved * 100.0);
        text += &format!(
            "`split` gives a canary of 5 % its {share:.2} % of 1 000 000 keys; when it becomes 10 %, {moved:.2} % of them move.\n\n"
        );
    }
    text
}
