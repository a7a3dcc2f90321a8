//! Which pool a request goes to, by its listener, host, path, method, query and headers; and a connection that is carried as
//! it is, by its listener and SNI.
//!
//! An exact host goes before a wildcard (the longest first) before none; then the longest path, exact before prefix; then
//! more conditions (headers, query, methods, listener); then the order of the file. Does not change the request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Access, Answer, HostPattern, PathPattern, Route};
use crate::decide::Facts;

/// All routes, ready to be matched.
#[derive(Debug, Default)]
pub struct Table {
    requests: ByName,
    connections: ByName,
}

/// Routes by the name that is asked for: a host, or that of SNI.
#[derive(Debug, Default)]
struct ByName {
    exact: HashMap<Arc<str>, Vec<Entry>>,
    below: HashMap<Arc<str>, Vec<Entry>>,
    any: Vec<Entry>,
}

/// A route, with its names resolved to positions in the snapshot.
#[derive(Debug)]
pub struct Entry {
    route: Route,
    /// Its place in the configuration, from 0.
    pub number: usize,
    listener: Option<usize>,
    /// Position of its pool; none where it answers itself.
    pub pool: Option<usize>,
}

impl Entry {
    /// Who may use it.
    pub fn access(&self) -> &Access {
        &self.route.access
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.route.name
    }

    /// In place of the listener's limit.
    pub fn max_body_size(&self) -> Option<u64> {
        self.route.max_body_size
    }

    /// Whether it is for one listener only.
    pub fn names_listener(&self) -> bool {
        self.listener.is_some()
    }

    /// What it says itself, in place of a pool.
    pub fn answer(&self) -> Option<&Answer> {
        self.route.answer.as_ref()
    }

    /// What it makes of requests and responses.
    pub fn rules(&self) -> &Route {
        &self.route
    }

    /// What of a path is behind the route's.
    pub fn rest<'a>(&self, path: &'a str) -> &'a str {
        match &self.route.path {
            PathPattern::Exact(_) => "",
            PathPattern::Prefix(prefix) => {
                path.strip_prefix(prefix.strip_suffix('/').unwrap_or(prefix)).unwrap_or_default()
            }
        }
    }

    fn is_for(&self, listener: usize) -> bool {
        self.listener.is_none_or(|only| only == listener)
    }

    fn matches(&self, listener: usize, facts: &Facts) -> bool {
        let route = &self.route;
        self.is_for(listener)
            && path_matches(&route.path, facts.path())
            && (route.methods.is_empty() || route.methods.iter().any(|method| **method == *facts.method.as_str()))
            && route.query.iter().all(|(name, value)| facts.query_value(name) == Some(&**value))
            && route.headers.iter().all(|(name, value)| {
                facts.headers.get_all(&**name).iter().any(|sent| sent.as_bytes() == value.as_bytes())
            })
    }

    /// Larger goes first.
    fn rank(&self) -> (usize, bool, usize) {
        let route = &self.route;
        let (length, exact) = match &route.path {
            PathPattern::Exact(path) => (path.len(), true),
            PathPattern::Prefix(path) => (path.trim_end_matches('/').len(), false),
        };
        let conditions = route.headers.len()
            + route.query.len()
            + usize::from(!route.methods.is_empty())
            + usize::from(self.listener.is_some());
        (length, exact, conditions)
    }
}

impl Table {
    /// `listener` and `pool` find the positions of names; routes whose names they do not know are left out.
    pub fn new(
        routes: &[Route],
        listener: impl Fn(&str) -> Option<usize>,
        pool: impl Fn(&str) -> Option<usize>,
    ) -> Self {
        let mut table = Self::default();
        for (number, route) in routes.iter().enumerate() {
            let pool = match &route.pool {
                Some(name) => match pool(name) {
                    Some(pool) => Some(pool),
                    None => continue,
                },
                None => None,
            };
            let only = route.listener.as_deref().map(&listener);
            if only == Some(None) {
                continue;
            }
            let entry = Entry { route: route.clone(), number, listener: only.flatten(), pool };
            let (names, name) = match route.carried {
                true => (&mut table.connections, &route.sni),
                false => (&mut table.requests, &route.host),
            };
            match name {
                Some(HostPattern::Exact(name)) => names.exact.entry(Arc::clone(name)).or_default().push(entry),
                Some(HostPattern::Below(name)) => names.below.entry(Arc::clone(name)).or_default().push(entry),
                None => names.any.push(entry),
            }
        }
        let all = [&mut table.requests, &mut table.connections].into_iter();
        for list in
            all.flat_map(|names| names.exact.values_mut().chain(names.below.values_mut()).chain([&mut names.any]))
        {
            // Stable: the order of the file decides between equals.
            list.sort_by_key(|entry| std::cmp::Reverse(entry.rank()));
        }
        table
    }

    /// The route of a request.
    pub fn find<'a>(&'a self, listener: usize, facts: &Facts) -> Option<&'a Entry> {
        self.requests.find(|| facts.host(), |entry| entry.matches(listener, facts))
    }

    /// The route of a connection.
    pub fn find_for_connection<'a>(&'a self, listener: usize, facts: &Facts) -> Option<&'a Entry> {
        let name = || facts.sni.as_deref().unwrap_or_default().into();
        self.connections.find(name, |entry| entry.is_for(listener))
    }
}

impl ByName {
    /// The first that `matches`, of this name, or below it, or of any.
    fn find<'a, 'b>(
        &'a self,
        name: impl FnOnce() -> Cow<'b, str>,
        matches: impl Fn(&Entry) -> bool,
    ) -> Option<&'a Entry> {
        let first = |entries: &'a [Entry]| entries.iter().find(|entry| matches(entry));
        if !self.exact.is_empty() || !self.below.is_empty() {
            let name = name();
            if let Some(entries) = self.exact.get(&*name)
                && let Some(found) = first(entries)
            {
                return Some(found);
            }
            let mut rest = &*name;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(entries) = self.below.get(parent)
                    && let Some(found) = first(entries)
                {
                    return Some(found);
                }
                rest = parent;
            }
        }
        first(&self.any)
    }
}

/// A prefix matches on segment boundaries only.
fn path_matches(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => path == &**exact,
        PathPattern::Prefix(prefix) => {
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

#[cfg(test)]
mod tests;
