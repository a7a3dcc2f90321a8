//! The work of each decision, to be timed: picks, finds, binds, routes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use trimtab::decide::{
    Affinity as _, Balancer as _, Facts, Head, Keyed, Moment, PoolLoad, Readiness, Router as _, Row, Verdict, check,
    check_found,
};
use trimtab::plugin::{AffinityInstance, BalancerInstance, Registry, RouterInstance};

use super::cases::{Affinity, Balancer, Busy, Session};
use super::timing::Work;
use super::world::{Clock, Place, Weights, request, rows};

/// Clients that take turns.
const CLIENTS: u32 = 64;
/// The cookie of the application.
const SESSION: &str = "JSESSIONID";

/// `pick` of a first try, with the hashing of its key and the check of its answer.
pub(crate) fn pick<'a>(registry: &Registry, case: &Balancer, backends: usize) -> Work<'a> {
    let (rows, load) = (rows(backends, case.weights), Arc::new(PoolLoad::new(1)));
    let instance: BalancerInstance = case.place().seat(registry, &rows, &load);
    occupy(&rows, &load, case.busy);
    let readiness = vec![Readiness::Ready; backends];
    in_turn(instance, move |instance, moment, facts| {
        let (facts, answer) = instance.pick(moment, facts);
        let verdict = answer.unwrap();
        check(verdict, black_box(&readiness), &facts.tried).unwrap();
        black_box(verdict);
        facts
    })
}

/// `route`.
pub(crate) fn route<'a>(registry: &Registry, place: &Place<'_>) -> Work<'a> {
    let instance: RouterInstance = place.seat(registry, &[], &Arc::new(PoolLoad::new(1)));
    in_turn(instance, |instance, moment, facts| {
        let (facts, answer) = instance.route(moment, facts);
        let _ = black_box(answer.unwrap());
        facts
    })
}

/// Decisions about clients in turn, with the hashing of their keys. `decide` gives the facts back.
fn in_turn<'a, I: Keyed + 'a>(
    mut instance: I,
    decide: impl Fn(&mut I, Moment, Box<Facts>) -> Box<Facts> + 'a,
) -> Work<'a> {
    let mut clock = Clock::new();
    let mut clients: Vec<_> = (0..CLIENTS).map(|client| Some(request(client))).collect();
    let mut next = 0;
    Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            next = (next + 1) % clients.len();
            let facts = clients[next].take().unwrap();
            let moment = black_box(clock.moment(&instance, &facts));
            clients[next] = Some(decide(&mut instance, moment, facts));
        }
        start.elapsed()
    })
}

fn occupy(rows: &[Row], load: &PoolLoad, busy: Busy) {
    for (i, row) in rows.iter().enumerate() {
        let in_flight = match busy {
            Busy::All => 1 + i * 7 % 5,
            Busy::Idle => 0,
            Busy::FirstHalf => {
                if i < rows.len() / 2 {
                    100
                } else {
                    0
                }
            }
        };
        for _ in 0..in_flight {
            row.load.begin();
            load.begin(0);
        }
        row.load.sample(1_000 + i as u32 * 13 % 700, 1_700_000_000_000_000);
    }
}

/// What an affinity is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `find`, of a client that is bound.
    Find,
    /// `find`, of a client that was never seen.
    FindNew,
    /// `bind`, of the first response to a client.
    Bind,
    /// `bind`, of later responses.
    BindAgain,
}

/// A client as an affinity sees it, and the backend that it has.
pub(crate) struct Visit {
    pub(crate) facts: Option<Box<Facts>>,
    head: Option<Box<Head>>,
    pub(crate) backend: u32,
    found: Option<u32>,
}

/// One decision of an affinity about a client that is, or is not, bound already.
pub(crate) fn affinity<'a>(registry: &Registry, case: &'a Affinity, backends: usize, asked: Question) -> Work<'a> {
    let (rows, load) = (rows(backends, Weights::Equal), Arc::new(PoolLoad::new(1)));
    let mut instance: AffinityInstance = case.place().seat(registry, &rows, &load);
    let readiness = vec![Readiness::Ready; backends];
    let (mut clock, mut client) = (Clock::new(), CLIENTS);
    let mut known: Vec<_> = (0..CLIENTS).map(|client| visit(&mut instance, case, &rows, client, &mut clock)).collect();
    Box::new(move |times| {
        let mut time = Duration::ZERO;
        let mut left = times;
        while left > 0 {
            let count = left.min(CLIENTS as usize);
            left -= count;
            if matches!(asked, Question::FindNew | Question::Bind) {
                // Made here, so that the time of it does not count.
                known = (0..CLIENTS).map(|i| newcomer(case, &rows, client + i)).collect();
                client += CLIENTS;
            }
            if asked == Question::Bind {
                known.iter_mut().for_each(|visit| {
                    visit.found = find(&mut instance, visit, &mut clock);
                    visit.backend = visit.found.unwrap_or(visit.backend);
                });
            }
            let start = Instant::now();
            for visit in &mut known[..count] {
                match asked {
                    Question::Find | Question::FindNew => {
                        let found = find(&mut instance, visit, &mut clock);
                        let verdict = found.map_or(Verdict::Pass, Verdict::Backend);
                        check_found(verdict, black_box(&readiness), &[]).unwrap();
                        black_box(verdict);
                    }
                    Question::Bind | Question::BindAgain => {
                        black_box(bind(&mut instance, visit, &mut clock));
                    }
                }
            }
            time += start.elapsed();
        }
        time
    })
}

/// A client that comes for the first time, and what it will be answered.
fn newcomer(case: &Affinity, rows: &[Row], client: u32) -> Visit {
    let (facts, mut head) = (request(client), Head { status: 200, ..Head::default() });
    let backend = client * 7 % rows.len() as u32;
    head.headers.insert("content-type", HeaderValue::from_static("text/html"));
    if matches!(case.session, Session::Application | Session::Suffix) {
        let value = format!("{SESSION}={}; Path=/; HttpOnly", session(rows, client, backend));
        head.headers.insert("set-cookie", HeaderValue::from_str(&value).unwrap());
    }
    Visit { facts: Some(facts), head: Some(Box::new(head)), backend, found: None }
}

/// A client that came before: bound, and with the cookies that it was given.
pub(crate) fn visit(
    instance: &mut AffinityInstance,
    case: &Affinity,
    rows: &[Row],
    client: u32,
    clock: &mut Clock,
) -> Visit {
    let mut visit = newcomer(case, rows, client);
    visit.found = find(instance, &mut visit, clock);
    visit.backend = visit.found.unwrap_or(visit.backend);
    let set = bind(instance, &mut visit, clock);
    let ours = set.first().map(|(_, value)| value.split(';').next().unwrap().to_owned());
    let theirs = || format!("{SESSION}={}", session(rows, client, visit.backend));
    let cookie = match case.session {
        Session::Request => None,
        Session::Ours => ours,
        Session::Application | Session::Suffix => Some(theirs()),
    };
    if let (Some(facts), Some(cookie)) = (&mut visit.facts, cookie) {
        facts.headers.insert("cookie", HeaderValue::from_str(&format!("theme=dark; {cookie}")).unwrap());
    }
    if let Some(head) = &mut visit.head {
        head.headers.remove("set-cookie");
    }
    visit.found = find(instance, &mut visit, clock);
    assert_eq!(visit.found, Some(visit.backend), "{} binds", case.plugin);
    visit
}

fn session(rows: &[Row], client: u32, backend: u32) -> String {
    format!("{client:032X}.{}", rows[backend as usize].id)
}

/// The backend that a client is bound to.
pub(crate) fn find(instance: &mut AffinityInstance, visit: &mut Visit, clock: &mut Clock) -> Option<u32> {
    let facts = visit.facts.take().unwrap();
    let moment = clock.moment(instance, &facts);
    let (facts, answer) = instance.find(moment, facts);
    visit.facts = Some(facts);
    match answer.unwrap() {
        Verdict::Backend(backend) => Some(backend),
        _ => None,
    }
}

fn bind(instance: &mut AffinityInstance, visit: &mut Visit, clock: &mut Clock) -> Vec<(String, String)> {
    let (facts, head) = (visit.facts.take().unwrap(), visit.head.take().unwrap());
    let moment = clock.moment(instance, &facts);
    let (facts, head, answer) = instance.bind(moment, facts, head, visit.backend, visit.found);
    (visit.facts, visit.head) = (Some(facts), Some(head));
    answer.unwrap()
}
