//! What a client says first: the ClientHello, read without an answer, for connections whose TLS ends elsewhere.
//!
//! rustls puts together what came in several records, and ignores what it does not know (GREASE, RFC 8701). Where the
//! true name is encrypted (ECH), the outer one is seen.

use std::sync::Arc;

use rustls::server::Acceptor;

/// More than any client says first, in bytes, however small its records are.
const MOST: usize = 64 << 10;

/// rustls is given no more at a time: its own buffer has an end.
const PORTION: usize = 4096;

/// What is told of a ClientHello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name that the client asks for (SNI), lower case, without a dot at its end.
    pub server_name: Option<Arc<str>>,
    /// The first protocol that it offers by ALPN, of those that mean something and are visible ASCII.
    pub protocol: Option<Arc<str>>,
}

/// It is no ClientHello, or one that is of no use.
#[derive(Debug, thiserror::Error)]
#[error("no ClientHello: {why}")]
pub struct NoHello {
    why: String,
    /// What the client may be told: an alert, or nothing.
    pub alert: Vec<u8>,
}

/// Reads one, in as many parts as it comes in.
#[derive(Default)]
pub struct HelloReader {
    acceptor: Acceptor,
    read: usize,
}

impl HelloReader {
    /// More of it. None: it is not complete yet.
    ///
    /// # Errors
    /// It is no ClientHello, or longer than any.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Hello>, NoHello> {
        self.read += bytes.len();
        for mut portion in bytes.chunks(PORTION) {
            while !portion.is_empty() {
                let read = self.acceptor.read_tls(&mut portion).map_err(NoHello::unreadable)?;
                if read == 0 {
                    break;
                }
                match self.acceptor.accept() {
                    Ok(None) => {}
                    Ok(Some(accepted)) => {
                        let hello = accepted.client_hello();
                        let server_name = hello
                            .server_name()
                            .map(|name| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into());
                        let protocol = hello.alpn().and_then(|mut offered| offered.find_map(protocol));
                        return Ok(Some(Hello { server_name, protocol }));
                    }
                    // We could not serve such a client; who it is for may. Its name stays unknown.
                    Err((rustls::Error::PeerIncompatible(_), _)) => return Ok(Some(Hello::default())),
                    Err((error, mut alert)) => {
                        let mut told = Vec::new();
                        // Writing to a vector cannot fail.
                        let _ = alert.write_all(&mut told);
                        return Err(NoHello { why: error.to_string(), alert: told });
                    }
                }
            }
        }
        if self.read >= MOST { Err(NoHello::unreadable("it is too long")) } else { Ok(None) }
    }
}

impl NoHello {
    fn unreadable(why: impl ToString) -> Self {
        Self { why: why.to_string(), alert: Vec::new() }
    }
}

/// The name of a protocol; none for one that only keeps others from growing stiff (GREASE, RFC 8701 §2).
fn protocol(name: &[u8]) -> Option<Arc<str>> {
    let is_grease = matches!(name, [one, other] if one == other && one & 0xf == 0xa);
    let text = std::str::from_utf8(name).ok()?;
    (!is_grease && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Arc::from(text))
}

#[cfg(test)]
mod tests;
