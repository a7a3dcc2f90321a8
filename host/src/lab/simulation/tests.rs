//! The simulator against what is known of queues, and the plugins against what is known of them.

use super::scenario::{Entrant, Scenario};
use super::{Figures, page, report, simulate};
use crate::config::PluginLimits;
use crate::decide::{Balancer as _, PoolLoad, Verdict};
use crate::lab::subject::{Place, Subject};
use crate::lab::world::{self, Clock};
use crate::plugin::{BalancerInstance, Registry, RegistryOptions};

fn registry() -> Registry {
    Registry::new(RegistryOptions { max_instances: 16, ..RegistryOptions::default() }).unwrap()
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn simulated(text: &str, entrant: &Entrant) -> Figures {
    let registry = registry();
    let _activity = registry.activity();
    simulate(&registry, &scenario(text), entrant, 1, |_| ()).unwrap_or_else(|error| panic!("{error}"))
}

/// One server, 80 requests a second, 10 ms each.
fn queue(service: &str) -> Figures {
    let text = format!(
        "duration = '20000s'\nworkers = 1\narrivals = {{ rate = 80.0 }}\n[[backend]]\nid = 'b'\nservice = {service}\n"
    );
    simulated(&text, &Entrant::of("round-robin"))
}

#[track_caller]
fn assert_near(value: f64, expected: f64, share: f64) {
    assert!((value / expected - 1.0).abs() < share, "{value} is not within {share} of {expected}");
}

#[test]
fn a_queue_without_memory_is_as_erlang_says() {
    // M/M/1: the mean is 1 / (mu - lambda), and times are exponentially distributed.
    let figures = queue("{ exponential = '10ms' }");
    assert_near(figures.requests as f64, 1_600_000.0, 0.01);
    assert_near(figures.latency.mean(), 50_000.0, 0.05);
    assert_near(figures.latency.value_at_quantile(0.99) as f64, 50_000.0 * 100f64.ln(), 0.06);
}

#[test]
fn a_queue_of_equal_requests_is_as_pollaczek_and_khinchine_say() {
    // M/D/1: s + rho s / 2 (1 - rho).
    let figures = queue("{ constant = '10ms' }");
    assert_near(figures.latency.mean(), 30_000.0, 0.03);
}

/// The fullest of `count` backends after as many requests, none of which ever ends.
fn fullest(registry: &Registry, balancer: &str, count: usize, seed: u64) -> u32 {
    let (rows, load) = (world::rows(count), std::sync::Arc::new(PoolLoad::new(1)));
    let subject = Subject::load(registry, balancer, PluginLimits::default()).unwrap();
    let mut instance: BalancerInstance = subject.seat(Place::of(&rows, &load)).unwrap();
    let (mut clock, mut facts) = (Clock::new(seed), world::request(0));
    for _ in 0..count {
        let moment = clock.moment(&instance, &facts);
        let (back, answer) = instance.pick(moment, facts);
        facts = back;
        let Ok(Verdict::Backend(backend)) = answer else { panic!("{answer:?}") };
        rows[backend as usize].load.begin();
        load.begin(0);
    }
    rows.iter().map(|row| row.load.in_flight()).max().unwrap()
}

#[test]
fn two_choices_are_exponentially_better_than_one() {
    // Azar, Broder, Karlin and Upfal, "Balanced allocations", 1994: ln ln n / ln 2 + O(1) against ln n / ln ln n (1 + o(1)).
    let registry = registry();
    let _activity = registry.activity();
    for count in [1000, 10_000] {
        let n = count as f64;
        let (one, two) = (n.ln() / n.ln().ln(), n.ln().ln() / 2f64.ln());
        for seed in 1..=5 {
            let random = f64::from(fullest(&registry, "random", count, seed));
            let p2c = f64::from(fullest(&registry, "p2c", count, seed));
            assert!(p2c <= two + 1.5, "{count}, seed {seed}: {p2c} with two choices, {two:.1} + O(1)");
            assert!((one..3.0 * one).contains(&random), "{count}, seed {seed}: {random} with one, {one:.1}");
            assert!(p2c < random, "{count}, seed {seed}: {p2c}, {random}");
        }
    }
}

#[test]
fn least_connections_spares_a_slow_server_and_round_robin_does_not() {
    let text = "duration = '120s'\narrivals = { rate = 500.0 }\n\
                backend = [{ id = 'b', count = 9, capacity = 4, service = { exponential = '20ms' } },\n\
                { id = 'slow', capacity = 4, service = { exponential = '100ms' } }]\n";
    let [least, even] = ["least-connections", "round-robin"].map(|name| simulated(text, &Entrant::of(name)));
    let p99 = |figures: &Figures| figures.latency.value_at_quantile(0.99);
    assert!(least.latency.mean() * 2.0 < even.latency.mean(), "{} {}", least.latency.mean(), even.latency.mean());
    assert!(p99(&least) * 2 < p99(&even), "{} {}", p99(&least), p99(&even));
    assert_eq!(least.requests, even.requests, "both see the same requests");
    assert!(even.imbalance.0 < 1.001 && least.served[9] * 2 < least.served[0]);
}

#[test]
fn maglev_moves_little_beyond_the_share_of_who_leaves() {
    // Eisenbud and others, "Maglev", 2016, 5.3; hashing by rings and rendezvous moves nothing beyond it.
    let text = "duration = '2s'\narrivals = { rate = 100.0 }\nevent = [{ at = '1s', backend = 'b50', what = 'remove' }]\n\
                backend = [{ id = 'b', count = 100 }]\n";
    let moved = |balancer: &str| {
        let entrant = Entrant { key: Some("header:x-user".to_owned()), ..Entrant::of(balancer) };
        let figures = simulated(text, &entrant);
        let [disruption] = &figures.disruptions[..] else { panic!("{:?}", figures.disruptions) };
        (disruption.moved, disruption.needless)
    };
    let (all, needless) = moved("maglev");
    assert!(needless > 0.0 && needless < 0.03 && all < 0.05, "{all} {needless}");
    for exact in ["ring-hash", "rendezvous"] {
        let (all, needless) = moved(exact);
        assert!(needless == 0.0 && all > 0.0 && all < 0.04, "{exact}: {all} {needless}");
    }
}

#[test]
fn a_chain_is_asked_in_its_order_with_the_weights_of_its_shapers() {
    // Two zones of two; the local one goes down whole after ten seconds, and is back after twenty.
    let text = "duration = '30s'\ndetection = '0s'\narrivals = { rate = 300.0 }\n\
                backend = [{ id = 'a', count = 2, capacity = 8, labels = { zone = 'a' } },\n\
                { id = 'b', count = 2, capacity = 8, labels = { zone = 'b' } }]\n\
                event = [{ at = '10s', backend = 'a1', what = 'down' }, { at = '10s', backend = 'a2', what = 'down' },\n\
                { at = '20s', backend = 'a1', what = 'up' }, { at = '20s', backend = 'a2', what = 'up' }]\n\
                [[plugin]]\nbalancer = [{ plugin = 'zone', zone = 'a' }, 'maglev', 'random']\n\
                [[plugin]]\nbalancer = [{ plugin = 'zone', zone = 'a' }, { plugin = 'maglev', key = 'header:x-user' }, 'random']\n\
                [[plugin]]\nbalancer = ['random']\n";
    let [unkeyed, keyed, flat] = [0, 1, 2].map(|number| simulated(text, &scenario(text).entrants[number]));
    for local in [&unkeyed, &keyed] {
        let [a, b]: [u64; 2] = [&local.served[..2], &local.served[2..]].map(|zone| zone.iter().sum());
        let third = local.requests as f64 / 3.0;
        assert_near(a as f64, 2.0 * third, 0.05);
        assert_near(b as f64, third, 0.05);
        assert_eq!((local.faults, local.fallbacks), (0, 0), "who has no key passes, and the next is asked");
    }
    assert!(flat.imbalance.0 > 1.0 && flat.served[2] as f64 > flat.requests as f64 * 0.25);
    // Both of a zone go, and then come back; one by one.
    assert_eq!((unkeyed.disruptions.len(), keyed.disruptions.len(), flat.disruptions.len()), (0, 4, 0));
    let [half, whole, ..] = &keyed.disruptions[..] else { return };
    assert!((0.4..0.7).contains(&half.moved) && half.needless < 0.15, "some go over before all must: {half:?}");
    assert!(whole.moved > 0.5 && whole.needless == 0.0, "the rest of the zone: {whole:?}");
}

#[test]
fn as_many_come_as_are_said_to_come() {
    let text = "duration = '2s'\narrivals = { rate = 100000.0 }\nbackend = [{ id = 'b', capacity = 1000, service = { constant = '1us' } }]\n";
    let figures = simulated(text, &Entrant::of("round-robin"));
    assert_near(figures.requests as f64, 200_000.0, 0.01);
}

#[test]
fn latencies_have_no_bound() {
    // Twice as many come as can be served: after three hours the last waits for as long again.
    let text = "duration = '3h'\nworkers = 1\narrivals = { rate = 2.0 }\nbackend = [{ id = 'b', service = { constant = '1s' } }]\n";
    let figures = simulated(text, &Entrant::of("round-robin"));
    assert_near(figures.latency.max() as f64, 10_800e6, 0.05);
}

#[test]
fn who_comes_later_or_is_down_leaves_the_others_even() {
    let text = "duration = '60s'\ndetection = '1s'\narrivals = { rate = 500.0 }\n\
                backend = [{ id = 'b', count = 3, capacity = 99, service = { constant = '1ms' } },\n\
                { id = 'late', present = false, capacity = 99, service = { constant = '1ms' } }]\n\
                event = [{ at = '10s', backend = 'b1', what = 'down' }, { at = '40s', backend = 'late', what = 'add' }]\n";
    let figures = simulated(text, &Entrant::of("round-robin"));
    assert!(figures.served[3] * 2 < figures.served[1] && figures.served[0] * 2 < figures.served[1]);
    // Until it is known that it is down, the others have its part.
    assert_near(figures.imbalance.0, 1.0, 0.02);
}

/// Something of everything.
const EVENTFUL: &str = "duration = '40s'\nworkers = 3\ndetection = '2s'\n\
    arrivals = { steps = [{ at = '0s', rate = 200.0 }, { at = '20s', rate = 400.0 }] }\n\
    keys = { population = 500, zipf = 1.1 }\n\
    backend = [{ id = 'b', count = 4, capacity = 8, service = { lognormal = { median = '10ms', sigma = 0.8 } } },\n\
    { id = 'new', present = false, service = { pareto = { least = '2ms', shape = 2.5 } } }]\n\
    event = [{ at = '5s', backend = 'b1', what = 'down' }, { at = '10s', backend = 'b1', what = 'up' },\n\
    { at = '12s', backend = 'b2', what = 'slow', factor = 8.0 }, { at = '15s', backend = 'b2', what = 'slow', factor = 1.0 },\n\
    { at = '20s', backend = 'new', what = 'add' }, { at = '30s', backend = 'b3', what = 'drain' }]\n";

#[test]
fn the_same_seed_gives_the_same_report() {
    let entrant = Entrant { affinity: Some("cookie".to_owned()), ..Entrant::of("p2c") };
    let reports = [(); 2].map(|()| {
        let all = [simulated(EVENTFUL, &entrant), simulated(EVENTFUL, &Entrant::of("peak-ewma"))];
        (report::text(&all), report::json(1, &all).to_string(), page::html("a <b>", 1, 40.0, &all))
    });
    assert_eq!(reports[0], reports[1]);
    let (text, _, page) = &reports[0];
    assert!(text.contains("affinity breaks %"), "{text}");
    assert!(page.contains("a &lt;b&gt;") && !page.contains("http"), "it asks nobody for anything");
}

#[test]
fn what_goes_down_is_missed_and_comes_back() {
    let sticky = Entrant { affinity: Some("cookie".to_owned()), ..Entrant::of("round-robin") };
    let [bound, free] = [sticky, Entrant::of("round-robin")].map(|entrant| simulated(EVENTFUL, &entrant));
    for figures in [&bound, &free] {
        assert!(figures.retries > 0, "until it is known, others are tried");
        assert!(figures.failed > 0 && figures.failed < 100, "what was under way is lost: {}", figures.failed);
        assert!(figures.served.iter().all(|served| *served > 0), "{:?}", figures.served);
        assert_eq!((figures.faults, figures.fallbacks), (0, 0));
        assert_eq!(figures.requests, figures.latency.len() + figures.failed);
    }
    let share = |figures: &Figures| figures.returns.1 as f64 / figures.returns.0 as f64;
    assert!(share(&bound) < 0.02 && share(&free) > 0.5, "{} {}", share(&bound), share(&free));
}

#[test]
fn a_closed_loop_never_has_more_than_its_clients() {
    let text = "duration = '60s'\narrivals = { clients = { count = 10, think = '10ms' } }\n\
                backend = [{ id = 'b', service = { constant = '10ms' } }]\n";
    let figures = simulated(text, &Entrant::of("round-robin"));
    assert!(figures.latency.max() < 100_100, "ten at most are before it: {}", figures.latency.max());
    assert_near(figures.requests as f64, 6000.0, 0.01);
}

#[test]
fn what_makes_no_sense_is_named() {
    let wrong = |text: &str| Scenario::parse(text).unwrap_err().to_string();
    let world = "duration = '1s'\narrivals = { rate = 1.0 }\n";
    let backend = "backend = [{ id = 'b' }]\n";
    for (text, why) in [
        (format!("{world}{backend}colour = 'red'"), "unknown field `colour`"),
        (format!("{world}backend = []"), "there are 0 backends"),
        (format!("{world}backend = [{{ id = 'b' }}, {{ id = 'b' }}]"), "two backends are called \"b\""),
        (format!("{world}{backend}event = [{{ at = '1s', backend = 'c', what = 'up' }}]"), "which is not there"),
        (format!("{world}{backend}event = [{{ at = '1s', backend = 'b', what = 'slow' }}]"), "needs a `factor`"),
        (format!("{world}{backend}[[plugin]]\nbalancer = []"), "a `balancer` is an empty list"),
        (format!("duration = '1000y'\narrivals = {{ rate = 1.0 }}\n{backend}"), "`duration` in seconds is"),
        (format!("{world}backend = [{{ id = 'b', weight = 70000 }}]"), "a `weight` of 70000; at most 65535 count"),
        (
            format!("{world}backend = [{{ id = 'b', service = {{ pareto = {{ least = '1ms', shape = 0.01 }} }} }}]"),
            "`shape` is 0.01",
        ),
        (format!("{world}{backend}keys = {{ population = 4000000000, zipf = 1.0 }}"), "`population` of 1 to 10000000"),
        (format!("duration = 'soon'\narrivals = {{ rate = 1.0 }}\n{backend}"), "\"soon\" is no duration"),
        (
            format!("duration = '1s'\narrivals = {{ rate = 0.0 }}\n{backend}"),
            "`arrivals.rate` is 0, and has to be 0.000001 to 1000000",
        ),
        (format!("duration = '1s'\narrivals = {{ steps = [] }}\n{backend}"), "has to begin with one at \"0s\""),
    ] {
        assert!(wrong(&text).contains(why), "{text}: {}", wrong(&text));
    }
}
