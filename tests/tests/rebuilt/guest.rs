//! A built-in of any role, configured and asked as its role wants it; answers are compared as text.

use std::sync::Arc;

use trimtab::config::PluginLimits;
use trimtab::decide::table::LocalTable;
use trimtab::decide::{
    Affinity, Balancer, Facts, Fault, Head, Key, PoolLoad, Router, Row, Shaper, Tabled, Verdict, check, check_found,
};
use trimtab::plugin::{
    AffinityInstance, BalancerInstance, Definition, Registry, RouterInstance, Seat, ShaperInstance, Source,
};

use crate::record::Pick;

/// Settings for the built-ins that do not go without, or would take minutes with their own.
const SETTINGS: &[(&str, &str)] = &[
    ("app-cookie", r#""name": "trimtab""#),
    ("header", r#""name": "x-user""#),
    ("header-router", r#""header": "x-user", "values": {"user-7": "two"}, "prefix": {"user-8": "one"}"#),
    ("maglev", r#""table_size": 1021, "bounded_load": 1.5"#),
    ("p2c", r#""choices": 3"#),
    ("ring-hash", r#""max_points": 2048"#),
    ("route", r#""cookie": "trimtab""#),
    ("split", r#""percent": 30"#),
    ("subset", r#""size": 5"#),
    ("zone", r#""zone": "a""#),
];

/// What the host gives to affinities and shapers.
const SECRET: &str = r#""secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=""#;
const PROCESS: &str = r#""process": "lb-1""#;

/// What a guest answered, as text, and the cookie that the client has from then on.
pub(crate) type Answer = (String, Option<String>);

/// One instance of a built-in.
pub(crate) enum Guest {
    Balancer(BalancerInstance),
    Affinity(AffinityInstance),
    Router(RouterInstance),
    Shaper(ShaperInstance),
}

impl Guest {
    /// From these bytes.
    pub(crate) fn new(registry: &Registry, name: &str, source: Source) -> Self {
        let definition = registry.load_blocking(name.into(), source, PluginLimits::default()).expect("it loads");
        let role = *definition.roles().first().expect("a role");
        let seat = seat(name, role, definition);
        match role {
            "balancer" => Self::Balancer(registry.build_blocking(seat).expect("it starts")),
            "affinity" => Self::Affinity(registry.build_blocking(seat).expect("it starts")),
            "router" => Self::Router(registry.build_blocking(seat).expect("it starts")),
            _ => Self::Shaper(registry.build_blocking(seat).expect("it starts")),
        }
    }

    /// Whether its answers are backends.
    pub(crate) fn is_balancer(&self) -> bool {
        matches!(self, Self::Balancer(_))
    }

    /// Tells a table, or a change of one. What it answers, if it answers.
    pub(crate) fn tell(&mut self, rows: &[Row], rebuilt: bool) -> Result<String, Fault> {
        let told = |done: Result<(), Fault>| done.map(|()| String::new());
        match self {
            Self::Balancer(instance) if rebuilt => told(instance.update(rows)),
            Self::Balancer(instance) => told(instance.adjust(rows)),
            Self::Affinity(instance) if rebuilt => told(instance.update(rows)),
            Self::Affinity(instance) => told(instance.adjust(rows)),
            Self::Router(_) => Ok(String::new()),
            Self::Shaper(instance) => instance.shape(rows).map(|weights| format!("{weights:?}")),
        }
    }

    /// Asks.
    pub(crate) fn ask(
        &mut self,
        pick: &Pick,
        table: &[Row],
        facts: &mut Box<Facts>,
        cookie: Option<&str>,
    ) -> Result<Answer, Fault> {
        let mut lent = std::mem::take(facts);
        pick.fill(&mut lent, cookie);
        let readiness: Vec<_> = table.iter().map(|row| row.readiness).collect();
        let (back, answer) = match self {
            Self::Balancer(instance) => {
                let (back, answer) = instance.pick(pick.moment, lent);
                let checked = answer.and_then(|verdict| check(verdict, &readiness, &pick.tried).map(|()| verdict));
                (back, checked.map(|verdict| (format!("{verdict:?}"), None)))
            }
            Self::Affinity(instance) => {
                let (back, answer) = instance.find(pick.moment, lent);
                let checked =
                    answer.and_then(|verdict| check_found(verdict, &readiness, &pick.tried).map(|()| verdict));
                match checked {
                    Ok(verdict) if !table.is_empty() => bind(instance, pick, table, back, verdict),
                    Ok(verdict) => (back, Ok((format!("{verdict:?}"), None))),
                    Err(fault) => (back, Err(fault)),
                }
            }
            Self::Router(instance) => {
                let (back, answer) = instance.route(pick.moment, lent);
                (back, answer.map(|destination| (format!("{destination:?}"), None)))
            }
            Self::Shaper(_) => (lent, Ok((String::new(), None))),
        };
        *facts = back;
        answer
    }
}

/// Binds to what was found, or to any backend.
fn bind(
    instance: &mut AffinityInstance,
    pick: &Pick,
    table: &[Row],
    facts: Box<Facts>,
    found: Verdict,
) -> (Box<Facts>, Result<Answer, Fault>) {
    let (backend, bound) = match found {
        Verdict::Backend(index) => (index, Some(index)),
        _ => ((pick.moment.random % table.len() as u64) as u32, None),
    };
    let mut head = Head { status: 200, ..Head::default() };
    let session = format!("trimtab=s{}.{}", pick.moment.random % 50, table[backend as usize].id);
    head.headers.insert("set-cookie", session.parse().expect("a header value"));
    let (facts, _, answer) = instance.bind(pick.moment, facts, Box::new(head), backend, bound);
    let answer = answer.map(|headers| {
        let set = headers.iter().find(|(name, _)| name == "set-cookie").map_or(&session, |(_, value)| value);
        let cookie = set.split(';').next().map(str::to_owned);
        (format!("{found:?}, then {headers:?}"), cookie)
    });
    (facts, answer)
}

fn seat(name: &str, role: &str, definition: Arc<Definition>) -> Seat {
    let own = SETTINGS.iter().find(|(of, _)| *of == name).map(|(_, settings)| *settings);
    let given = match role {
        "affinity" => Some(SECRET),
        "shaper" => Some(PROCESS),
        _ => None,
    };
    let settings: Vec<_> = own.into_iter().chain(given).collect();
    let pools = ["one", "two"].map(|name| (Arc::from(name), Arc::new(PoolLoad::new(1))));
    pools.iter().for_each(|(_, load): &(Arc<str>, Arc<PoolLoad>)| load.set_ready(3));
    Seat {
        definition,
        pool: "web".into(),
        worker: 0,
        workers: 2,
        settings: format!("{{{}}}", settings.join(", ")).into(),
        keys: if role == "shaper" { Vec::new() } else { vec![Key::Header("x-user".into())] },
        load: Arc::new(PoolLoad::new(2)),
        rows: Arc::new([]),
        pools: if role == "router" { Arc::new(pools) } else { Arc::new([]) },
        table: Arc::new(LocalTable::new(1 << 20)),
    }
}
