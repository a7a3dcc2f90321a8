//! The work of each decision, to be timed: picks, finds, binds, routes, shapes. From the hash of the key to the checked answer.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::timing::Work;
use crate::decide::{
    Affinity as _, Balancer as _, Facts, Fault, Head, Headers, Keyed, Moment, PoolLoad, Readiness, Router as _, Row,
    Shaper as _, Verdict, check, check_found,
};
use crate::lab::clients::Client;
use crate::lab::subject::{Place, Subject};
use crate::lab::world::{BEGINNING, Clock, request};
use crate::plugin::{AffinityInstance, BalancerInstance, BuildReason, RouterInstance, ShaperInstance};

/// Clients that take turns.
const CLIENTS: u32 = 64;
/// The cookie of the application.
const SESSION: &str = "JSESSIONID";

/// `pick` of a first try, with the hashing of its key and the check of its answer.
///
/// # Errors
/// Why there is no instance.
pub fn pick<'a>(subject: &Subject, rows: &[Row], load: &Arc<PoolLoad>) -> Result<Work<'a>, BuildReason> {
    let instance: BalancerInstance = subject.seat(Place::of(rows, load))?;
    let readiness: Vec<_> = rows.iter().map(|row| row.readiness).collect();
    Ok(in_turn(instance, move |instance, moment, facts| {
        let (facts, answer) = instance.pick(moment, facts);
        let checked = answer.and_then(|verdict| {
            check(verdict, black_box(&readiness), &facts.tried)?;
            black_box(verdict);
            Ok(())
        });
        (facts, checked)
    }))
}

/// `route` between pools that are all ready.
///
/// # Errors
/// Why there is no instance.
pub fn route<'a>(subject: &Subject, pools: &[Arc<str>]) -> Result<Work<'a>, BuildReason> {
    let pool = |name: &Arc<str>| {
        let load = PoolLoad::new(1);
        load.set_ready(3);
        (Arc::clone(name), Arc::new(load))
    };
    let place = Place { pools: pools.iter().map(pool).collect(), ..Place::of(&[], &Arc::new(PoolLoad::new(1))) };
    let instance: RouterInstance = subject.seat(place)?;
    Ok(in_turn(instance, |instance, moment, facts| {
        let (facts, answer) = instance.route(moment, facts);
        (facts, answer.map(|destination| _ = black_box(destination)))
    }))
}

/// `shape` of these rows.
///
/// # Errors
/// Why there is no instance.
pub fn shape<'a>(subject: &Subject, rows: &[Row], load: &Arc<PoolLoad>) -> Result<Work<'a>, BuildReason> {
    let mut instance: ShaperInstance = subject.seat(Place::of(rows, load))?;
    let rows = rows.to_vec();
    Ok(Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(instance.shape(&rows)?);
        }
        Ok(start.elapsed())
    }))
}

/// Decisions about clients in turn, with the hashing of their keys. `decide` gives the facts back.
fn in_turn<'a, I: Keyed + 'a>(
    mut instance: I,
    decide: impl Fn(&mut I, Moment, Box<Facts>) -> (Box<Facts>, Result<(), Fault>) + 'a,
) -> Work<'a> {
    let mut clock = Clock::new(1);
    let mut clients: Vec<_> = (0..CLIENTS).map(request).collect();
    let mut next = 0;
    Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            next = (next + 1) % clients.len();
            let facts = std::mem::take(&mut clients[next]);
            clock.now_us += 10;
            let moment = black_box(clock.moment(&instance, &facts));
            let (facts, decided) = decide(&mut instance, moment, facts);
            clients[next] = facts;
            decided?;
        }
        Ok(start.elapsed())
    })
}

/// 1 to 5 requests in flight at each backend, and a latency.
pub fn occupy(rows: &[Row], load: &PoolLoad) {
    for (number, row) in (0u32..).zip(rows) {
        for _ in 0..1 + number * 7 % 5 {
            row.load.begin();
            load.begin(0);
        }
        row.load.sample(1_000 + number * 13 % 700, BEGINNING);
    }
}

/// What an affinity is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `find`, of a client that is bound.
    Find,
    /// `find`, of a client that was never seen.
    FindNew,
    /// `bind`, of the first response to a client.
    Bind,
    /// `bind`, of later responses.
    BindAgain,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Find, Self::FindNew, Self::Bind, Self::BindAgain];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Find => "find, bound",
            Self::FindNew => "find, new client",
            Self::Bind => "bind, first response",
            Self::BindAgain => "bind, later",
        }
    }
}

/// A client as an affinity sees it, and the backend that it has.
pub struct Visit {
    client: Client,
    facts: Box<Facts>,
    head: Box<Head>,
    /// Where it goes.
    pub backend: u32,
    /// Where it was found last.
    pub found: Option<u32>,
}

/// One decision of an affinity about a client that is, or is not, bound already. There is at least one row.
///
/// # Errors
/// Why there is no instance.
pub fn affinity<'a>(
    subject: &Subject,
    rows: Vec<Row>,
    load: &Arc<PoolLoad>,
    asked: Question,
) -> Result<Work<'a>, BuildReason> {
    let mut instance: AffinityInstance = subject.seat(Place::of(&rows, load))?;
    let readiness = vec![Readiness::Ready; rows.len()];
    let (mut clock, mut client, mut known) = (Clock::new(1), CLIENTS, Vec::new());
    Ok(Box::new(move |times| {
        if known.is_empty() {
            let visit = |client| visit(&mut instance, &rows, client, &mut clock);
            known = (0..CLIENTS).map(visit).collect::<Result<_, _>>()?;
        }
        let (mut time, mut left) = (Duration::ZERO, times);
        while left > 0 {
            let count = left.min(CLIENTS as usize);
            left -= count;
            if matches!(asked, Question::FindNew | Question::Bind) {
                // Made here, so that the time of it does not count.
                known = (0..CLIENTS).map(|number| newcomer(&rows, client + number)).collect();
                client += CLIENTS;
            }
            if asked == Question::Bind {
                for visit in &mut known {
                    visit.backend = find(&mut instance, visit, &mut clock)?.unwrap_or(visit.backend);
                }
            }
            let start = Instant::now();
            for visit in &mut known[..count] {
                match asked {
                    Question::Find | Question::FindNew => {
                        let found = find(&mut instance, visit, &mut clock)?;
                        let verdict = found.map_or(Verdict::Pass, Verdict::Backend);
                        check_found(verdict, black_box(&readiness), &[])?;
                        black_box(verdict);
                    }
                    Question::Bind | Question::BindAgain => {
                        black_box(bind(&mut instance, visit, &mut clock)?);
                    }
                }
            }
            time += start.elapsed();
        }
        Ok(time)
    }))
}

/// A client that comes for the first time, and what it will be answered.
fn newcomer(rows: &[Row], number: u32) -> Visit {
    let client = Client::new(number);
    let backend = number * 7 % u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let head = client.response(&rows[backend as usize].id, SESSION);
    Visit { facts: client.facts(), head, client, backend, found: None }
}

/// A client that came before: bound, and with the cookies that it was given.
///
/// # Errors
/// The fault of the plugin.
pub fn visit(instance: &mut AffinityInstance, rows: &[Row], number: u32, clock: &mut Clock) -> Result<Visit, Fault> {
    let mut visit = newcomer(rows, number);
    if let Some(found) = find(instance, &mut visit, clock)?
        && (found as usize) < rows.len()
    {
        visit.backend = found;
    }
    // The application that it went to names its session.
    let id = &rows[visit.backend as usize].id;
    visit.head = visit.client.response(id, SESSION);
    let added = bind(instance, &mut visit, clock)?;
    visit.client.keep(&visit.head, &added);
    visit.facts = visit.client.facts();
    visit.head = visit.client.response(id, SESSION);
    find(instance, &mut visit, clock)?;
    Ok(visit)
}

/// The backend that a client is bound to.
///
/// # Errors
/// The fault of the plugin.
pub fn find(instance: &mut AffinityInstance, visit: &mut Visit, clock: &mut Clock) -> Result<Option<u32>, Fault> {
    clock.now_us += 10;
    let facts = std::mem::take(&mut visit.facts);
    let moment = clock.moment(instance, &facts);
    let (facts, answer) = instance.find(moment, facts);
    visit.facts = facts;
    visit.found = match answer? {
        Verdict::Backend(backend) => Some(backend),
        _ => None,
    };
    Ok(visit.found)
}

fn bind(instance: &mut AffinityInstance, visit: &mut Visit, clock: &mut Clock) -> Result<Headers, Fault> {
    clock.now_us += 10;
    let (facts, head) = (std::mem::take(&mut visit.facts), std::mem::take(&mut visit.head));
    let moment = clock.moment(instance, &facts);
    let (facts, head, answer) = instance.bind(moment, facts, head, visit.backend, visit.found);
    (visit.facts, visit.head) = (facts, head);
    answer
}
