//! `peak-ewma` over minutes of made-up traffic: slow, failing and recovering backends among good ones.

use std::collections::VecDeque;

use peak_ewma::PeakEwma;
use trimtab_sdk::draw::{Bits, below};
use trimtab_sdk::testing::{Load, backends, instance, set_load, with_load};
use trimtab_sdk::{Balancer, Moment, Observer, Outcome, OutcomeKind, Verdict};

const START_US: u64 = 1_700_000_000_000_000;

/// What a backend does with a request.
#[derive(Clone, Copy)]
struct Service {
    us: u32,
    kind: OutcomeKind,
}

const GOOD: Service = Service { us: 5_000, kind: OutcomeKind::Success };
const SLOW: Service = Service { us: 100_000, kind: OutcomeKind::Success };
const FAILING: Service = Service { us: 200, kind: OutcomeKind::ServerError };

/// A host with one worker, and requests that arrive by chance, one per millisecond on average.
struct Host {
    balancer: PeakEwma,
    services: Vec<Service>,
    bits: Bits,
    now_us: u64,
    /// End, backend and how it ends.
    running: Vec<(u64, usize, Service)>,
    /// Outcomes that wait for delivery.
    outbox: VecDeque<Outcome>,
    /// When each latency was last sampled.
    sampled_us: Vec<u64>,
}

impl Host {
    fn new(services: &[Service]) -> Self {
        let ids: Vec<_> = (0..services.len()).map(|nth| format!("b{nth}")).collect();
        let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
        let (mut balancer, _) = PeakEwma::configure("{}", &instance(0, 1)).expect("good settings");
        balancer.update(&backends(&rows));
        let count = services.len();
        set_load(Load {
            in_flight: vec![0; count],
            latency_us: vec![None; count],
            failures: vec![0; count],
            ..Load::default()
        });
        let (running, outbox) = (Vec::new(), VecDeque::new());
        let sampled_us = vec![START_US; count];
        Self {
            balancer,
            services: services.to_vec(),
            bits: Bits::new(9),
            now_us: START_US,
            running,
            outbox,
            sampled_us,
        }
    }

    /// The part of the requests that each backend gets in so many seconds, in percent.
    fn run(&mut self, seconds: u64) -> Vec<f64> {
        let mut counts = vec![0.0; self.services.len()];
        let end_us = self.now_us + seconds * 1_000_000;
        while self.now_us < end_us {
            let before = self.now_us;
            self.now_us += below(2_000, self.bits.next());
            self.finish();
            // Outcomes come about every 100 ms, ticks every second.
            if self.now_us / 100_000 > before / 100_000 {
                self.balancer.observe(self.outbox.make_contiguous());
                self.outbox.clear();
            }
            if self.now_us / 1_000_000 > before / 1_000_000 {
                self.balancer.tick(self.now_us);
            }
            let moment = Moment { key: None, random: self.bits.next(), now_us: self.now_us, attempt: 0 };
            let Verdict::Backend(index) = self.balancer.pick(moment) else { panic!("all are ready") };
            let at = index as usize;
            counts[at] += 1.0;
            with_load(|load| load.in_flight[at] += 1);
            self.running.push((self.now_us + u64::from(self.services[at].us), at, self.services[at]));
        }
        let total: f64 = counts.iter().sum();
        counts.iter().map(|count| count / total * 100.0).collect()
    }

    /// Ends what has ended, as the host does: requests in flight, latency, failures in a row.
    fn finish(&mut self) {
        self.running.sort_unstable_by_key(|(end_us, ..)| *end_us);
        let ended = self.running.partition_point(|(end_us, ..)| *end_us <= self.now_us);
        for (end_us, at, service) in self.running.drain(..ended) {
            let is_failure = service.kind == OutcomeKind::ServerError;
            with_load(|load| {
                load.in_flight[at] -= 1;
                load.failures[at] = if is_failure { load.failures[at] + 1 } else { 0 };
                let keep = (-((end_us - self.sampled_us[at]).max(500) as f64) / 10e6).exp();
                let average = match load.latency_us[at] {
                    Some(old) if old > service.us => f64::from(old) * keep + f64::from(service.us) * (1.0 - keep),
                    _ => f64::from(service.us),
                };
                load.latency_us[at] = Some(average as u32);
            });
            self.sampled_us[at] = end_us.max(self.sampled_us[at]);
            let status = if is_failure { 503 } else { 200 };
            let (kind, latency_us) = (service.kind, service.us);
            self.outbox.push_back(Outcome {
                backend: at as u32,
                kind,
                status,
                latency_us,
                attempt: 0,
                key: None,
                at_us: end_us,
            });
        }
    }
}

#[test]
fn alike_backends_get_alike_shares() {
    let shares = Host::new(&[GOOD; 5]).run(60);
    assert!(shares.iter().all(|share| (share - 20.0).abs() < 3.0), "{shares:?}");
}

#[test]
fn a_slow_backend_gets_little() {
    let shares = Host::new(&[GOOD, GOOD, GOOD, GOOD, SLOW]).run(60);
    assert!(shares[4] < 2.0, "{shares:?}");
}

#[test]
fn a_failing_backend_gets_little_although_it_is_the_fastest() {
    let shares = Host::new(&[GOOD, GOOD, GOOD, GOOD, FAILING]).run(60);
    assert!(shares[4] < 4.0, "{shares:?}");
}

#[test]
fn who_recovers_gets_its_share_again_within_a_minute() {
    for bad in [SLOW, FAILING] {
        let mut host = Host::new(&[GOOD, GOOD, GOOD, GOOD, bad]);
        host.run(60);
        host.services[4] = GOOD;
        host.run(60);
        let shares = host.run(30);
        assert!((shares[4] - 20.0).abs() < 6.0, "{shares:?}");
    }
}

#[test]
fn who_starts_to_fail_is_left_within_a_second() {
    let mut host = Host::new(&[GOOD; 5]);
    host.run(10);
    host.services[4] = FAILING;
    host.run(1);
    let shares = host.run(10);
    assert!(shares[4] < 4.0, "{shares:?}");
}
