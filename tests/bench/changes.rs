//! The backends of a large pool, and changes of them by the admin API.

use std::time::{Duration, Instant};

use trimtab_tests::{Host, wait};

/// The entry of a backend in the configuration: an address of its own, and one port for all.
pub(crate) fn entry(number: usize, port: u16, mixed: bool) -> String {
    let weight = if mixed { number % 5 + 1 } else { 1 };
    format!("{{ id = \"b{number}\", address = \"{}\", weight = {weight} }}", address(number, port))
}

/// Of loopback, of which every address is ours.
fn address(number: usize, port: u16) -> String {
    format!("127.{}.{}.{}:{port}", 1 + number / 60_000, number / 250 % 240, 1 + number % 250)
}

/// Changes in turn: a weight, draining and ready again, a removal, an addition.
pub(crate) struct Changes {
    of_each: usize,
    backends: usize,
    port: u16,
    made: usize,
}

impl Changes {
    /// So many of each kind, of a pool of so many backends.
    pub(crate) fn new(of_each: usize, backends: usize, port: u16) -> Self {
        Self { of_each, backends, port, made: 0 }
    }

    /// Makes them, one in so much time.
    ///
    /// # Panics
    /// When the host refuses one.
    pub(crate) fn make(&mut self, host: &Host, pool: &str, every: Duration) {
        let start = Instant::now();
        for step in 0..4 * self.of_each {
            wait::until(start + every * step as u32);
            // What was removed is added again, at the end of the table.
            let number = self.made / 2 * 37 % self.backends;
            let (method, body) = match step % 4 {
                0 => ("PATCH", format!("{{\"weight\": {}}}", 2 + self.made % 4)),
                1 if step % 8 == 1 => ("PATCH", "{\"state\": \"draining\"}".to_owned()),
                1 => ("PATCH", "{\"state\": \"ready\"}".to_owned()),
                2 => ("DELETE", String::new()),
                _ => ("PUT", format!("{{\"address\": \"{}\", \"weight\": 1}}", address(number, self.port))),
            };
            let (status, answer) = host.admin(method, &format!("/pools/{pool}/backends/b{number}"), &body);
            assert!((200..300).contains(&status), "{method} {body}: {status} {answer}");
            self.made += 1;
        }
    }
}
