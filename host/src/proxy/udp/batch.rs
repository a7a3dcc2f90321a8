//! Datagrams as they come from a socket: many by one system call (`recvmmsg`), and those that came one after another from
//! one address side by side, so that they can go on by one (generic segmentation offload).
//!
//! Datagrams are neither merged nor reordered: what is side by side is told apart by its length.

use std::io::{self, IoSliceMut};
use std::iter::from_fn;
use std::ops::Range;

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// More than the longest datagram, and as much as the kernel joins of several (generic receive offload).
const ROOM: usize = 64 << 10;

/// Bytes, and datagrams, that the kernel takes apart at a time.
const MOST_BYTES: usize = 65_000;
const MOST: usize = 64;

/// What one worker reads datagrams into. Pages of it are taken from the system as they are used.
pub(in crate::proxy) struct Batch {
    room: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    count: usize,
    joined: Vec<u8>,
}

/// Datagrams of one flow, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagrams<'a> {
    /// One behind the other.
    pub bytes: &'a [u8],
    /// The length of each but the last, which may be shorter; none: it is one, which may be empty.
    pub segment: Option<usize>,
}

impl<'a> Datagrams<'a> {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.segment.map_or(1, |segment| self.bytes.len().div_ceil(segment))
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.bytes);
        from_fn(move || {
            let bytes = rest.take()?;
            match self.segment {
                Some(segment) if segment < bytes.len() => {
                    let (first, behind) = bytes.split_at(segment);
                    rest = Some(behind);
                    Some(first)
                }
                _ => Some(bytes),
            }
        })
    }
}

impl Default for Batch {
    fn default() -> Self {
        let metas = [RecvMeta::default(); BATCH_SIZE];
        Self { room: vec![0; ROOM * BATCH_SIZE], metas, count: 0, joined: Vec::new() }
    }
}

impl Batch {
    /// Takes what `socket` has, in place of what was there. Whether there may be more.
    ///
    /// # Errors
    /// As the socket's; `WouldBlock` when there is nothing.
    pub(super) fn receive(&mut self, socket: &UdpSocket, state: &UdpSocketState) -> io::Result<bool> {
        self.count = 0;
        let Self { room, metas, count, .. } = self;
        let received = socket.try_io(Interest::READABLE, || {
            let mut rooms = room.chunks_exact_mut(ROOM);
            let mut slices: [_; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
            *count = state.recv(socket.into(), &mut slices, metas)?;
            // Fewer than there is room for: it was all. To say so spares asking once more.
            if *count < BATCH_SIZE { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match received {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && *count > 0 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was taken, in its order: `each` gets what came one after another from one address to one of ours.
    pub(super) fn for_each(&mut self, each: impl FnMut(&RecvMeta, Datagrams<'_>)) {
        let Self { room, metas, count, joined } = self;
        let bytes = |position: usize| &room[position * ROOM..][..metas[position].len];
        join(&metas[..*count], bytes, joined, each);
        *count = 0;
    }
}

/// Gives `each` what goes on together, in its order, of datagrams with these `bytes`. In `joined` they are put side by side.
pub fn join<'a>(
    metas: &[RecvMeta],
    bytes: impl Fn(usize) -> &'a [u8],
    joined: &mut Vec<u8>,
    mut each: impl FnMut(&RecvMeta, Datagrams<'_>),
) {
    for range in groups(metas) {
        let meta = &metas[range.start];
        if range.len() == 1 {
            let segment = Some(meta.stride).filter(|stride| *stride > 0 && *stride < meta.len);
            each(meta, Datagrams { bytes: bytes(range.start), segment });
            continue;
        }
        joined.clear();
        range.for_each(|position| joined.extend_from_slice(bytes(position)));
        each(meta, Datagrams { bytes: joined, segment: Some(meta.len) });
    }
}

/// Which of them go on together: of one flow, of one length but the last, which may be shorter.
fn groups(metas: &[RecvMeta]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    from_fn(move || {
        let first = metas.get(from)?;
        let (start, mut total) = (from, first.len);
        let is_single = |meta: &RecvMeta| meta.len > 0 && meta.stride >= meta.len;
        from += 1;
        while let Some(next) = metas.get(from)
            && is_single(first)
            && is_single(next)
            && metas[from - 1].len == first.len
            && next.len <= first.len
            && (next.addr, next.dst_ip) == (first.addr, first.dst_ip)
            && from - start < MOST
            && total + next.len <= MOST_BYTES
        {
            total += next.len;
            from += 1;
        }
        Some(start..from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(port: u16, len: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (([127, 0, 0, 1], port).into(), len, len);
        meta
    }

    fn grouped(metas: &[RecvMeta]) -> Vec<(usize, usize)> {
        groups(metas).map(|group| (group.start, group.end)).collect()
    }

    #[test]
    fn what_is_of_one_flow_and_length_goes_on_together() {
        assert!(grouped(&[]).is_empty());
        let of = |lengths: &[usize]| lengths.iter().map(|len| meta(1, *len)).collect::<Vec<_>>();
        assert_eq!(grouped(&of(&[64, 64, 64])), [(0, 3)]);
        assert_eq!(grouped(&of(&[64, 64, 3, 64])), [(0, 3), (3, 4)], "the last may be shorter");
        assert_eq!(grouped(&of(&[64, 65, 65])), [(0, 1), (1, 3)]);
        assert_eq!(grouped(&of(&[0, 0, 5, 0])), [(0, 1), (1, 2), (2, 3), (3, 4)], "an empty one would not be seen");
        assert_eq!(grouped(&of(&[40_000, 40_000])), [(0, 1), (1, 2)], "more than the kernel takes");
        assert_eq!(grouped(&[meta(1, 9), meta(2, 9), meta(1, 9)]), [(0, 1), (1, 2), (2, 3)]);
        let mut joined = meta(1, 18);
        joined.stride = 9;
        assert_eq!(grouped(&[meta(1, 18), joined, meta(1, 18)]), [(0, 1), (1, 2), (2, 3)], "joined by the kernel");
    }

    #[test]
    fn joined_datagrams_are_told_apart() {
        let each = |bytes: &'static [u8], segment| Datagrams { bytes, segment }.each().collect::<Vec<_>>();
        assert_eq!(each(b"", None), [b""]);
        assert_eq!(each(b"abc", None), [b"abc"]);
        assert_eq!(each(b"abcde", Some(2)), [&b"ab"[..], b"cd", b"e"]);
        assert_eq!(each(b"abcd", Some(2)), [b"ab", b"cd"]);
        assert_eq!(Datagrams { bytes: b"abcde", segment: Some(2) }.count(), 3);
        assert_eq!(Datagrams { bytes: b"", segment: None }.count(), 1);
    }
}
