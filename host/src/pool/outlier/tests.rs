//! Ejections against a model with virtual time, and success rates by example.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn policy() -> OutlierPolicy {
    OutlierPolicy { ejection: 10 * SECOND, max_ejection: 25 * SECOND, ..OutlierPolicy::default() }
}

fn counts(successes: u64, attempts: u64) -> Counts {
    Counts { successes, attempts }
}

#[test]
fn ejections_grow_and_are_forgotten() {
    let mut outliers = Outliers::new(policy());
    assert_eq!(outliers.eject(0, 3), Some(10 * SECOND));
    assert_eq!(outliers.eject(0, 3), None, "it is out");
    assert_eq!(outliers.eject(1, 3), None, "half of three is one");
    assert!(outliers.is_due(0) && !outliers.is_due(0));
    assert_eq!(outliers.tried(0, false), Some(Verdict::Out(20 * SECOND)));
    assert_eq!(outliers.tried(0, true), None, "nobody was to try it");
    assert!(outliers.is_due(0));
    assert_eq!(outliers.tried(0, false), Some(Verdict::Out(25 * SECOND)));
    assert!(outliers.is_due(0));
    assert_eq!(outliers.tried(0, true), Some(Verdict::In));
    for _ in 0..4 {
        outliers.compare(&[(0, counts(0, 0))]);
    }
    assert_eq!(outliers.eject(0, 3), Some(10 * SECOND), "three intervals without one");
}

#[test]
fn success_rates_are_held_against_the_rest_of_the_pool() {
    let mut outliers = Outliers::new(policy());
    let mut compare = |now: [Counts; 3]| outliers.compare(&[(0, now[0]), (1, now[1]), (2, now[2])]);
    assert_eq!(compare([counts(1000, 1000), counts(1000, 1000), counts(500, 1000)]), [2]);
    let all_as_bad = [counts(1500, 2000), counts(1500, 2000), counts(1000, 2000)];
    assert_eq!(compare(all_as_bad), [0; 0], "half of all fail everywhere: that is not the backends");
    let too_few = [counts(2500, 3000), counts(2500, 3000), counts(1000, 2099)];
    assert_eq!(compare(too_few), [0; 0], "99 requests say too little");
    let just_enough = [counts(3500, 4000), counts(3500, 4000), counts(1800, 3099)];
    assert_eq!(compare(just_enough), [0; 0], "80 in 100 are enough");
    let one_less = [counts(4500, 5000), counts(4500, 5000), counts(2599, 4099)];
    assert_eq!(compare(one_less), [2], "799 in 1000 are not");
}

#[test]
fn who_is_alone_is_compared_with_nobody() {
    let mut outliers = Outliers::new(policy());
    assert_eq!(outliers.compare(&[(0, counts(0, 1000))]), [0; 0]);
    assert_eq!(outliers.eject(0, 1), None, "the last one is never ejected by half of the pool");
}

/// What happens, at some time after what happened before.
#[derive(Debug, Clone)]
enum Step {
    Eject(usize),
    Tried(usize, bool),
    Interval,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0usize..5).prop_map(Step::Eject),
        (0usize..5, any::<bool>()).prop_map(|(who, well)| Step::Tried(who, well)),
        Just(Step::Interval),
        (1u64..30).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..200)
}

/// A backend in the model.
#[derive(Debug, Default, Clone, Copy)]
struct Modelled {
    /// Until when it is out.
    until: Option<Duration>,
    trial: bool,
    times: u32,
    lately: bool,
}

proptest! {
    /// Whatever happens when: nobody is out longer than `max_ejection` without a trial, never more than the share is
    /// out, lengths are as many times the first as there were ejections lately, and who is not out is not tried.
    #[test]
    fn it_does_as_the_model(max_ejected in 0u8..=100, steps in steps()) {
        let policy = OutlierPolicy { max_ejected, ..policy() };
        let (mut outliers, mut model, mut now) = (Outliers::new(policy), BTreeMap::<usize, Modelled>::new(), Duration::ZERO);
        let length = |times: u32| (10 * SECOND * times).min(25 * SECOND);
        for step in steps {
            match step {
                Step::Eject(who) => {
                    let out = model.values().filter(|one| one.until.is_some() || one.trial).count();
                    let one = model.entry(who).or_default();
                    let may = one.until.is_none() && !one.trial && (out + 1) * 100 <= 5 * usize::from(max_ejected);
                    let expected = may.then(|| length(one.times + 1));
                    if let Some(time) = expected {
                        *one = Modelled { until: Some(now + time), times: one.times + 1, lately: true, trial: false };
                    }
                    prop_assert_eq!(outliers.eject(who, 5), expected);
                }
                Step::Tried(who, well) => {
                    let one = model.entry(who).or_default();
                    let expected = match (one.trial, well) {
                        (false, _) => None,
                        (true, true) => {
                            one.trial = false;
                            Some(Verdict::In)
                        }
                        (true, false) => {
                            let time = length(one.times + 1);
                            *one = Modelled { until: Some(now + time), times: one.times + 1, lately: true, trial: false };
                            Some(Verdict::Out(time))
                        }
                    };
                    prop_assert_eq!(outliers.tried(who, well), expected);
                }
                Step::Interval => {
                    let all: Vec<_> = (0..5).map(|who| (who, counts(0, 0))).collect();
                    prop_assert_eq!(outliers.compare(&all), Vec::<usize>::new());
                    for who in 0..5 {
                        let one = model.entry(who).or_default();
                        if !std::mem::take(&mut one.lately) && one.until.is_none() && !one.trial {
                            one.times = one.times.saturating_sub(1);
                        }
                    }
                }
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    for (who, one) in &mut model {
                        let is_due = one.until.is_some_and(|until| until <= now);
                        if is_due {
                            prop_assert!(outliers.is_due(*who));
                            (one.until, one.trial) = (None, true);
                        }
                    }
                }
            }
        }
    }
}
