//! What a client of TLS says first: how it is cut into packets and records makes no difference, and what is told of it is a
//! part of what was sent, in one form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::tls::{Hello, HelloReader};

/// An error is what is said about it, and the alert.
type Answer = Result<Option<Hello>, (String, Vec<u8>)>;

/// The answer, and after how many bytes it came. None: there is more to come.
fn read(bytes: &[u8], packet: usize) -> (Answer, usize) {
    let mut reader = HelloReader::default();
    let mut taken = 0;
    for part in bytes.chunks(packet) {
        taken += part.len();
        match reader.read(part) {
            Ok(None) => {}
            Ok(hello) => return (Ok(hello), taken),
            Err(error) => return (Err((error.to_string(), error.alert)), taken),
        }
    }
    (Ok(None), taken)
}

/// The answer, the same for packets of any size.
fn answer(bytes: &[u8], packet: usize) -> Answer {
    let (answer, taken) = read(bytes, 1);
    for packet in [packet, usize::MAX] {
        assert_eq!(read(&bytes[..taken], packet).0, answer, "packets of {packet}");
    }
    answer
}

/// With a length of so many bytes before it.
fn prefixed(size: usize, content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes()[4 - size..], content].concat()
}

fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &prefixed(2, part)].concat()).collect()
}

fuzz_target!(|parts: (u8, u8, &str, Vec<&[u8]>, Vec<(u16, &[u8])>, &[u8])| {
    let (packet, record, name, protocols, others, any) = parts;
    let (packet, record) = (1 + usize::from(packet), 1 + usize::from(record));
    let _ = answer(any, packet);
    let _ = answer(&[&[22, 3, 1][..], any].concat(), packet);

    let extension = |kind: u16, content: &[u8]| [&kind.to_be_bytes()[..], &prefixed(2, content)].concat();
    let offered: Vec<u8> = protocols.iter().flat_map(|name| prefixed(1, &name[..name.len().min(255)])).collect();
    let mut extensions = extension(13, &[0, 2, 4, 3]);
    if !name.is_empty() {
        extensions.extend(extension(0, &prefixed(2, &[&[0][..], &prefixed(2, name.as_bytes())].concat())));
    }
    if !offered.is_empty() {
        extensions.extend(extension(16, &prefixed(2, &offered)));
    }
    extensions.extend(others.iter().flat_map(|(kind, content)| extension(*kind, content)));
    // TLS 1.2, nonce, no session, one cipher suite, no compression.
    let fields = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &prefixed(2, &extensions)].concat();
    let message = [&[1][..], &prefixed(3, &fields)].concat();

    let whole = answer(&in_records(&message, 16 << 10), packet);
    assert_eq!(answer(&in_records(&message, record), packet), whole, "records of {record}");
    if let Ok(hello) = whole {
        let hello = hello.expect("it is all there");
        let is_part = |text: &str| message.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
        if let Some(name) = hello.server_name {
            assert!(!name.is_empty() && is_part(&name));
            assert!(!name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
        if let Some(protocol) = hello.protocol {
            assert!(!protocol.is_empty() && is_part(&protocol) && protocol.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
});
