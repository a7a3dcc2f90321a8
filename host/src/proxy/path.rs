//! The path of a request as routes match it and backends get it: the two are always the same.
//!
//! By default that is the path as sent. Where routes keep somebody out, a listener can be told to bring paths into one
//! form, or to refuse those that have several (`paths`). The query is left alone.

use std::borrow::Cow;

use crate::config::PathPolicy;

/// No path that a backend should see.
#[derive(Debug, PartialEq, Eq)]
pub struct Dubious;

/// The path under this policy.
///
/// # Errors
/// For a path that the policy has refused.
pub fn apply(policy: PathPolicy, path: &str) -> Result<Cow<'_, str>, Dubious> {
    if policy == PathPolicy::AsSent || is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    match policy {
        PathPolicy::Strict => Err(Dubious),
        // Parameters of a segment are data, though some servers take them off: only the strict have none.
        _ => match normalise(path)? {
            form if form == path => Ok(Cow::Borrowed(path)),
            form => Ok(Cow::Owned(form)),
        },
    }
}

/// Whether there is one way only to write and to read this path.
fn is_plain(path: &[u8]) -> bool {
    let mut last_was_empty = false;
    // Behind the first slash, with which it begins.
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        if last_was_empty || is_dots(segment) || !is_plain_segment(segment) {
            return false;
        }
        last_was_empty = segment.is_empty();
    }
    path.starts_with(b"/")
}

fn is_plain_segment(segment: &[u8]) -> bool {
    let mut rest = segment;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'%' | b'\\' | b';')) {
        match escaped(&rest[at..]) {
            Some(byte) if !is_unreserved(byte) && !matches!(byte, b'/' | b'\\' | b';' | ..b' ' | 0x7f) => {}
            _ => return false,
        }
        if rest[at + 1..at + 3].iter().any(u8::is_ascii_lowercase) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

/// As RFC 3986 §6.2.2 has it (escapes that need not be are undone, dot segments followed), and slashes that follow each
/// other are one. Escaped slashes stay as they are, as some keep data in them.
fn normalise(path: &str) -> Result<String, Dubious> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let segments: Vec<&str> = path.strip_prefix('/').ok_or(Dubious)?.split('/').collect();
    let last = segments.len() - 1;
    let mut is_folder = true;
    for (number, segment) in segments.into_iter().enumerate() {
        let segment = unescape(segment.as_bytes())?;
        is_folder = matches!(&*segment, b"" | b"." | b"..");
        match &*segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            // What another server may read as a way up is not guessed at.
            other if is_dots(other) || hides_dots(other) => return Err(Dubious),
            _ => kept.push(segment),
        }
        is_folder &= number == last;
    }
    let mut whole = Vec::with_capacity(path.len());
    for segment in &kept {
        whole.push(b'/');
        whole.extend_from_slice(segment);
    }
    if is_folder || kept.is_empty() {
        whole.push(b'/');
    }
    String::from_utf8(whole).map_err(|_| Dubious)
}

/// Undoes escapes of what need not be escaped, and writes the others in upper case.
fn unescape(segment: &[u8]) -> Result<Vec<u8>, Dubious> {
    let mut plain = Vec::with_capacity(segment.len());
    let mut at = 0;
    while let Some(byte) = segment.get(at) {
        match byte {
            b'\\' => return Err(Dubious),
            b'%' => {
                match escaped(&segment[at..]) {
                    None | Some(..b' ' | 0x7f) => return Err(Dubious),
                    Some(byte) if is_unreserved(byte) => plain.push(byte),
                    Some(_) => plain.extend(segment[at..at + 3].to_ascii_uppercase()),
                }
                at += 3;
                continue;
            }
            byte => plain.push(*byte),
        }
        at += 1;
    }
    Ok(plain)
}

/// The byte that `%XX` stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `.` or `..`, also with parameters, which some servers take off first.
fn is_dots(segment: &[u8]) -> bool {
    matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b".."))
}

/// Whether a segment has dots between escaped slashes.
fn hides_dots(segment: &[u8]) -> bool {
    let text = String::from_utf8_lossy(segment).replace("%5C", "%2F");
    text.contains("%2F") && text.split("%2F").any(|part| is_dots(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(path: &str) -> Result<String, Dubious> {
        apply(PathPolicy::Normalise, path).map(Cow::into_owned)
    }

    #[test]
    fn there_is_one_form() {
        for (sent, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/../../a", "/a"),
            ("/%61dmin", "/admin"),
            ("/x/%2e%2E/admin", "/admin"),
            ("/a%2fb", "/a%2Fb"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%20b%c3%a9", "/a%20b%C3%A9"),
            ("/a.b/..c/d..", "/a.b/..c/d.."),
            ("/a;x=1/b", "/a;x=1/b"),
        ] {
            assert_eq!(normal(sent).as_deref(), Ok(form), "{sent}");
        }
    }

    #[test]
    fn what_may_be_read_otherwise_is_refused() {
        for sent in [
            "/a\\b",
            "/a/..;/b",
            "/a%2f..%2fb",
            "/a%5c..",
            "/a%2F%2e%2e",
            "/%",
            "/%2",
            "/%zz",
            "/a%00",
            "/a%0ab",
            "*",
            "",
        ] {
            assert_eq!(normal(sent), Err(Dubious), "{sent}");
        }
    }

    #[test]
    fn strictly_there_is_one_way_to_write_it() {
        for sent in ["/", "/a/b/", "/a%20b", "/%C3%A9", "/.well-known/x", "/a..b"] {
            assert_eq!(apply(PathPolicy::Strict, sent).as_deref(), Ok(sent));
        }
        for sent in [
            "//", "/a//b", "/a/../b", "/./a", "/%61", "/%2e", "/a%2Fb", "/a%5cb", "/a\\b", "/a/..;x", "/a;x", "/%3B",
            "/%c3", "/%00", "/%", "",
        ] {
            assert_eq!(apply(PathPolicy::Strict, sent), Err(Dubious), "{sent}");
        }
        assert_eq!(apply(PathPolicy::AsSent, "/a//../%61").as_deref(), Ok("/a//../%61"));
    }

    proptest! {
        /// The one form has itself as its one form, and no way up.
        #[test]
        fn the_form_is_stable(path in "/([a.;/\\\\]|%2e|%2f|%5C|%61|%20|%|%0){0,16}") {
            if let Ok(form) = normal(&path) {
                prop_assert_eq!(normal(&form), Ok(form.clone()));
                prop_assert!(form.starts_with('/') && !form.contains("//"));
                prop_assert!(form.split('/').all(|segment| !is_dots(segment.as_bytes())));
            }
        }
    }
}
