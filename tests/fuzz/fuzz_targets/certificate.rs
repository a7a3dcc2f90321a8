//! What a certificate says, also a damaged one: its subject can be a header's value, and read back it is the one that was
//! certified, so that nobody's name looks like somebody else's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::tls::x509::read;

/// Attributes of names: CN, O, DC, and one that has no short name.
const KINDS: [(&str, &[u8]); 4] = [
    ("CN", &[0x55, 4, 3]),
    ("O", &[0x55, 4, 10]),
    ("DC", &[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25]),
    ("1.2.3.4", &[0x2a, 3, 4]),
];

/// Strings that are text (of UTF-8, and others), and some that are not read as such.
const TAGS: [u8; 7] = [12, 19, 22, 18, 26, 20, 30];

/// Those of them that are text.
const TEXTS: usize = 5;

/// An attribute: its name, whether its value is text, and that.
type Attribute = (String, bool, Vec<u8>);

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u16;
    let [high, low] = length.to_be_bytes();
    let head = match length {
        ..0x80 => vec![tag, low],
        ..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

fn sequence<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn certificate(serial: &[u8], subject: &[u8], names: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| der(0x82, name.as_bytes())).collect();
    let alternative = sequence([der(6, &[0x55, 0x1d, 0x11]), der(4, &der(0x30, &names))]);
    let validity = sequence([der(23, b"250101000000Z"), der(24, b"20500101000000Z")]);
    let body = sequence([
        der(0xa0, &[2, 1, 2]),
        der(2, serial),
        sequence([]),
        sequence([]),
        validity,
        der(0x30, subject),
        sequence([]),
        der(0xa3, &sequence([alternative])),
    ]);
    sequence([body, sequence([]), der(3, &[0])])
}

/// A subject's elements, of attributes each, as RFC 4514 has them.
fn elements(subject: &str) -> Vec<Vec<Attribute>> {
    let hexadecimal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (mut elements, mut rest) = (vec![Vec::new()], subject.as_bytes());
    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
        let name = String::from_utf8(rest[..at].to_vec()).expect("a name");
        rest = &rest[at + 1..];
        let is_text = rest.first() != Some(&b'#');
        rest = if is_text { rest } else { &rest[1..] };
        let mut value = Vec::new();
        while let [first, behind @ ..] = rest
            && !matches!(first, b',' | b'+')
        {
            let (byte, length) = match behind {
                _ if !is_text => (hexadecimal(&rest[..2]).expect("a byte"), 2),
                [high, low, ..] if *first == b'\\' && high.is_ascii_hexdigit() => {
                    (hexadecimal(&[*high, *low]).expect("a byte"), 3)
                }
                [escaped, ..] if *first == b'\\' => (*escaped, 2),
                _ => (*first, 1),
            };
            value.push(byte);
            rest = &rest[length..];
        }
        elements.last_mut().expect("one").push((name, is_text, value));
        match rest {
            [b',', behind @ ..] => {
                elements.push(Vec::new());
                rest = behind;
            }
            [b'+', behind @ ..] => rest = behind,
            _ => {}
        }
    }
    assert!(rest.is_empty());
    elements.reverse();
    elements
}

fuzz_target!(|parts: (Vec<Vec<(u8, u8, &[u8])>>, Vec<&str>, (u16, u8), &[u8])| {
    let (mut subject, names, (at, damage), serial) = parts;
    subject.retain(|element| !element.is_empty());
    let kind = |kind: u8| KINDS[usize::from(kind) % KINDS.len()];
    let tag = |tag: u8| usize::from(tag) % TAGS.len();
    let attribute = |(key, string, value): &(u8, u8, &[u8])| {
        der(0x30, &[der(6, kind(*key).1), der(TAGS[tag(*string)], value)].concat())
    };
    let written: Vec<u8> =
        subject.iter().flat_map(|element| der(0x31, &element.iter().flat_map(attribute).collect::<Vec<_>>())).collect();
    let mut bytes = certificate(serial, &written, &names);

    let certified = read(&bytes).expect("a certificate");
    let sent = |(key, string, value): &(u8, u8, &[u8])| (kind(*key).0.to_owned(), tag(*string) < TEXTS, value.to_vec());
    let sent: Vec<Vec<_>> = subject.iter().map(|element| element.iter().map(sent).collect()).collect();
    assert_eq!(elements(&certified.subject), if sent.is_empty() { vec![Vec::new()] } else { sent });
    assert_eq!(certified.names, names.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>());
    assert_eq!(certified.serial.len(), 2 * serial.len());

    let at = usize::from(at) % bytes.len();
    bytes[at] = damage;
    for any in [&bytes, serial] {
        if let Some(certified) = read(any) {
            assert!(certified.subject.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            assert!(certified.serial.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
});
