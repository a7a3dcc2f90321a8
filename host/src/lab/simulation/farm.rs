//! Backends as queues: each serves so many requests at a time, the others wait in their order.

use std::collections::VecDeque;

/// A request that is begun to be served, and how much longer than its share that takes.
pub(super) type Begun = (u32, f64);

/// A backend.
#[derive(Debug)]
pub(super) struct Server {
    capacity: u32,
    serving: Vec<u32>,
    waiting: VecDeque<u32>,
    /// How many times longer everything takes.
    pub(super) factor: f64,
    /// Whether it takes connections.
    pub(super) is_up: bool,
}

impl Server {
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity, serving: Vec::new(), waiting: VecDeque::new(), factor: 1.0, is_up: true }
    }

    /// A request comes. It is served at once, or it waits.
    pub(super) fn take(&mut self, request: u32) -> Option<Begun> {
        if self.serving.len() < self.capacity as usize {
            self.serving.push(request);
            return Some((request, self.factor));
        }
        self.waiting.push_back(request);
        None
    }

    /// A request is done. Answers who is next.
    pub(super) fn done(&mut self, request: u32) -> Option<Begun> {
        if let Some(at) = self.serving.iter().position(|serving| *serving == request) {
            self.serving.swap_remove(at);
        }
        let next = self.waiting.pop_front()?;
        self.serving.push(next);
        Some((next, self.factor))
    }

    /// It goes down. Answers what breaks off.
    pub(super) fn fall(&mut self) -> Vec<u32> {
        self.is_up = false;
        self.serving.drain(..).chain(self.waiting.drain(..)).collect()
    }
}
