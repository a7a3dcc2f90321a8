//! Framing by example, and by property against the parser that hyper reads heads and chunks with.

use proptest::prelude::*;

use super::*;

/// What the whole text comes to, however it is cut.
fn look(text: &str) -> Result<(), Error> {
    let whole = Framing::default().look(text.as_bytes()).map(|_| ()).map_err(|violation| violation.error);
    let mut framing = Framing::default();
    let by_bytes = text.as_bytes().chunks(1).try_for_each(|byte| framing.look(byte).map(|_| ()));
    assert_eq!(by_bytes.map_err(|violation| violation.error), whole, "{text:?}");
    whole
}

fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n{body}")
}

#[test]
fn sound_requests_pass() {
    for text in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        post("content-length: 3\r\n", "a\nbGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        post(
            "Transfer-Encoding: Chunked\r\n",
            "3\r\na\rb\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        ),
        post("upgrade: x\r\nconnection: upgrade\r\n", "\0\n\n"),
    ] {
        assert_eq!(look(&text), Ok(()), "{text:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_does_not() {
    for (lines, body, error) in [
        ("content-length: 3\r\ncontent-length: 3\r\n", "abc", Error::BadFraming),
        ("content-length: 3, 3\r\n", "abc", Error::BadFraming),
        ("content-length: +3\r\n", "abc", Error::BadFraming),
        ("content-length: 0x3\r\n", "abc", Error::BadFraming),
        ("content-length:\r\n", "", Error::BadFraming),
        ("content-length: 99999999999999999999\r\n", "", Error::BadFraming),
        ("content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\ncontent-length: 3\r\n", "0\r\n\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", Error::BadFraming),
        ("transfer-encoding: chunked, identity\r\n", "", Error::TransferCoding),
        ("transfer-encoding: gzip, chunked\r\n", "", Error::TransferCoding),
        ("transfer-encoding: xchunked\r\n", "", Error::TransferCoding),
        ("transfer-encoding:\tchunked\r\n", "", Error::TransferCoding),
        ("x-a: b\r\n c\r\n", "", Error::BadRequest),
        ("x-a: b\n", "", Error::BadRequest),
        ("x-a: b\rc\r\n", "", Error::BadRequest),
        ("transfer-encoding: chunked\r\n", "3\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "0x3\r\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "+3\r\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "3 \r\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "\r\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "3\r\nabcd\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "0\r\nhost: b\r\n\r\n", Error::BadFraming),
        ("transfer-encoding: chunked\r\n", "0\r\nno field\r\n\r\n", Error::BadFraming),
    ] {
        assert_eq!(look(&post(lines, body)), Err(error), "{lines:?} {body:?}");
    }
    let endless = format!("3;{}\r\nabc\r\n", "x".repeat(300));
    assert_eq!(look(&post("transfer-encoding: chunked\r\n", &endless)), Err(Error::BadFraming));
}

#[test]
fn request_lines_are_by_the_letter() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /#a HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET\t/ HTTP/1.1",
        "GET /\x7f HTTP/1.1",
    ] {
        assert_eq!(look(&format!("{line}\r\nhost: a\r\n\r\n")), Err(Error::BadRequest), "{line:?}");
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9"] {
        assert_eq!(look(&format!("GET / {version}\r\n\r\n")), Err(Error::BadVersion), "{version}");
    }
    assert_eq!(look("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"), Err(Error::BadFraming));
}

#[test]
fn what_comes_before_is_passed_on_and_nothing_of_what_is_wrong() {
    let sound = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n";
    let wrong = post("transfer-encoding: chunked\r\n", "zz\r\n");
    let violation = Framing::default().look([sound, &wrong].concat().as_bytes()).expect_err("a bad size");
    assert_eq!(violation, Violation { sound: sound.len(), error: Error::BadFraming, in_body: false });
    let mut framing = Framing::default();
    framing.look(post("transfer-encoding: chunked\r\n", "1\r\na\r\n").as_bytes()).expect("sound");
    let violation = framing.look(b"1\r\nb\r\nzz\r\n").expect_err("a bad size");
    assert_eq!(violation, Violation { sound: 6, error: Error::BadFraming, in_body: true });
}

/// Where the messages end that are passed on whole.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let (mut framing, mut ends, mut begun) = (Framing::default(), Vec::new(), false);
    for (at, byte) in bytes.iter().enumerate() {
        if framing.look(&[*byte]).is_err() || framing.state == State::Open {
            break;
        }
        let is_between = framing.state == State::Head && !framing.head.begun && framing.partial.is_empty();
        if is_between && begun {
            ends.push(at + 1);
        }
        begun = !is_between && (framing.head.begun || framing.state != State::Head);
    }
    ends
}

/// How hyper reads the first message, by httparse with the length or the chunks that its head names: where it ends, if it does.
fn end_by_httparse(bytes: &[u8]) -> Result<Option<usize>, httparse::Error> {
    use httparse::Status::{Complete, Partial};
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let Complete(mut at) = request.parse(bytes)? else { return Ok(None) };
    let of = |name: &str| request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    if of("transfer-encoding").is_none() {
        let length = of("content-length").map_or("0", |field| std::str::from_utf8(field.value).unwrap_or("none"));
        return length
            .trim()
            .parse::<usize>()
            .map(|length| Some(at + length))
            .map_err(|_| httparse::Error::HeaderValue);
    }
    loop {
        let (taken, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(Complete(chunk)) => chunk,
            Ok(Partial) => return Ok(None),
            Err(_) => return Err(httparse::Error::Token),
        };
        at += taken;
        if size == 0 {
            let mut trailers = [httparse::EMPTY_HEADER; 64];
            return Ok(match httparse::parse_headers(&bytes[at..], &mut trailers)? {
                Complete((taken, _)) => Some(at + taken),
                Partial => None,
            });
        }
        at += usize::try_from(size).map_err(|_| httparse::Error::Token)?;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(httparse::Error::NewLine),
            None => return Ok(None),
        }
    }
}

proptest! {
    /// What is passed on as a message ends where hyper reads its end, or is refused by hyper.
    #[test]
    fn messages_end_where_hyper_reads_their_end(
        parts in proptest::collection::vec(prop_oneof![
            4 => Just("POST /a HTTP/1.1\r\nhost: a\r\n".to_owned()),
            2 => Just("GET /b?c HTTP/1.0\r\n".to_owned()),
            3 => (0usize..8).prop_map(|length| format!("Content-Length: {length}\r\n")),
            3 => Just("transfer-encoding:  chunked \r\n".to_owned()),
            6 => Just("\r\n".to_owned()),
            3 => Just("5;a=b\r\nabcde\r\n".to_owned()),
            3 => Just("0\r\n\r\n".to_owned()),
            1 => Just("0\r\nx-sum: 1\r\n\r\n".to_owned()),
            1 => Just("\n".to_owned()),
            1 => Just("x-a:\tb \r\n".to_owned()),
            2 => "[ -~]{0,7}",
        ], 0..16),
    ) {
        let text = parts.concat();
        let mut start = 0;
        for end in ends(text.as_bytes()) {
            let Ok(read) = end_by_httparse(&text.as_bytes()[start..]) else { break };
            prop_assert_eq!(read.map(|length| start + length), Some(end), "{:?}", text);
            start = end;
        }
    }

    /// Whatever comes, in whatever pieces: no panic, and the same answer.
    #[test]
    fn how_it_is_cut_makes_no_difference(
        parts in proptest::collection::vec(prop_oneof![
            Just("POST / HTTP/1.1\r\n".to_owned()), Just("content-length: 5\r\n".to_owned()),
            Just("transfer-encoding: chunked\r\n".to_owned()), Just("\r\n".to_owned()), Just("5\r\nabcde\r\n".to_owned()),
            Just("0\r\n".to_owned()), Just("\n".to_owned()), Just("\r".to_owned()), "[ -~]{0,6}",
        ], 0..12),
    ) {
        let _ = look(&parts.concat());
    }
}
