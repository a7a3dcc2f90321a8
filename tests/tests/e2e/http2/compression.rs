//! Compressed heads (RFC 7541): tables that change, heads in many frames, and heads that are larger than they look.

use trimtab_tests::frames::{self, CONTINUATION, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM};
use trimtab_tests::{Backend, Setup};

use super::PROTOCOL_ERROR;

const COMPRESSION_ERROR: u32 = 9;

/// `ENHANCE_YOUR_CALM`
const CALM: u32 = 11;

/// Changes of the table's size (RFC 7541 §6.3): to nothing, and to the 4096 bytes that are the default.
const NO_TABLE: &[u8] = &[0x20];
const DEFAULT_TABLE: &[u8] = &[0x3f, 0xe1, 0x1f];

/// The first entry of the dynamic table, behind 61 of the static one.
const NEWEST: u8 = 0x80 | 62;

/// An integer of a length, with a prefix of seven bits (RFC 7541 §5.1).
fn length(of: usize) -> Vec<u8> {
    let Some(mut rest) = of.checked_sub(127) else { return vec![u8::try_from(of).expect("short")] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}

/// A field with a new name; where it is `kept`, it becomes the newest entry of the table.
fn field(name: &str, value: &str, kept: bool) -> Vec<u8> {
    let first = if kept { 0x40 } else { 0 };
    [&[first][..], &length(name.len()), name.as_bytes(), &length(value.len()), value.as_bytes()].concat()
}

/// A head in as many frames as it takes with so many bytes in each, or until nobody takes them.
fn send_in_pieces(client: &mut Frames, stream: u32, head: &[u8], size: usize) {
    let last = head.chunks(size).count() - 1;
    for (nth, piece) in head.chunks(size).enumerate() {
        let (kind, flags) = if nth == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
        let flags = if nth == last { flags | END_HEADERS } else { flags };
        let _ = client.wire.send(frames::bytes(kind, flags, stream, piece));
    }
}

/// How a stream or its connection ends.
fn end(client: &mut Frames) -> Frame {
    client.find("end", |frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY))
}

#[test]
fn a_table_may_change_and_be_nothing() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    let get = frames::head("GET", "/", &[]);
    let heads = [
        [&get[..], &field("x-kept", "1", true)].concat(),
        [&get[..], &[NEWEST]].concat(),
        [NO_TABLE, &get[..], &field("x-kept", "2", true)].concat(),
        [NO_TABLE, DEFAULT_TABLE, &get[..], &field("x-kept", "3", true), &[NEWEST]].concat(),
    ];
    for (nth, head) in (0..).zip(&heads) {
        client.send(HEADERS, END_HEADERS | END_STREAM, 2 * nth + 1, head);
        assert!(client.answered(2 * nth + 1), "the {nth}th");
    }
    let seen: Vec<String> = a.seen().iter().map(|request| request.headers.all("x-kept").join(" ")).collect();
    assert_eq!(seen, ["1", "1", "2", "3 3"]);
}

#[test]
fn what_cannot_be_decoded_ends_the_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let get = frames::head("GET", "/", &[]);
    for (what, head) in [
        ("an entry that is not there", [&get[..], &[NEWEST]].concat()),
        ("the entry 0", [&get[..], &[0x80]].concat()),
        ("an entry of a table that was emptied", [&get[..], &field("x-a", "1", true), NO_TABLE, &[NEWEST]].concat()),
        ("a table larger than allowed", [&[0x3f, 0xe1, 0x3f], &get[..]].concat()),
        ("a change behind a field", [&get[..], NO_TABLE].concat()),
        ("a field that is cut off", get[..get.len() - 1].to_vec()),
        ("a number without end", [&get[..], &[0xff; 12]].concat()),
    ] {
        let mut client = Frames::connect(host.address());
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &head);
        let end = end(&mut client);
        assert_eq!(end.kind, GOAWAY, "{what}");
        // h2 says the former.
        assert!([PROTOCOL_ERROR, COMPRESSION_ERROR].contains(&end.code()), "{what}: {}", end.code());
    }
    assert_eq!(a.requests(), 0);
}

#[test]
fn a_large_head_may_come_in_many_frames() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let value = "v".repeat(12 << 10);
    let head = [frames::head("GET", "/", &[]), field("x-large", &value, false)].concat();
    for (nth, size) in (0..).zip([16 << 10, 4000]) {
        let mut client = Frames::connect(host.address());
        send_in_pieces(&mut client, 1, &head, size);
        assert!(client.answered(1), "frames of {size} bytes");
        assert_eq!(a.seen()[nth].headers.get("x-large"), Some(&*value));
    }
    // No library cuts a head like this: in more frames than such a head would fill several times.
    let mut client = Frames::connect(host.address());
    send_in_pieces(&mut client, 1, &head, 250);
    assert_eq!(client.find("GOAWAY", |frame| frame.kind == GOAWAY).code(), CALM);
}

#[test]
fn a_head_that_grows_when_it_is_decoded_is_431_or_the_end() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    let large = field("x-large", &"v".repeat(3800), true);
    let repeated = |times: usize| [&frames::head("GET", "/", &[])[..], &large, &vec![NEWEST; times]].concat();
    // 27 KB of four, where there may be 16.
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &repeated(6));
    let told = end(&mut client);
    assert!(told.kind == HEADERS && !told.is_ok(), "{told:?}");
    client.get(3, "/");
    assert!(client.answered(3), "the connection goes on");
    // Four megabytes: nobody decodes them.
    client.send(HEADERS, END_HEADERS | END_STREAM, 5, &repeated(1100));
    assert_eq!(end(&mut client).kind, GOAWAY);
    assert_eq!(a.requests(), 1);
}
