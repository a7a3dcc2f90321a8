//! The points of a backend: a chain of CRC32, as nginx and Cache::Memcached::Fast have it.

use crc32fast::Hasher;

/// Point n of an address is the CRC32 of its host, a zero byte, its port, and point n - 1 (4 bytes, little-endian; 0
/// before the first). So fewer points are the first ones of more.
pub(crate) fn points(address: &str, count: u32) -> impl Iterator<Item = u32> {
    let (host, port) = split(address);
    let mut base = Hasher::new();
    base.update(host.as_bytes());
    base.update(&[0]);
    base.update(port.as_bytes());
    let mut previous = 0u32;
    (0..count).map(move |_| {
        let mut hash = base.clone();
        hash.update(&previous.to_le_bytes());
        previous = hash.finalize();
        previous
    })
}

/// As nginx splits the text of `server`: a port is digits after the last colon, a socket's path has none.
fn split(address: &str) -> (&str, &str) {
    if let Some((scheme, path)) = address.split_at_checked(5)
        && scheme.eq_ignore_ascii_case("unix:")
    {
        return (path, "");
    }
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (address, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_as_nginx_does() {
        assert_eq!(split("10.0.0.1:80"), ("10.0.0.1", "80"));
        assert_eq!(split("[::1]:8080"), ("[::1]", "8080"));
        assert_eq!(split("name:80"), ("name", "80"));
        assert_eq!(split("name"), ("name", ""));
        assert_eq!(split("unix:/run/a:80"), ("/run/a:80", ""));
        assert_eq!(split("é"), ("é", ""));
    }

    #[test]
    fn fewer_points_are_the_first_of_more() {
        let many: Vec<_> = points("10.0.0.1:80", 320).collect();
        assert_eq!(points("10.0.0.1:80", 160).collect::<Vec<_>>(), many[..160]);
    }
}
