//! What backends say of themselves: weight, state and load, out of the headers of their responses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_tests::{Backend, Folder, Host, Setup, Streams, Tally, eventually, plugin};

/// A backend that adds lines to its responses, which the test changes.
struct Talker {
    backend: Backend,
    lines: Arc<Mutex<String>>,
}

impl Talker {
    fn new(name: &str) -> Self {
        let lines = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&lines);
        let backend = Backend::new(name, move |exchange| {
            exchange.body()?;
            let lines = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
            exchange.respond(200, &lines, "")
        });
        Self { backend, lines }
    }

    /// Its responses have these lines from now on.
    fn say(&self, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = lines;
    }
}

fn over(talkers: &[&Talker]) -> Setup {
    Setup::over(&talkers.iter().map(|talker| &talker.backend).collect::<Vec<_>>())
}

/// A balancer that picks, of two backends, the one with the lower value of a metric, and passes where one has none.
fn by_metric(name: &str) -> Vec<u8> {
    let length = name.len();
    let head = r#"(import "trimtab:plugin/load@0.1.0" "metric" (func $metric (param i32 i32 i32 i32)))"#;
    let pick = format!(
        "(call $metric (i32.const 0) (i32.const 512) (i32.const {length}) (i32.const 640))
         (call $metric (i32.const 1) (i32.const 512) (i32.const {length}) (i32.const 656))
         (if (i32.eqz (i32.and (i32.load8_u (i32.const 640)) (i32.load8_u (i32.const 656))))
           (then (return (call $verdict (i32.const 1) (i32.const 0)))))
         (return (call $backend (f64.gt (f64.load (i32.const 648)) (f64.load (i32.const 664)))))"
    );
    let more = format!(r#"(data (i32.const 512) "{name}")"#);
    plugin::component(
        &plugin::placed("balancer.wat", &[("head", head), ("pick", &pick), ("more", &more)]),
        "balancer-plugin",
        None,
    )
}

fn steered_by(metric: &str, setup: Setup) -> Host {
    let folder = Folder::new();
    folder.write("metric.wasm", by_metric(metric));
    setup
        .pool("balancer = 'metric'\nfeedback = true")
        .more("[plugin.metric]\ncomponent = 'metric.wasm'")
        .start_in(folder)
}

/// Asks one backend, whatever the other one is.
fn ask_alone(host: &Host, one: &str, other: &str) {
    host.set_backend("web", other, r#"{"state":"down"}"#);
    assert_eq!(host.get("/").backend(), one);
    host.set_backend("web", other, r#"{"state":"ready"}"#);
}

#[test]
fn plugins_pick_by_what_backends_report() {
    let [a, b] = ["a", "b"].map(Talker::new);
    let host = steered_by("named_metrics.queue", over(&[&a, &b]));
    a.say(&["endpoint-load-metrics: TEXT cpu_utilization=0.1,named_metrics.queue=5"]);
    b.say(&["Endpoint-Load-Metrics: JSON {\"namedMetrics\": {\"queue\": 2.5}}"]);
    eventually("all go where the queue is short", || Tally::of(&host, 32).by("b") == 32);
    // On every worker: what one has heard, all know.
    b.say(&["endpoint-load-metrics: TEXT named_metrics.queue=9"]);
    eventually("it is the other one now", || Tally::of(&host, 32).by("a") == 32);
    // The same as bytes: named_metrics (8) is a map of "queue" to 1.0. To be heard, one has to be asked.
    b.say(&["endpoint-load-metrics-bin: QhAKBXF1ZXVlEQAAAAAAAPA/"]);
    ask_alone(&host, "b", "a");
    eventually("bytes are read", || Tally::of(&host, 32).by("b") == 32);
    b.say(&["endpoint-load-metrics: BIN QhAKBXF1ZXVlEQAAAAAAABRA"]);
    a.say(&["endpoint-load-metrics: TEXT named_metrics.queue=4.5"]);
    ask_alone(&host, "a", "b");
    eventually("of either header", || Tally::of(&host, 32).by("a") == 32);
    a.say(&["endpoint-load-metrics: TEXT cpu_utilization=0.1"]);
    eventually("who does not report it any more has none, and the fallback picks", || {
        let tally = Tally::of(&host, 32);
        tally.by("a") > 0 && tally.by("b") > 0
    });
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[("kind", "trap")]), 0.0);
}

#[test]
fn trailers_of_http_2_are_heard() {
    let [a, b] = ["a", "b"].map(|name| Streams::start(name, None, 100));
    let setup = Setup::of([a.entry(), b.entry()]).pool("protocol = 'h2'");
    let host = steered_by("named_metrics.queue", setup);
    // The backends' trailers are those of the request.
    let tell = |one: &str, other: &str, queue: u32| {
        host.set_backend("web", other, r#"{"state":"down"}"#);
        let request = format!(
            "POST / HTTP/1.1\r\nhost: test\r\nte: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\nx\r\n0\r\nendpoint-load-metrics: TEXT named_metrics.queue={queue}\r\n\r\n"
        );
        let response = host.client().send(request).response_to("POST");
        assert_eq!((response.backend(), response.trailers.get("endpoint-load-metrics")), (one, None));
        host.set_backend("web", other, r#"{"state":"ready"}"#);
    };
    tell("a", "b", 5);
    tell("b", "a", 2);
    eventually("all go where the queue is short", || Tally::of(&host, 32).by("b") == 32);
    tell("b", "a", 9);
    eventually("it is the other one now", || Tally::of(&host, 32).by("a") == 32);
}

#[test]
fn clients_do_not_get_what_is_for_the_balancer() {
    let a = Talker::new("a");
    let lines = [
        "endpoint-load-metrics: TEXT cpu_utilization=0.1",
        "endpoint-load-metrics-bin: CQAAAAAAAOA/",
        "x-backend-weight: 5",
        "x-backend-state: ready",
        "x-other: 1",
    ];
    a.say(&lines);
    let names = ["endpoint-load-metrics", "endpoint-load-metrics-bin", "x-backend-weight", "x-backend-state"];
    let passed = |host: &Host| -> Vec<bool> {
        let response = host.get("/");
        assert_eq!(response.headers.get("x-other"), Some("1"));
        names.map(|name| response.headers.get(name).is_some()).to_vec()
    };
    let host = over(&[&a]).pool("feedback = true").start();
    assert_eq!(passed(&host), [false; 4]);
    host.reloaded(&over(&[&a]).pool("feedback = { weight = 'x-backend-weight' }").text());
    eventually("what nobody listens to is passed on", || passed(&host) == [true, true, false, true]);
    host.reloaded(&over(&[&a]).text());
    eventually("nobody listens", || passed(&host) == [true; 4]);
}

#[test]
fn garbage_is_ignored_and_counted() {
    let [a, b] = ["a", "b"].map(Talker::new);
    let host = steered_by("eps", over(&[&a, &b]));
    a.say(&["endpoint-load-metrics: TEXT eps=1"]);
    b.say(&["endpoint-load-metrics: TEXT eps=2"]);
    eventually("all go to a", || Tally::of(&host, 32).by("a") == 32);
    for garbage in ["TEXT eps=NaN", "TEXT eps=-1", "JSON {", "BIN !!", "eps=9", "TEXT eps=1e999"] {
        let before = host.metrics().sum("trimtab_backend_feedback_ignored_total", &[("backend", "a")]);
        a.say(&[&format!("endpoint-load-metrics: {garbage}"), "x-backend-weight: -3", "x-backend-state: dead"]);
        let tally = Tally::of(&host, 32);
        assert_eq!(tally.by("a"), 32, "{garbage} is nothing");
        let ignored = host.metrics().sum("trimtab_backend_feedback_ignored_total", &[("backend", "a")]) - before;
        assert!(ignored >= 65.0, "{garbage}: {ignored}");
    }
    let a = host.backend("web", "a");
    assert_eq!((&a["weight"], a["state"].as_str()), (&1.into(), Some("ready")));
}

#[test]
fn a_backend_says_its_weight() {
    let [a, b] = ["a", "b"].map(Talker::new);
    let host = over(&[&a, &b]).pool("balancer = 'weighted-round-robin'\nfeedback = { weight = 'x-share' }").start();
    let weight = || host.backend("web", "a")["weight"].as_u64();
    a.say(&["X-Share: 3"]);
    eventually("it is taken", || Tally::of(&host, 8).total() == 8 && weight() == Some(3));
    eventually("plugins are told", || Tally::of(&host, 64).by("a") == 48);
    a.say(&["x-share: 0"]);
    eventually("it gets nothing", || Tally::of(&host, 32).by("a") == 0);
    assert_eq!(weight(), Some(0));
    host.reloaded(&over(&[&a, &b]).pool("balancer = 'weighted-round-robin'").text());
    eventually("what the file says counts", || Tally::of(&host, 32).by("a") == 16);
    assert_eq!(weight(), Some(1));
}

#[test]
fn a_backend_says_that_it_drains() {
    let [a, b] = ["a", "b"].map(Talker::new);
    let setup = over(&[&a, &b])
        .pool("feedback = { state = true, hold = '1s' }\naffinity = { plugin = 'header', name = 'x-user' }");
    let host = setup.start();
    let mut bound = host.client();
    let bound_to_a =
        (0..100).map(|n| format!("x-user: {n}\r\n")).find(|lines| bound.get_with("/", lines).backend() == "a");
    let lines = bound_to_a.expect("somebody is bound to a");
    a.say(&["x-backend-state: draining"]);
    eventually("nobody new gets there", || Tally::of(&host, 32).by("a") == 0);
    eventually("it is in the log", || host.log().contains("it says whether it drains"));
    assert_eq!(bound.get_with("/", &lines).backend(), "a", "who is bound stays");
    a.say(&["x-backend-state: ready"]);
    assert_eq!(bound.get_with("/", &lines).backend(), "a");
    eventually("it is back, as a bound client heard", || Tally::of(&host, 32).by("a") > 0);
    a.say(&["x-backend-state: draining"]);
    eventually("nobody new gets there", || Tally::of(&host, 32).by("a") == 0);
    // Nobody asks it any more, so it cannot say that it is ready again.
    a.say(&[]);
    eventually("it is tried again after a while", || Tally::of(&host, 32).by("a") > 0);
}

#[test]
fn a_backend_that_changes_its_mind_all_the_time_is_not_followed_each_time() {
    let flips = AtomicBool::new(false);
    let a = Backend::new("a", move |exchange| {
        exchange.body()?;
        let line = if flips.fetch_xor(true, Ordering::Relaxed) {
            "x-backend-weight: 1\r\n"
        } else {
            "x-backend-weight: 2\r\n"
        };
        exchange.respond(200, line, "")
    });
    let host = Setup::over(&[&a]).pool("feedback = true").more("[log]\nlevel = 'info,trimtab=debug'").start();
    let began = std::time::Instant::now();
    assert_eq!(Tally::of(&host, 2_000).by("a"), 2_000);
    let most = 2 + began.elapsed().as_millis() / 250;
    let told = host.log().matches("it wants this weight").count();
    assert!(told as u128 <= most, "{told} times");
    let weight = host.backend("web", "a")["weight"].as_u64();
    assert!(matches!(weight, Some(1 | 2)), "{weight:?}");
}
