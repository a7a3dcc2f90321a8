//! What certificates say (RFC 5280): names, validity, subject. Whether they are to be believed is not judged here.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

/// What we look at in a certificate.
pub struct Certificate {
    /// DNS names of its subject alternative name, lower case. The common name counts for nothing (RFC 9525 §2).
    pub names: Vec<String>,
    /// It is not valid before.
    pub begins: SystemTime,
    /// It is not valid after.
    pub ends: SystemTime,
    /// Its subject as text (RFC 4514), printable ASCII.
    pub subject: String,
    /// Its serial number, hexadecimal and lower case, as it is encoded.
    pub serial: String,
}

/// Attributes of names that have a short name (RFC 4514 §3, and the address of mail that OpenSSL writes).
const SHORT: [(ObjectIdentifier, &str); 10] = [
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), "DC"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "emailAddress"),
];
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// `dNSName` among general names.
const DNS_NAME: TagNumber = TagNumber::N2;
/// `extensions` of a certificate.
const EXTENSIONS: TagNumber = TagNumber::N3;

/// Of DER; none where it is no certificate.
pub fn read(der: &[u8]) -> Option<Certificate> {
    let body = parts(AnyRef::from_der(der).ok()?.value())?.into_iter().next()?;
    let mut fields = parts(body.value())?.into_iter().peekable();
    // The version, which the first had not.
    fields.next_if(|field| matches!(field.tag(), Tag::ContextSpecific { .. }));
    let (serial, _signature, _issuer) = (fields.next()?, fields.next()?, fields.next()?);
    let validity = parts(fields.next()?.value())?;
    let [begins, ends] = validity.as_slice() else { return None };
    let subject = fields.next()?;
    let extensions = fields.find(|field| is_number(*field, EXTENSIONS));
    Some(Certificate {
        names: extensions.and_then(|extensions| names(extensions)).unwrap_or_default(),
        begins: time(*begins)?,
        ends: time(*ends)?,
        subject: distinguished_name(subject)?,
        serial: hexadecimal(serial.value()),
    })
}

/// What stands one behind the other.
fn parts(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let (mut reader, mut parts) = (SliceReader::new(der).ok()?, Vec::new());
    while !reader.is_finished() {
        parts.push(reader.decode().ok()?);
    }
    Some(parts)
}

fn is_number(part: AnyRef<'_>, wanted: TagNumber) -> bool {
    matches!(part.tag(), Tag::ContextSpecific { number, .. } if number == wanted)
}

fn time(part: AnyRef<'_>) -> Option<SystemTime> {
    let since = match part.tag() {
        Tag::UtcTime => part.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        _ => part.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
    };
    Some(UNIX_EPOCH + since)
}

fn names(extensions: AnyRef<'_>) -> Option<Vec<String>> {
    let list = parts(extensions.value())?.into_iter().next()?;
    for extension in parts(list.value())? {
        // Name, perhaps whether it is critical, value.
        let fields = parts(extension.value())?;
        let (name, value) = (fields.first()?.decode_as::<ObjectIdentifier>().ok()?, fields.last()?);
        if name == SUBJECT_ALTERNATIVE_NAME {
            let names = parts(AnyRef::from_der(value.value()).ok()?.value())?;
            let names = names.into_iter().filter(|name| is_number(*name, DNS_NAME));
            return names.map(|name| Some(std::str::from_utf8(name.value()).ok()?.to_ascii_lowercase())).collect();
        }
    }
    None
}

/// As RFC 4514 writes it: the last element first, with escapes, so that nobody's value looks like another element.
/// Everything that is not printable ASCII is escaped too, as the text goes into a header.
fn distinguished_name(name: AnyRef<'_>) -> Option<String> {
    let mut text = String::new();
    for (i, element) in parts(name.value())?.into_iter().rev().enumerate() {
        for (j, attribute) in parts(element.value())?.into_iter().enumerate() {
            let fields = parts(attribute.value())?;
            let [kind, value] = fields.as_slice() else { return None };
            let kind = kind.decode_as::<ObjectIdentifier>().ok()?;
            text.push_str(match (i, j) {
                (0, 0) => "",
                (_, 0) => ",",
                _ => "+",
            });
            match SHORT.iter().find(|(known, _)| *known == kind) {
                Some((_, short)) => text.push_str(short),
                None => text.push_str(&kind.to_string()),
            }
            text.push('=');
            push_value(&mut text, *value);
        }
    }
    Some(text)
}

fn push_value(text: &mut String, value: AnyRef<'_>) {
    let is_text = matches!(
        value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString
    );
    if !is_text {
        // RFC 4514 §2.4 wants tag and length as well; these are rare, and the content says as much.
        text.push('#');
        text.push_str(&hexadecimal(value.value()));
        return;
    }
    let last = value.value().len().saturating_sub(1);
    for (i, byte) in value.value().iter().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => text.extend(['\\', char::from(*byte)]),
            b' ' if i == 0 || i == last => text.push_str("\\ "),
            b'#' if i == 0 => text.push_str("\\#"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => drop(write!(text, "\\{byte:02x}")),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
