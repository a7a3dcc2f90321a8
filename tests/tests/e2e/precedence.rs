//! A property of routes: of those that match, the one that the order of precedence names is taken.
//!
//! Many small routes and many small requests, drawn from the same few words so that they collide, against
//! the rule written down plainly.

use trimtab_tests::{Backend, Setup};

const HOSTS: [&str; 4] = ["", "*.x.test", "a.x.test", "b.x.test"];
const PATHS: [&str; 5] = ["/", "/p", "/p/q", "/p/q/r", "/pp"];
const HEADERS: [&str; 3] = ["h1", "h2", "h3"];
const ROUTES: usize = 30;
const REQUESTS: usize = 500;

/// A route: a host pattern, a path prefix, and which headers must be 1.
#[derive(Clone, Copy)]
struct Route {
    host: &'static str,
    path: &'static str,
    headers: usize,
}

/// Draws the same numbers in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 += 1;
        (xxhash_rust::xxh64::xxh64(&self.0.to_le_bytes(), 0) % limit as u64) as usize
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    fn route(&mut self) -> Route {
        Route { host: self.of(&HOSTS), path: self.of(&PATHS), headers: self.below(1 << HEADERS.len()) }
    }
}

impl Route {
    fn matches(&self, host: &str, path: &str, headers: usize) -> bool {
        let host_matches = match self.host.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => self.host.is_empty() || self.host == host,
        };
        let path_matches = self.path == "/" || path == self.path || path.starts_with(&format!("{}/", self.path));
        host_matches && path_matches && headers & self.headers == self.headers
    }

    /// The greater comes first.
    fn rank(&self) -> (u8, usize, u32) {
        let host = match self.host {
            "" => 0,
            name if name.starts_with('*') => 1,
            _ => 2,
        };
        (host, self.path.len(), self.headers.count_ones())
    }

    fn toml(&self, pool: usize) -> String {
        let host = if self.host.is_empty() { String::new() } else { format!("host = '{}'\n", self.host) };
        let headers: Vec<_> = named(self.headers).map(|name| format!("{name} = '1'")).collect();
        let (path, headers) = (self.path, headers.join(", "));
        format!("[[route]]\n{host}path = '{path}'\nheaders = {{ {headers} }}\npool = 'p{pool}'\n")
    }
}

fn named(headers: usize) -> impl Iterator<Item = &'static str> {
    HEADERS.into_iter().enumerate().filter(move |(bit, _)| headers & (1 << bit) != 0).map(|(_, name)| name)
}

#[test]
fn of_the_routes_that_match_the_first_in_precedence_is_taken() {
    let mut draw = Draw(0);
    let routes: Vec<Route> = (0..ROUTES).map(|_| draw.route()).collect();
    let default = Backend::echo("default");
    let backends: Vec<Backend> = (0..ROUTES).map(|i| Backend::echo(&format!("p{i}"))).collect();
    let mut setup = Setup::over(&[&default]);
    for (i, (route, backend)) in routes.iter().zip(&backends).enumerate() {
        setup = setup.more(&route.toml(i)).more(&format!("[pool.p{i}]\nbackends = [{}]\n", backend.entry()));
    }
    let host = setup.start();
    let mut client = host.client();
    for _ in 0..REQUESTS {
        let name = draw.of(&["a.x.test", "b.x.test", "c.x.test", "x.test", "other.test"]);
        let path = draw.of(&["/", "/p", "/p/", "/p/q", "/p/qq", "/p/q/r/s", "/pp/q", "/ppp"]);
        let headers = draw.below(1 << HEADERS.len());
        let matching = routes.iter().enumerate().filter(|(_, route)| route.matches(name, path, headers));
        // Of equal ranks the first in the file: `max_by_key` takes the last, so the position counts backwards.
        let expected = matching.max_by_key(|(i, route)| (route.rank(), ROUTES - i));
        let expected = expected.map_or("default", |(i, _)| backends[i].name());
        let lines: String = named(headers).map(|name| format!("{name}: 1\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {name}\r\n{lines}\r\n");
        let response = client.send(&request).response();
        assert_eq!(response.backend(), expected, "{request}");
    }
}
