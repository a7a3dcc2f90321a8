//! Who answered how many of many requests.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::host::Host;

/// Connections that requests are spread over. By chance each worker has some: that one of two has none happens once in
/// two billion times.
const CONNECTIONS: usize = 32;

/// Answers by backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<String, usize>);

impl Tally {
    /// Of so many requests, one after the other and over all workers. Each must be answered with 200.
    #[must_use]
    pub fn of(host: &Host, requests: usize) -> Self {
        Self::with(host, requests, |_| String::new())
    }

    /// The same, with header lines for the nth request.
    #[must_use]
    pub fn with(host: &Host, requests: usize, lines: impl Fn(usize) -> String) -> Self {
        let mut clients: Vec<Client> = (0..CONNECTIONS.min(requests)).map(|_| host.client()).collect();
        let mut tally = Self::default();
        for request in 0..requests {
            let response = clients[request % CONNECTIONS].get_with("/", &lines(request));
            assert_eq!(response.status, 200, "request {request}: {}", response.text());
            *tally.0.entry(response.backend().to_owned()).or_default() += 1;
        }
        tally
    }

    /// Answers of this backend.
    #[must_use]
    pub fn by(&self, backend: &str) -> usize {
        self.0.get(backend).copied().unwrap_or_default()
    }

    /// Of all backends.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Pearson's chi-square against shares in proportion to these weights. Values above 40 are no chance for up to
    /// ten backends: one run in a hundred thousand, and with three one in five hundred million.
    #[must_use]
    pub fn chi_square(&self, weights: &[(&str, f64)]) -> f64 {
        let (total, all) = (self.total() as f64, weights.iter().map(|(_, weight)| weight).sum::<f64>());
        let term = |(backend, weight): &(&str, f64)| {
            let expected = total * weight / all;
            (self.by(backend) as f64 - expected).powi(2) / expected
        };
        weights.iter().map(term).sum()
    }
}
