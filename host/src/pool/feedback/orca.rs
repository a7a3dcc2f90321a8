//! ORCA load reports of backends (`xds.data.orca.v3.OrcaLoadReport`), in the forms that Envoy takes in a header.
//!
//! `endpoint-load-metrics` begins with its form: `TEXT cpu_utilization=0.3, named_metrics.queue=4`, `JSON {…}` as
//! protobuf's mapping has it, or `BIN` and base64; `endpoint-load-metrics-bin` is base64 alone. Plugins know a metric as
//! `TEXT` writes it. Pure: bytes in, numbers out, whatever the bytes are.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;
use serde_json::{Map, Value};

use crate::decide::metrics::MOST;

/// Bytes of a header beyond which it is not read.
pub const LONGEST: usize = 8 << 10;
/// Bytes that the name of a metric may have.
const LONGEST_NAME: usize = 128;
/// Metrics with a field of their own, the name in JSON beside.
const FIELDS: [(&str, &str); 5] = [
    ("cpu_utilization", "cpuUtilization"),
    ("mem_utilization", "memUtilization"),
    ("application_utilization", "applicationUtilization"),
    ("rps_fractional", "rpsFractional"),
    ("eps", "eps"),
];
/// Metrics that are named freely, behind this and a dot.
const MAPS: [(&str, &str); 3] =
    [("named_metrics", "namedMetrics"), ("utilization", "utilization"), ("request_cost", "requestCost")];
/// Padding is what senders disagree about.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// By name; finite, not negative, not too many.
    pub metrics: Vec<(String, f64)>,
    /// What made no sense: a number that is none, is infinite or negative, a name that means nothing, or the whole.
    pub ignored: usize,
}

/// Field by field as in the protocol. A field that is missing is zero, and zero is not said. Names have an order, so that
/// of too many the same are taken each time.
#[derive(Clone, PartialEq, Message)]
struct OrcaLoadReport {
    #[prost(double, tag = "1")]
    cpu_utilization: f64,
    #[prost(double, tag = "2")]
    mem_utilization: f64,
    #[prost(btree_map = "string, double", tag = "4")]
    request_cost: BTreeMap<String, f64>,
    #[prost(btree_map = "string, double", tag = "5")]
    utilization: BTreeMap<String, f64>,
    #[prost(double, tag = "6")]
    rps_fractional: f64,
    #[prost(double, tag = "7")]
    eps: f64,
    #[prost(btree_map = "string, double", tag = "8")]
    named_metrics: BTreeMap<String, f64>,
    #[prost(double, tag = "9")]
    application_utilization: f64,
}

/// The value of `endpoint-load-metrics`.
pub fn parse(value: &[u8]) -> Parsed {
    let Some((form, rest)) = split(value).filter(|_| value.len() <= LONGEST) else { return Parsed::NONE };
    match (form, std::str::from_utf8(rest)) {
        (b"TEXT", Ok(text)) => parse_text(text),
        (b"JSON", Ok(text)) => parse_json(text),
        (b"BIN", _) => parse_binary(rest),
        _ => Parsed::NONE,
    }
}

/// The value of `endpoint-load-metrics-bin`.
pub fn parse_binary(value: &[u8]) -> Parsed {
    if value.len() > LONGEST {
        return Parsed::NONE;
    }
    let decoded = BASE64.decode(value.trim_ascii()).ok();
    let Some(report) = decoded.and_then(|bytes| OrcaLoadReport::decode(&*bytes).ok()) else { return Parsed::NONE };
    let mut parsed = Parsed::default();
    let fields = [
        report.cpu_utilization,
        report.mem_utilization,
        report.application_utilization,
        report.rps_fractional,
        report.eps,
    ];
    for ((name, _), value) in FIELDS.iter().zip(fields).filter(|(_, value)| *value != 0.0) {
        parsed.take(name, value);
    }
    for ((prefix, _), metrics) in MAPS.iter().zip([report.named_metrics, report.utilization, report.request_cost]) {
        for (name, value) in metrics {
            parsed.take(&format!("{prefix}.{name}"), value);
        }
    }
    parsed
}

fn parse_text(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        // Envoy takes either sign.
        match pair.split_once(['=', ':']).map(|(name, value)| (name.trim(), value.trim().parse())) {
            Some((name, Ok(value))) => parsed.take(name, value),
            _ => parsed.ignored += 1,
        }
    }
    parsed
}

fn parse_json(text: &str) -> Parsed {
    let Ok(Value::Object(report)) = serde_json::from_str(text) else { return Parsed::NONE };
    let mut parsed = Parsed::default();
    let find = |(name, in_json): (&str, &str)| -> Option<&Value> { report.get(in_json).or_else(|| report.get(name)) };
    for field in FIELDS {
        if let Some(value) = find(field) {
            parsed.take_json(field.0, value);
        }
    }
    for map in MAPS {
        match find(map) {
            Some(Value::Object(metrics)) => take_all(&mut parsed, map.0, metrics),
            Some(Value::Null) | None => {}
            Some(_) => parsed.ignored += 1,
        }
    }
    parsed
}

fn take_all(parsed: &mut Parsed, prefix: &str, metrics: &Map<String, Value>) {
    for (name, value) in metrics {
        parsed.take_json(&format!("{prefix}.{name}"), value);
    }
}

impl Parsed {
    /// The whole made no sense.
    const NONE: Self = Self { metrics: Vec::new(), ignored: 1 };

    fn take(&mut self, name: &str, value: f64) {
        let is_known = FIELDS.iter().any(|(field, _)| *field == name)
            || name
                .split_once('.')
                .is_some_and(|(prefix, rest)| !rest.is_empty() && MAPS.iter().any(|(map, _)| *map == prefix));
        let is_name = name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
        // `-0.0` is not negative.
        if is_known && is_name && value.is_finite() && value >= 0.0 && self.metrics.len() < MOST {
            self.metrics.push((name.to_owned(), value));
        } else {
            self.ignored += 1;
        }
    }

    /// A number, or as protobuf's JSON may have it, text.
    fn take_json(&mut self, name: &str, value: &Value) {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => self.take(name, number),
            None => self.ignored += 1,
        }
    }
}

/// What stands before the first space, and what behind it.
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| *byte == b' ')?;
    Some((&value[..at], &value[at + 1..]))
}

#[cfg(test)]
mod tests;
