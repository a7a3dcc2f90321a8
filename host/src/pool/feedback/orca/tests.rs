//! Load reports in every form, and what is no report at all.

use proptest::prelude::*;

use super::*;

fn sorted(parsed: Parsed) -> Vec<(String, f64)> {
    let mut metrics = parsed.metrics;
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    metrics
}

fn owned(metrics: &[(&str, f64)]) -> Vec<(String, f64)> {
    metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn report() -> OrcaLoadReport {
    OrcaLoadReport {
        cpu_utilization: 0.25,
        application_utilization: 1.5,
        rps_fractional: 12.5,
        named_metrics: BTreeMap::from([("queue".into(), 4.0)]),
        utilization: BTreeMap::from([("disk".into(), 0.5)]),
        request_cost: BTreeMap::from([("rows".into(), 3.0)]),
        ..OrcaLoadReport::default()
    }
}

#[test]
fn all_forms_say_the_same() {
    let expected = owned(&[
        ("application_utilization", 1.5),
        ("cpu_utilization", 0.25),
        ("named_metrics.queue", 4.0),
        ("request_cost.rows", 3.0),
        ("rps_fractional", 12.5),
        ("utilization.disk", 0.5),
    ]);
    let text = "TEXT cpu_utilization=0.25, application_utilization:1.5,rps_fractional=12.5,named_metrics.queue=4,\
                utilization.disk = 5e-1,request_cost.rows=3";
    let json = r#"JSON {"cpuUtilization": 0.25, "application_utilization": "1.5", "rpsFractional": 12.5,
                "namedMetrics": {"queue": 4}, "utilization": {"disk": 0.5}, "requestCost": {"rows": 3.0}, "rps": 9}"#;
    let encoded = BASE64.encode(report().encode_to_vec());
    for form in [text, json, &format!("BIN {encoded}"), &format!("BIN {}", encoded.trim_end_matches('='))] {
        let parsed = parse(form.as_bytes());
        assert_eq!((sorted(parsed.clone()), parsed.ignored), (expected.clone(), 0), "{form}");
    }
    assert_eq!(sorted(parse_binary(encoded.as_bytes())), expected);
    // The first field of the protocol is a double of number 1: the bytes of `cpu_utilization: 0.5` as others write them.
    let foreign = parse_binary(b"CQAAAAAAAOA/");
    assert_eq!(foreign.metrics, owned(&[("cpu_utilization", 0.5)]));
}

#[test]
fn garbage_is_left_out_and_counted() {
    let parsed = parse(
        b"TEXT cpu_utilization=NaN,mem_utilization=inf,eps=-1,rps_fractional=x,cost=1,named_metrics.=1,eps=2,=,z",
    );
    assert_eq!((parsed.metrics, parsed.ignored), (owned(&[("eps", 2.0)]), 8));
    let parsed =
        parse(br#"JSON {"cpuUtilization": [], "eps": "NaN", "namedMetrics": 5, "utilization": {"a": -2, "b": 1}}"#);
    assert_eq!((parsed.metrics, parsed.ignored), (owned(&[("utilization.b", 1.0)]), 4));
    for whole in ["", "TEXT", "cpu_utilization=1", "text cpu_utilization=1", "JSON [1]", "JSON {", "BIN ?", "BIN AAAA"]
    {
        assert_eq!(parse(whole.as_bytes()), Parsed::NONE, "{whole}");
    }
    assert_eq!(parse(b"TEXT "), Parsed::default());
    assert_eq!(parse(&[b"TEXT eps=1,".as_slice(), &[b' '; LONGEST]].concat()), Parsed::NONE);
    let many: Vec<String> = (0..100).map(|n| format!("named_metrics.{n}=1")).collect();
    let parsed = parse(format!("TEXT {}", many.join(",")).as_bytes());
    assert_eq!((parsed.metrics.len(), parsed.ignored), (MOST, 100 - MOST));
    let long = format!("TEXT named_metrics.{}=1", "x".repeat(LONGEST_NAME));
    assert_eq!(parse(long.as_bytes()).metrics, []);
}

#[test]
fn of_too_many_the_same_are_taken() {
    let named_metrics = (0..100).map(|n| (format!("{n:02}"), 1.0)).collect();
    let report = OrcaLoadReport { named_metrics, ..OrcaLoadReport::default() };
    let parsed = parse_binary(BASE64.encode(report.encode_to_vec()).as_bytes());
    let first: Vec<_> = (0..MOST).map(|n| (format!("named_metrics.{n:02}"), 1.0)).collect();
    assert_eq!((parsed.metrics, parsed.ignored), (first, 100 - MOST));
}

proptest! {
    /// Whatever a backend sends: no panic, and only numbers that mean something.
    #[test]
    fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), form in 0..4usize) {
        let value = [[b"TEXT ".as_slice(), b"JSON ", b"BIN ", b""][form], &bytes].concat();
        for parsed in [parse(&value), parse_binary(&bytes), parse_binary(BASE64.encode(&bytes).as_bytes())] {
            prop_assert!(parsed.metrics.len() <= MOST);
            let is_sound = |(name, value): &(String, f64)| {
                value.is_finite() && *value >= 0.0 && name.len() <= LONGEST_NAME
            };
            prop_assert!(parsed.metrics.iter().all(is_sound));
        }
    }

    /// Text that is nearly right.
    #[test]
    fn nearly_text(text in "(TEXT|JSON) ([{}\":,=.a-z0-9_ -]|cpu_utilization|named_metrics\\.|utilization){0,20}") {
        let parsed = parse(text.as_bytes());
        prop_assert!(parsed.metrics.iter().all(|(_, value)| value.is_finite() && *value >= 0.0));
    }

    /// What one end writes, the other reads.
    #[test]
    fn reports_arrive(cpu in 0.0..10.0f64, named in proptest::collection::btree_map("[a-z]{1,8}", 0.0..1e9f64, 0..20)) {
        let report = OrcaLoadReport { cpu_utilization: cpu, named_metrics: named.clone(), ..Default::default() };
        let parsed = parse_binary(BASE64.encode(report.encode_to_vec()).as_bytes());
        prop_assert_eq!(parsed.ignored, 0);
        for (name, value) in named {
            let expected = (format!("named_metrics.{name}"), value);
            prop_assert!(parsed.metrics.contains(&expected));
        }
    }
}
