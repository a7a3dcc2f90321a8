//! Datagrams of a flow that wait until it is known where it goes, within bounds.

use std::collections::VecDeque;

use super::batch::Datagrams;

/// How many, and their bytes.
const MOST_WAITING: usize = 64;
const MOST_BYTES: usize = 128 << 10;

/// In their order.
#[derive(Default)]
pub(super) struct Waiting {
    datagrams: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Waiting {
    /// Takes those behind the `first` ones as far as there is room. Answers how many it does not take.
    pub(super) fn push(&mut self, datagrams: Datagrams<'_>, first: usize) -> u64 {
        let mut dropped = 0;
        for bytes in datagrams.each().skip(first) {
            if self.datagrams.len() >= MOST_WAITING || self.bytes + bytes.len() > MOST_BYTES {
                dropped += 1;
                continue;
            }
            self.bytes += bytes.len();
            self.datagrams.push_back(bytes.to_vec());
        }
        dropped
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let datagram = self.datagrams.pop_front()?;
        self.bytes -= datagram.len();
        Some(datagram)
    }

    /// It was taken, and waits on in front of the others.
    pub(super) fn put_back(&mut self, datagram: Vec<u8>) {
        self.bytes += datagram.len();
        self.datagrams.push_front(datagram);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }
}
