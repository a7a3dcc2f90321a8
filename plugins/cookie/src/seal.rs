//! What a cookie's value is: 22 characters that name a backend to those who have the secret.
//!
//! A tag of 64 bits, keyed and of the backend's id, and 64 bits that seal the tag; both by HMAC-SHA-256
//! (RFC 2104), cut, in base64url. The tag finds the backend. The seal tells the value of a backend that
//! has left from a forged one, for `strict`: nobody knows the ids of those that have left, but a tag that
//! was ever given out is sealed. To guess a value is to guess 128 bits.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of the secret.
const SECRET: usize = 32;

/// The secret, ready to seal.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

/// What a cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Names a backend.
    pub tag: u64,
    /// Says that the tag is ours.
    pub seal: u64,
}

impl Seal {
    /// Of a secret of 32 bytes in base64.
    ///
    /// # Errors
    ///
    /// A sentence for `configure` when it is anything else.
    pub fn new(secret: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(secret).ok().filter(|bytes| bytes.len() == SECRET);
        let mac = bytes.and_then(|bytes| Hmac::new_from_slice(&bytes).ok());
        mac.map(Self).ok_or_else(|| format!("`secret` must be {SECRET} bytes in base64; the host sets it"))
    }

    /// The tag of the backend with this id.
    pub fn tag(&self, id: &str) -> u64 {
        self.mac(b"backend", id.as_bytes())
    }

    /// The seal of this tag.
    pub fn seal(&self, tag: u64) -> u64 {
        self.mac(b"tag", &tag.to_be_bytes())
    }

    /// Of one purpose, so that no id can be a tag.
    fn mac(&self, purpose: &[u8], data: &[u8]) -> u64 {
        let mac = self.0.clone().chain_update(purpose).chain_update([0]).chain_update(data).finalize().into_bytes();
        mac.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Value {
    /// What this text says, if it is a value at all.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let bits = u128::from_be_bytes(bytes);
        (length == bytes.len()).then_some(Self { tag: (bits >> 64) as u64, seal: bits as u64 })
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = u128::from(self.tag) << 64 | u128::from(self.seal);
        f.write_str(&URL_SAFE_NO_PAD.encode(bits.to_be_bytes()))
    }
}
