//! `mode` of a listener on a Unix socket, and which of a listener's keys mean nothing there.

use super::table::Table;
use super::value::Value;
use crate::config::ListenerAddress;

/// Keys that are about connections of TCP, and what a Unix socket has instead.
const OF_TCP: [(&str, &str); 4] = [
    ("ipv6_only", "its clients have no addresses"),
    ("keepalive", "the kernel knows when its other side is gone"),
    ("tcp_user_timeout", "nothing on it is acknowledged"),
    ("tcp_fast_open", "there is no handshake"),
];

/// Takes `mode`, and refuses what does not go with the address.
pub(super) fn mode(table: &mut Table<'_>, address: Option<&ListenerAddress>) -> Option<u32> {
    let written = table.take("mode");
    match address {
        Some(ListenerAddress::Unix(_)) => {
            refuse_tcp(table);
            written.and_then(permissions)
        }
        Some(ListenerAddress::Socket(_)) => {
            written?.reject_with("`mode` is of a Unix socket", "remove it, or write `address = \"unix:/path\"`")
        }
        // What is wrong with it is said already.
        None => None,
    }
}

fn refuse_tcp(table: &mut Table<'_>) {
    for (key, why) in OF_TCP {
        if let Some(value) = table.take(key).filter(|value| value.raw().as_bool() != Some(false) || key == "ipv6_only")
        {
            let _: Option<()> =
                value.reject_with(format_args!("`{key}` is of TCP, and this is a Unix socket: {why}"), "remove it");
        }
    }
    let is = |word: &'static str| move |value: &Value<'_>| value.raw().as_str() == Some(word);
    if let Some(value) = table.take("protocol").filter(is("udp")) {
        let _: Option<()> = value.reject_with(
            "nobody sends UDP to a Unix socket",
            "write an IP address and a port, such as `address = \"0.0.0.0:53\"`, or another `protocol`",
        );
    }
    if let Some(value) = table.take("refuse_with").filter(is("reset")) {
        let _: Option<()> =
            value.reject_with("a Unix socket has no reset: its end is seen as one", "write `\"close\"`, or remove it");
    }
}

/// `"0660"`: three octal digits, with zeros in front or without.
fn permissions(value: Value<'_>) -> Option<u32> {
    const EXPECTED: &str = "permissions as octal digits";
    if let Some(number) = value.raw().as_integer() {
        let digits = number.as_str();
        return value.wrong_type(EXPECTED, format_args!("write it in quotes: `\"{digits:0>4}\"`"));
    }
    let text = value.string(EXPECTED, "0660")?;
    let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if is_octal && mode <= 0o777 => Some(mode),
        _ => value.reject_with(
            format_args!("`mode` must be {EXPECTED}, not \"{text}\""),
            "write `\"0660\"` for the owner and the group, or `\"0666\"` for all",
        ),
    }
}
