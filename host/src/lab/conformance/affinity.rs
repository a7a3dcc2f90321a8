//! Of affinities: who is bound is found again, where it is bound, as long as that is there.

use http::header::{COOKIE, HeaderName, HeaderValue};

use super::chance::{self, Chance};
use super::{Bench, Failed, Seen, Status};
use crate::decide::{Affinity, Facts, Head, Headers, Readiness, Row, Tabled, Verdict};
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
    let seed = bench.options.seed;
    let mut rows = world::rows(BACKENDS);
    let load = chance::load(&rows);
    let mut instance: AffinityInstance = bench.subject.seat(Place::of(&rows, &load))?;
    let (mut chance, mut clock) = (Chance::new(seed, "binding"), Clock::new(seed));
    let mut bound = Vec::new();
    for client in 0..CLIENTS {
        let place = format!("client {client}");
        let found = find(bench, &mut instance, &mut clock, &rows, world::request(client), &place)?;
        let backend = found.unwrap_or_else(|| chance.0.u32(..BACKENDS as u32));
        let (facts, head) = (world::request(client), Head { status: 200, ..Head::default() });
        clock.now_us += 1000;
        let moment = clock.moment(&instance, &facts);
        let (mut facts, _, headers) = instance.bind(moment, facts, Box::new(head), backend, found);
        let headers = headers.map_err(|fault| bench.failed(&format!("{place}, `bind`"), fault))?;
        let allowed = bench.options.headers.as_deref();
        let cookies = cookies(&headers, allowed).map_err(|why| bench.failed(&format!("{place}, `bind`"), why))?;
        if let Some(cookies) = cookies {
            facts.headers.insert(COOKIE, cookies);
        }
        bound.push((facts, backend));
    }
    let mut again = 0;
    for (client, (facts, backend)) in bound.iter().enumerate() {
        let facts = Box::new(Facts { headers: facts.headers.clone(), ..*world::request(client as u32) });
        match find(bench, &mut instance, &mut clock, &rows, facts, &format!("client {client}, again"))? {
            Some(found) if found == *backend => again += 1,
            Some(found) => {
                let why = format!("is bound to backend {backend}, and found at {found}");
                return Err(bench.failed(&format!("client {client}"), why));
            }
            None => {}
        }
    }
    // Half of them go down: nobody is found there.
    rows.iter_mut().step_by(2).for_each(|row| row.readiness = Readiness::Down);
    instance.adjust(&rows).map_err(|fault| bench.failed("half of them down, `adjust`", fault))?;
    for (client, (facts, _)) in bound.into_iter().enumerate() {
        find(bench, &mut instance, &mut clock, &rows, facts, &format!("client {client}, half of them down"))?;
    }
    let evidence = format!("{again} of {CLIENTS} clients found where they were bound");
    let lost = if again == CLIENTS { "" } else { "; the others may be bound by what the application says" };
    Ok((if again == 0 { Status::Doubtful } else { Status::Holds }, evidence + lost))
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

/// The cookies that a client sends from now on.
fn cookies(headers: &Headers, allowed: Option<&[HeaderName]>) -> Result<Option<HeaderValue>, String> {
    if headers.len() > MOST {
        return Err(format!("adds {} headers; at most {MOST} are sent", headers.len()));
    }
    let mut cookies = Vec::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| format!("adds a header named {name:?}, which is none"))?;
        let value = HeaderValue::from_str(value);
        let value = value.map_err(|_| format!("adds `{name}` with a value that would break the response"))?;
        if name == http::header::SET_COOKIE {
            cookies.push(String::from_utf8_lossy(value.as_bytes()).split(';').next().unwrap_or_default().to_owned());
        } else if allowed.is_some_and(|allowed| !allowed.contains(&name)) {
            return Err(format!("adds the header `{name}`, which its `response_headers` do not allow"));
        }
    }
    Ok(HeaderValue::from_str(&cookies.join("; ")).ok().filter(|value| !value.is_empty()))
}
