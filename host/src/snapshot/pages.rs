//! What is said to clients without a backend: error pages, and the fixed responses of routes, read and ready.

use bytes::Bytes;
use http::HeaderValue;

use crate::config::Occasion;

/// A body and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The `Content-Type`.
    pub kind: HeaderValue,
    /// What is sent.
    pub body: Bytes,
}

/// Error pages, by who has a say: the first of `levels` that has one.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// Of each: when, and what of it.
    pub levels: Vec<Vec<(Occasion, Vec<Page>)>>,
}

/// What a route says itself.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Before those of the listener.
    pub pages: Pages,
    /// Of `respond`.
    pub fixed: Option<Page>,
}

impl Pages {
    /// The page for this error, of several the one that `accept` likes best. A reason goes before a status, and that
    /// before a class.
    pub fn find(&self, reason: Option<&str>, status: u16, accept: Option<&HeaderValue>) -> Option<&Page> {
        self.levels.iter().find_map(|level| {
            let by = |is: &dyn Fn(&Occasion) -> bool| level.iter().find(|(occasion, _)| is(occasion));
            let by_reason = by(&|occasion| matches!(occasion, Occasion::Reason(known) if Some(*known) == reason));
            let by_status = || by(&|occasion| *occasion == Occasion::Status(status));
            let by_class = || by(&|occasion| *occasion == Occasion::Class(status / 100));
            let (_, pages) = by_reason.or_else(by_status).or_else(by_class)?;
            liked(pages, accept)
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }
}

/// The first of those that `Accept` gives the highest quality (RFC 9110 §12.5.1); the first of all where it likes none.
fn liked<'a>(pages: &'a [Page], accept: Option<&HeaderValue>) -> Option<&'a Page> {
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let (Some(accept), [first, _, ..]) = (accept, pages) else { return pages.first() };
    let mut best = (first, 0);
    for page in pages {
        let quality = quality(page.kind.to_str().unwrap_or_default(), accept);
        if quality > best.1 {
            best = (page, quality);
        }
    }
    Some(best.0)
}

/// How much `accept` likes this media type, in thousandths, by the range that names it best.
fn quality(kind: &str, accept: &str) -> u16 {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let group = kind.split('/').next().unwrap_or_default();
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?;
        let closeness = match named {
            "*/*" => 1,
            _ if named.strip_suffix("/*").is_some_and(|named| named.eq_ignore_ascii_case(group)) => 2,
            _ if named.eq_ignore_ascii_case(kind) => 3,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
        Some((closeness, (weight * 1000.0) as u16))
    });
    ranges.max_by_key(|(closeness, _)| *closeness).map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: &'static str) -> Page {
        Page { kind: HeaderValue::from_static(kind), body: Bytes::from_static(kind.as_bytes()) }
    }

    #[test]
    fn the_nearest_page_is_found() {
        let level = |pages: &[(Occasion, &'static str)]| -> Vec<(Occasion, Vec<Page>)> {
            pages.iter().map(|(occasion, kind)| (occasion.clone(), vec![page(kind)])).collect()
        };
        let pages = Pages {
            levels: vec![
                level(&[(Occasion::Class(5), "a/class")]),
                level(&[
                    (Occasion::Class(4), "b/class"),
                    (Occasion::Status(404), "b/status"),
                    (Occasion::Reason("no-route"), "b/reason"),
                    (Occasion::Status(503), "b/never"),
                ]),
            ],
        };
        let kind = |reason, status| pages.find(reason, status, None).map(|page| page.kind.to_str().unwrap_or_default());
        assert_eq!(kind(Some("no-backend"), 503), Some("a/class"));
        assert_eq!(kind(Some("no-route"), 404), Some("b/reason"));
        assert_eq!(kind(None, 404), Some("b/status"));
        assert_eq!(kind(Some("denied"), 403), Some("b/class"));
        assert_eq!(Pages::default().find(None, 500, None), None);
    }

    #[test]
    fn of_several_the_client_gets_what_it_likes() {
        let pages = [page("text/html; charset=utf-8"), page("application/json")];
        for (accept, kind) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
            ("application/json", "application/json"),
            ("text/*;q=0.2, application/*;q=0.9", "application/json"),
            ("text/html;q=0, */*", "application/json"),
            ("*/*", "text/html; charset=utf-8"),
            ("image/png", "text/html; charset=utf-8"),
            ("q=;;,/,", "text/html; charset=utf-8"),
        ] {
            let found = liked(&pages, Some(&HeaderValue::from_static(accept))).map(|page| page.kind.as_bytes());
            assert_eq!(found, Some(kind.as_bytes()), "{accept}");
        }
    }
}
