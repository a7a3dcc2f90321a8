//! Load reports of backends: numbers that mean something, of names that are known, not too many, and the same of the same
//! bytes. Text, JSON and protobuf say the same.

#![no_main]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use trimtab::pool::feedback::orca::{LONGEST, Parsed, parse, parse_binary};

/// Metrics that a report may have.
const MOST: usize = 64;

const KNOWN: [&str; 8] = [
    "cpu_utilization",
    "mem_utilization",
    "application_utilization",
    "rps_fractional",
    "eps",
    "named_metrics.",
    "utilization.",
    "request_cost.",
];

/// Numbers that are seldom met by chance.
const SPECIAL: [f64; 5] = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, f64::MIN_POSITIVE];

/// What makes sense of it, the same each time.
fn read(value: &[u8], parse: fn(&[u8]) -> Parsed) -> Parsed {
    let parsed = parse(value);
    assert!(parsed.metrics.len() <= MOST);
    for (name, value) in &parsed.metrics {
        assert!(value.is_finite() && *value >= 0.0);
        assert!(name.len() <= 128 && !name.contains(char::is_control));
        assert!(KNOWN.iter().any(|known| name == known || (known.ends_with('.') && name.starts_with(known))));
    }
    assert!(value.len() <= LONGEST || parsed.metrics.is_empty());
    assert_eq!(parse(value), parsed);
    parsed
}

/// A field of protobuf that has a length (such as fit a header: shorter than 2¹⁴).
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    [&[number << 3 | 2, length as u8 & 0x7f | 0x80, (length >> 7) as u8][..], content].concat()
}

fn binary((name, value): (&String, &f64)) -> Vec<u8> {
    field(8, &[field(1, name.as_bytes()), vec![2 << 3 | 1], value.to_le_bytes().to_vec()].concat())
}

fuzz_target!(|parts: (Vec<(&str, u8, f64)>, &[u8])| {
    let (metrics, any) = parts;
    for form in ["", "TEXT ", "JSON ", "BIN "] {
        read(&[form.as_bytes(), any].concat(), parse);
    }
    read(any, parse_binary);
    read(STANDARD.encode(any).as_bytes(), parse_binary);

    let plain =
        |name: &str| name.chars().filter(|char| char.is_alphanumeric() || "._-/ ".contains(*char)).collect::<String>();
    let metrics = metrics
        .into_iter()
        .map(|(name, special, value)| (plain(name), *SPECIAL.get(usize::from(special)).unwrap_or(&value)));
    let metrics: BTreeMap<String, f64> = metrics.filter(|(name, _)| name.trim() == name).collect();
    let text: Vec<_> = metrics.iter().map(|(name, value)| format!("named_metrics.{name}={value}")).collect();
    let json: Vec<_> = metrics.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    let bytes: Vec<u8> = metrics.iter().flat_map(binary).collect();
    let forms = [
        format!("TEXT {}", text.join(", ")),
        format!(r#"JSON {{"namedMetrics":{{{}}}}}"#, json.join(",")),
        format!("BIN {}", STANDARD.encode(bytes)),
    ];
    if forms.iter().all(|form| form.len() <= LONGEST) {
        let [text, json, binary] = forms.map(|form| read(form.as_bytes(), parse));
        assert_eq!(text, json);
        assert_eq!(text, binary);
    }
});
