//! Counts the frames by which a client can keep us busy without asking for anything.
//!
//! h2 bounds what a client can make it keep: streams that were reset before they were served (20, CVE-2023-44487), streams
//! that it has to reset itself (1024, CVE-2025-8671), CONTINUATION frames (by the size of a head, CVE-2024-27316), empty and
//! tiny DATA frames, heads larger than may be (which are dropped as they are decoded). It does not count frames that it only
//! has to answer or to forget: those are counted here, by their heads alone. A client has a credit of them, which grows with
//! time, with what it takes of responses (by bytes and by frames: clients that measure the bandwidth answer each frame with a PING and
//! a WINDOW_UPDATE), and with requests that were served to their end.

/// Credit that a client begins with, and can have at most for time and for requests that ended well.
const MOST: u32 = 2000;
/// What it can have at most for frames of responses, which may all be on the way before it answers the first.
const MOST_TAKEN: u32 = 100_000;
/// What is added each second.
const PER_SECOND: u64 = 100;
/// Bytes of responses for one more.
const BYTES: usize = 1024;
/// What a frame of a response's body gives.
const FRAME: u32 = 4;
/// What a stream costs that the client resets, and what one gives that ended well: as long as not more than every other
/// request is given up, there is no end of it.
const RESET: u32 = 4;

/// Size of a frame's head (RFC 9113 §4.1).
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// What one client connection may still do.
#[derive(Debug)]
pub struct Meter {
    read: Heads,
    sent: Heads,
    frames: u64,
    last_stream: u32,
    credit: u32,
    /// Milliseconds, when time was last counted.
    counted: u64,
    /// Bytes of responses that were not counted yet.
    written: usize,
}

impl Meter {
    /// Of a connection that begins at `now` (in milliseconds) with so many bytes that are no frames.
    pub fn new(preface: usize, now: u64) -> Self {
        let (read, sent) = (Heads::after(preface), Heads::after(0));
        Self { read, sent, frames: 0, last_stream: 0, credit: MOST, counted: now, written: 0 }
    }

    /// What came from the client. False when it was too much.
    pub fn read(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(head) = self.read.next(&mut bytes) {
            let cost = self.frame(head);
            match self.credit.checked_sub(cost) {
                Some(left) => self.credit = left,
                None => return false,
            }
        }
        true
    }

    /// A frame's head is there. Answers what it costs.
    fn frame(&mut self, head: [u8; HEAD]) -> u32 {
        let [_, _, _, kind, flags, stream @ ..] = head;
        let length = length(head);
        self.frames += 1;
        match kind {
            DATA => u32::from(length == 0 && flags & END_STREAM == 0),
            HEADERS => {
                self.last_stream = self.last_stream.max(u32::from_be_bytes(stream) & (u32::MAX >> 1));
                0
            }
            CONTINUATION => 0,
            RST_STREAM => RESET,
            // PRIORITY, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, and what nobody knows.
            _ => 1,
        }
    }

    /// Time goes on: `now` in milliseconds.
    pub fn pass(&mut self, now: u64) {
        let earned = now.saturating_sub(self.counted).saturating_mul(PER_SECOND) / 1000;
        if earned > 0 {
            self.counted = now;
            self.earn(u32::try_from(earned).unwrap_or(MOST));
        }
    }

    /// The client took these bytes. Answers whether something of a response's body is among them.
    pub fn wrote(&mut self, mut bytes: &[u8]) -> bool {
        self.written = self.written.saturating_add(bytes.len());
        self.earn(u32::try_from(self.written / BYTES).unwrap_or(MOST));
        self.written %= BYTES;
        let mut of_a_body = !bytes.is_empty() && self.sent.is_within(DATA);
        while let Some(head) = self.sent.next(&mut bytes) {
            if head[3] == DATA {
                self.credit = self.credit.max(self.credit.saturating_add(FRAME).min(MOST_TAKEN));
                of_a_body = true;
            }
        }
        of_a_body
    }

    /// So many streams ended well.
    pub fn completed(&mut self, streams: u32) {
        self.earn(streams.saturating_mul(RESET));
    }

    fn earn(&mut self, credit: u32) {
        self.credit = self.credit.max(self.credit.saturating_add(credit).min(MOST));
    }

    /// Frames whose heads were seen.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The last stream that the client opened.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }
}

/// The heads of frames in bytes that come in any pieces.
#[derive(Debug)]
struct Heads {
    /// Of the preface, or of a payload: bytes that are no head.
    skip: usize,
    /// The present one, or the last.
    head: [u8; HEAD],
    /// So much of the present one is there.
    filled: usize,
}

impl Heads {
    /// Behind so many bytes that are no frames.
    fn after(skip: usize) -> Self {
        Self { skip, head: [0; HEAD], filled: 0 }
    }

    /// The next head that ends in `bytes`, which are taken up to there.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEAD]> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        let (part, rest) = bytes.split_at((HEAD - self.filled).min(bytes.len()));
        self.head[self.filled..self.filled + part.len()].copy_from_slice(part);
        self.filled += part.len();
        *bytes = rest;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        self.skip = length(self.head);
        Some(self.head)
    }

    /// Whether what comes next is the payload of a frame of this kind.
    fn is_within(&self, kind: u8) -> bool {
        self.skip > 0 && self.filled == 0 && self.head[3] == kind
    }
}

/// How long the payload behind this head is.
fn length([a, b, c, ..]: [u8; HEAD]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("small").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(vec![0xff; payload]);
        frame
    }

    #[test]
    fn a_flood_ends_with_its_credit() {
        for kind in [2, 4, 6, 8, 11, 255] {
            let mut meter = Meter::new(0, 0);
            let bytes = frame(kind, 0, 0, 8).repeat(MOST as usize);
            assert!(meter.read(&bytes), "{kind}");
            assert!(!meter.read(&frame(kind, 0, 0, 8)), "{kind}");
            meter.pass(1000);
            assert!(meter.read(&frame(kind, 0, 0, 8).repeat(PER_SECOND as usize)), "{kind}");
        }
    }

    #[test]
    fn work_is_free() {
        let mut meter = Meter::new(24, 0);
        assert!(meter.read(&[0; 24]));
        for stream in 0..100_000 {
            assert!(meter.read(&frame(HEADERS, END_STREAM, 2 * stream + 1, 5)));
            assert!(meter.read(&frame(DATA, 0, 2 * stream + 1, 5)));
        }
        assert_eq!((meter.frames(), meter.last_stream()), (200_000, 199_999));
    }

    #[test]
    fn half_of_the_requests_may_be_given_up() {
        let mut meter = Meter::new(0, 0);
        for _ in 0..10_000 {
            assert!(meter.read(&frame(RST_STREAM, 0, 1, 4)));
            meter.completed(1);
        }
        assert!(!meter.read(&frame(RST_STREAM, 0, 1, 4).repeat(501)), "but not all");
    }

    #[test]
    fn windows_may_be_opened_for_what_is_sent() {
        let mut meter = Meter::new(0, 0);
        for _ in 0..10_000 {
            assert!(meter.read(&frame(8, 0, 0, 4).repeat(2)));
            meter.wrote(&[0; 32 << 10]);
        }
    }

    #[test]
    fn each_frame_of_a_response_may_be_answered() {
        let mut meter = Meter::new(0, 0);
        for _ in 0..10_000 {
            assert!(meter.wrote(&frame(DATA, 0, 1, 25)));
            assert!(meter.read(&[frame(6, 0, 0, 8), frame(8, 0, 0, 4)].concat()));
        }
        assert!(!meter.wrote(&frame(6, 1, 0, 8)), "what answers a PING is no response");
    }

    #[test]
    fn a_part_of_a_body_is_one() {
        let mut meter = Meter::new(0, 0);
        let bytes = frame(DATA, 0, 1, 25);
        assert!(!meter.wrote(&bytes[..4]));
        assert!(meter.wrote(&bytes[4..9]) && meter.wrote(&bytes[9..20]) && meter.wrote(&bytes[20..]));
        assert!(!meter.wrote(&frame(HEADERS, 4, 3, 5)));
    }

    proptest! {
        /// However the bytes are cut, the same frames are seen.
        #[test]
        fn pieces_do_not_matter(
            frames in prop::collection::vec((0u8..12, any::<u8>(), any::<u32>(), 0usize..40), 0..40),
            cuts in prop::collection::vec(1usize..30, 0..200),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|&(kind, flags, stream, size)| frame(kind, flags, stream, size)).collect();
            let (mut whole, mut pieces) = (Meter::new(0, 0), Meter::new(0, 0));
            prop_assert!(whole.read(&bytes));
            let mut rest = &bytes[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                prop_assert!(pieces.read(piece));
                rest = after;
            }
            prop_assert!(pieces.read(rest));
            prop_assert_eq!(whole.frames(), frames.len() as u64);
            prop_assert_eq!((whole.frames(), whole.credit, whole.last_stream), (pieces.frames(), pieces.credit, pieces.last_stream));
        }

        /// Nothing makes it panic.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500), now: u64) {
            let mut meter = Meter::new(24, 0);
            meter.read(&bytes);
            meter.pass(now);
            meter.wrote(&bytes);
            meter.completed(u32::MAX);
        }
    }
}
