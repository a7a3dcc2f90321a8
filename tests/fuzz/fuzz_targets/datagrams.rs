//! Datagrams that go on together: what goes out is what came in, in its order, of one flow, and not more of them than the
//! kernel takes apart.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quinn_udp::RecvMeta;
use trimtab::proxy::udp::batch::join;

/// The longest datagram by IPv4, and most of them that the kernel takes, or gives, as one.
const LONGEST: usize = 65_507;
const MOST: usize = 64;

/// Bytes that are another sequence wherever one begins.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let next = |number: &u32| Some(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1), next).map(|number| number.to_be_bytes()[0]).take(2 * LONGEST).collect()
});

/// Most are short ones, and come alone.
fn meta(flow: u8, length: u8, parts: u8) -> RecvMeta {
    let mut meta = RecvMeta::default();
    meta.addr = ([127, 0, 0, 1], u16::from(flow % 2)).into();
    meta.dst_ip = (flow & 2 > 0).then(|| [127, 0, 0, flow & 4].into());
    meta.len = if length < 200 { length.into() } else { (usize::from(length - 199) * 1200).min(LONGEST) };
    let parts = usize::from(parts.saturating_sub(191)).max(1);
    meta.stride = meta.len.div_ceil(parts);
    meta
}

fuzz_target!(|came: Vec<(u8, u8, u8)>| {
    let metas: Vec<_> = came.iter().map(|(flow, length, parts)| meta(*flow, *length, *parts)).collect();
    let bytes = |position: usize| &BYTES[position % 1000 * 61..][..metas[position].len];
    let mut expected = metas.iter().enumerate().flat_map(|(position, meta)| {
        let each: Vec<_> = match bytes(position) {
            [] => vec![&[][..]],
            bytes => bytes.chunks(meta.stride).collect(),
        };
        each.into_iter().map(|bytes| (meta.addr, meta.dst_ip, bytes))
    });
    join(&metas, bytes, &mut Vec::new(), |meta, datagrams| {
        assert!(datagrams.bytes.len() <= LONGEST && datagrams.count() <= MOST);
        assert_eq!(datagrams.each().count(), datagrams.count());
        for datagram in datagrams.each() {
            assert_eq!(expected.next(), Some((meta.addr, meta.dst_ip, datagram)));
        }
    });
    assert_eq!(expected.next(), None);
});
