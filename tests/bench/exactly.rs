//! An exact number of requests, and how many of them failed: what wrk cannot tell.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_tests::Client;

/// How an exact number of requests went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    /// Requests sent.
    pub(crate) sent: usize,
    /// Whole responses with status 200.
    pub(crate) answered: usize,
}

impl Count {
    /// What was not answered with 200.
    pub(crate) fn failed(self) -> usize {
        self.sent - self.answered
    }
}

/// Sends exactly `requests` over as many connections; a connection that fails is replaced.
pub(crate) fn exactly(address: SocketAddr, connections: usize, requests: usize) -> Count {
    const AT_ONCE: usize = 16;
    let (left, answered) = (AtomicUsize::new(requests), AtomicUsize::new(0));
    let request = "GET / HTTP/1.1\r\nhost: bench\r\n\r\n";
    let take = || {
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n - n.min(AT_ONCE)));
        before.unwrap_or_default().min(AT_ONCE)
    };
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                loop {
                    let batch = take();
                    if batch == 0 {
                        return;
                    }
                    for _ in 0..batch {
                        let sent = client.wire.send(request);
                        match sent.and_then(|()| client.try_response("GET")) {
                            Ok(response) if response.status == 200 && response.body.len() == 128 => {
                                answered.fetch_add(1, Ordering::SeqCst);
                            }
                            Ok(_) => {}
                            Err(_) => client = Client::connect(address),
                        }
                    }
                }
            });
        }
    });
    Count { sent: requests, answered: answered.into_inner() }
}
