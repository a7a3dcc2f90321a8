//! Headers that an affinity wants to add to a response: which of them may be.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decide::Fault;

/// Headers that one `bind` may add.
const MOST: usize = 16;
/// Bytes of their names and values.
const LARGEST: usize = 8 << 10;

/// Adds what may be added: `set-cookie`, and the names that the configuration allows. Of the rest the first is
/// the fault.
pub(super) fn add(headers: &mut HeaderMap, wanted: Vec<(String, String)>, allowed: &[HeaderName]) -> Result<(), Fault> {
    let (mut fault, mut bytes) = (None, 0);
    for (position, (name, value)) in wanted.iter().enumerate() {
        bytes += name.len() + value.len();
        if position >= MOST {
            fault.get_or_insert_with(|| Fault::invalid(format!("adds more than {MOST} headers")));
            break;
        }
        let checked = if bytes > LARGEST {
            Err(format!("adds headers of more than {LARGEST} bytes"))
        } else {
            check(name, value, allowed)
        };
        match checked {
            // A header map has room for some 30 000 names; a response that is so full gets no more.
            Ok((name, value)) => drop(headers.try_append(name, value)),
            Err(problem) => drop(fault.get_or_insert(Fault::invalid(problem))),
        }
    }
    fault.map_or(Ok(()), Err)
}

fn check(name: &str, value: &str, allowed: &[HeaderName]) -> Result<(HeaderName, HeaderValue), String> {
    let shown = |text: &str| text.chars().take(64).flat_map(char::escape_default).collect::<String>();
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("adds a header of the name `{}`, which is none", shown(name)))?;
    if parsed != SET_COOKIE && !allowed.contains(&parsed) {
        return Err(format!("adds the header `{parsed}`, which its `response_headers` do not allow"));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("adds the header `{parsed}` with the value `{}`, which cannot be sent", shown(value)))?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(wanted: &[(&str, &str)], allowed: &[HeaderName]) -> (Vec<String>, Option<String>) {
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static("app=1"));
        let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let fault = add(&mut headers, wanted, allowed).err().map(|fault| fault.message);
        let all = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        (all, fault)
    }

    #[test]
    fn cookies_come_beside_those_of_the_application() {
        let (all, fault) = added(&[("Set-Cookie", "t=x; Path=/")], &[]);
        assert_eq!((all, fault), (vec!["set-cookie: app=1".to_owned(), "set-cookie: t=x; Path=/".to_owned()], None));
    }

    #[test]
    fn what_would_break_the_response_is_dropped_and_the_rest_kept() {
        let served = HeaderName::from_static("x-served-by");
        for (name, value) in [
            ("content-length", "5"),
            ("set-cookie", "a=1\r\nx-evil: 1"),
            ("set-cookie", "a=1\n"),
            ("x-bad name", "1"),
            ("", "1"),
            ("x-other", "1"),
        ] {
            let (all, fault) = added(&[(name, value), ("x-served-by", "b1")], std::slice::from_ref(&served));
            assert_eq!(all, ["set-cookie: app=1", "x-served-by: b1"], "{name}: {value:?}");
            let fault = fault.expect("a fault");
            assert!(!fault.contains(['\r', '\n']), "{fault}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let many: Vec<_> = (0..40).map(|_| ("set-cookie", "a=1")).collect();
        let (all, fault) = added(&many, &[]);
        assert_eq!((all.len(), fault.is_some()), (1 + MOST, true));
        let long = "x".repeat(LARGEST);
        let (all, fault) = added(&[("set-cookie", &long)], &[]);
        assert_eq!((all.len(), fault.is_some()), (1, true));
    }
}
