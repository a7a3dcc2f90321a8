//! The secret of this balancer and its fellows, from which each affinity gets one of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::StartError;
use crate::config::Config;

/// What secrets of plugins are derived from.
pub struct Secret([u8; 32]);

impl Secret {
    /// That of the configuration's file, or one for this process alone.
    ///
    /// # Errors
    /// The file cannot be used, or the system gives no random numbers.
    pub fn of(config: &Config) -> Result<Self, StartError> {
        if let Some(path) = &config.server.secret_file {
            return Ok(Self(*crate::config::secret::Secret::read(path)?.as_bytes()));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(random))
    }

    /// 32 bytes in base64 for a plugin in a pool: HMAC-SHA256 (RFC 2104), which nobody can turn back.
    pub(super) fn derive(&self, plugin: &str, pool: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in ["trimtab plugin secret", plugin, pool] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_and_pool_has_its_own() {
        let (one, other) = (Secret([1; 32]), Secret([2; 32]));
        let cookie = one.derive("cookie", "web");
        assert_eq!(STANDARD.decode(&cookie).unwrap().len(), 32);
        assert_eq!(cookie, one.derive("cookie", "web"));
        for different in [one.derive("cookie", "api"), one.derive("cookiew", "eb"), other.derive("cookie", "web")] {
            assert_ne!(cookie, different);
        }
    }
}
