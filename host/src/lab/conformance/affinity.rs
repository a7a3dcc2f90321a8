//! Of affinities: who is bound is found again, where it is bound, as long as that is there.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue, SET_COOKIE};

use super::chance;
use super::{Bench, Failed, Seen, Status};
use crate::decide::{Affinity, Facts, Headers, Readiness, Row, Tabled, Verdict};
use crate::lab::clients::Client;
use crate::lab::subject::Place;
use crate::lab::world::{self, Clock};
use crate::plugin::AffinityInstance;

/// Clients that come, and backends that there are.
const CLIENTS: u32 = 300;
const BACKENDS: usize = 10;

/// Headers that one `bind` may add.
const MOST: usize = 16;

/// `find` after `bind`.
pub(super) fn binding(bench: &mut Bench<'_>) -> Seen {
    let mut rows = world::rows(BACKENDS);
    let load = chance::load(&rows);
    let mut instance: AffinityInstance = bench.subject.seat(Place::of(&rows, &load))?;
    let mut clock = Clock::new(bench.options.seed);
    let mut bound = Vec::new();
    for client in 0..CLIENTS {
        let (client, backend) = welcome(&mut instance, bench, &mut clock, &rows, client)?;
        bound.push((client, Arc::clone(&rows[backend as usize].id)));
    }
    connection(&mut instance, bench, &mut clock)?;
    let mut again = 0;
    for (client, id) in &bound {
        again += u32::from(is_found(&mut instance, bench, &mut clock, &rows, (client, id), "again")?);
    }
    // Half of them go down: nobody is found there, and nobody else moves.
    rows.iter_mut().step_by(2).for_each(|row| row.readiness = Readiness::Down);
    instance.adjust(&rows).map_err(|fault| bench.failed("half of them down, `adjust`", fault))?;
    for (client, id) in &bound {
        is_found(&mut instance, bench, &mut clock, &rows, (client, id), "when half of them are down")?;
    }
    let stayed: Vec<_> = rows.iter().skip(1).step_by(2).map(|row| Arc::clone(&row.id)).collect();
    // All are back in another order, but for one: an id is an id wherever it stands.
    rows.iter_mut().for_each(|row| row.readiness = Readiness::Ready);
    rows.reverse();
    rows.remove(BACKENDS / 2);
    instance.update(&rows).map_err(|fault| bench.failed("in another order, `update`", fault))?;
    // Who was at one of those that were down may have been bound anew.
    for (client, id) in bound.iter().filter(|(_, id)| stayed.contains(id)) {
        is_found(&mut instance, bench, &mut clock, &rows, (client, id), "in another order")?;
    }
    let evidence = format!("{again} of {CLIENTS} clients found where they were bound");
    let lost = if again == CLIENTS { "" } else { "; the others may be bound by what the application says" };
    Ok((if again == 0 { Status::Doubtful } else { Status::Holds }, evidence + lost))
}

/// Some clients that are bound, to be asked about later; none where nobody is ready.
pub(super) fn settle(
    instance: &mut AffinityInstance,
    bench: &Bench<'_>,
    clock: &mut Clock,
    rows: &[Row],
) -> Result<Vec<Client>, Failed> {
    if !rows.iter().any(|row| row.readiness == Readiness::Ready) {
        return Ok(Vec::new());
    }
    (0..16).map(|number| welcome(instance, bench, clock, rows, number).map(|(client, _)| client)).collect()
}

/// A client that comes for the first time: where it goes, and what it is given there.
fn welcome(
    instance: &mut AffinityInstance,
    bench: &Bench<'_>,
    clock: &mut Clock,
    rows: &[Row],
    number: u32,
) -> Result<(Client, u32), Failed> {
    let failed = |call: &str, why: String| bench.failed(&format!("client {number}, `{call}`"), why);
    let mut client = Client::new(number);
    clock.now_us += 1000;
    let moment = clock.moment(instance, &client.facts());
    let (facts, found) = instance.find(moment, client.facts());
    let found = match found.map_err(|fault| failed("find", fault.to_string()))? {
        Verdict::Backend(backend) if (backend as usize) < rows.len() => Some(backend),
        _ => None,
    };
    let ready: Vec<_> = (0u32..).zip(rows).filter(|(_, row)| row.readiness == Readiness::Ready).collect();
    let backend = found.unwrap_or_else(|| ready[number as usize % ready.len()].0);
    let head = client.response(&rows[backend as usize].id, &session(bench));
    let (_, head, added) = instance.bind(moment, facts, head, backend, found);
    let added = added.map_err(|fault| failed("bind", fault.to_string()))?;
    check(&added, bench.options.headers.as_deref()).map_err(|why| failed("bind", why))?;
    client.keep(&head, &added);
    Ok((client, backend))
}

/// The name that an application gives its cookie: the first that the settings have, since they name it where it matters.
fn session(bench: &Bench<'_>) -> String {
    let settings: serde_json::Value = serde_json::from_str(&bench.subject.settings).unwrap_or_default();
    let mut names =
        settings.as_object().into_iter().flat_map(|settings| settings.values()).filter_map(|name| name.as_str());
    names.next().unwrap_or("JSESSIONID").to_owned()
}

/// What is no request is bound, too: it has no response.
fn connection(instance: &mut AffinityInstance, bench: &Bench<'_>, clock: &mut Clock) -> Result<(), Failed> {
    // Of others than those before.
    for number in 1_000_000..1_000_016 {
        let facts = Facts::of_connection("tcp", &Arc::from("web"), world::request(number).client);
        clock.now_us += 1000;
        let moment = clock.moment(instance, &facts);
        let (_, _, added) = instance.bind(moment, facts, Box::default(), number % BACKENDS as u32, None);
        added.map_err(|fault| bench.failed(&format!("connection {number}, `bind`"), fault))?;
    }
    Ok(())
}

/// Whether a client is found where it was bound. Not at all is no failure, elsewhere is one as long as its backend is ready.
fn is_found(
    instance: &mut AffinityInstance,
    bench: &mut Bench<'_>,
    clock: &mut Clock,
    rows: &[Row],
    (client, id): (&Client, &Arc<str>),
    when: &str,
) -> Result<bool, Failed> {
    let Some(found) = find(bench, instance, clock, rows, client.facts(), when)? else { return Ok(false) };
    let is_there = rows.iter().any(|row| row.id == *id && row.readiness == Readiness::Ready);
    let found = &rows[found as usize].id;
    if is_there && found != id {
        return Err(bench.failed(when, format!("a client that is bound to {id} is found at {found}")));
    }
    Ok(is_there)
}

fn find(
    bench: &mut Bench<'_>,
    instance: &mut AffinityInstance,
    clock: &mut Clock,
    rows: &[Row],
    facts: Box<Facts>,
    place: &str,
) -> Result<Option<u32>, Failed> {
    let asked = bench.ask(instance, clock, rows, facts);
    let (_, verdict) = asked.map_err(|fault| bench.failed(&format!("{place}, `find`"), fault))?;
    Ok(if let Verdict::Backend(backend) = verdict { Some(backend) } else { None })
}

/// Whether these may be added to a response.
fn check(headers: &Headers, allowed: Option<&[HeaderName]>) -> Result<(), String> {
    if headers.len() > MOST {
        return Err(format!("adds {} headers; at most {MOST} are sent", headers.len()));
    }
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| format!("adds a header named {name:?}, which is none"))?;
        let value = HeaderValue::from_str(value);
        value.map_err(|_| format!("adds `{name}` with a value that would break the response"))?;
        if name != SET_COOKIE && allowed.is_some_and(|allowed| !allowed.contains(&name)) {
            return Err(format!("adds the header `{name}`, which its `response_headers` do not allow"));
        }
    }
    Ok(())
}
