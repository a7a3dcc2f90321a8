//! The secret of `[server] secret_file`, read when a process starts.
//!
//! Fellow balancers that share it agree on what they derive from it. What that is, and what holds where there is
//! no file, is not known here.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Fewer bytes than these can be guessed.
const SHORTEST: usize = 16;
/// A file larger than this is no secret, but a mistake.
const LONGEST: usize = 64 << 10;

/// A secret, of which nothing shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
#[error("secret file {path}: {reason}", path = path.display())]
pub struct SecretError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: SecretReason,
}

/// What is wrong with a secret's file.
#[derive(Debug, thiserror::Error)]
pub enum SecretReason {
    /// Not there, not ours to read, or the like.
    #[error("{0}")]
    Read(io::Error),
    /// A folder, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Too easily guessed.
    #[error("holds {0} bytes; at least {SHORTEST} are needed (`openssl rand -base64 32` writes some)")]
    TooShort(usize),
    /// Not meant, probably.
    #[error("holds more than {LONGEST} bytes")]
    TooLong,
}

impl Secret {
    /// Reads a file: at least 16 bytes, at most 64 KiB, without the newline that an editor ends a file with.
    ///
    /// # Errors
    /// The file, and why it holds no secret.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = bytes(path).and_then(|bytes| Self::of(&bytes));
        bytes.map_err(|reason| SecretError { path: path.to_owned(), reason })
    }

    /// 32 bytes that stand for all of the file: SHA-256 of it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(bytes: &[u8]) -> Result<Self, SecretReason> {
        let secret = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        match secret.len() {
            length if length < SHORTEST => Err(SecretReason::TooShort(length)),
            length if length > LONGEST => Err(SecretReason::TooLong),
            _ => Ok(Self(Sha256::digest(secret).into())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, SecretReason> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !path.metadata().map_err(SecretReason::Read)?.is_file() {
        return Err(SecretReason::NotAFile);
    }
    let mut bytes = Vec::new();
    let most = LONGEST as u64 + 3; // with a newline, and one to tell that it is too long
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(SecretReason::Read)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_final_newline_is_no_part_of_it() {
        let secret = |bytes: &[u8]| *Secret::of(bytes).expect("a secret").as_bytes();
        let plain = secret(b"0123456789abcdef");
        assert_eq!(plain, secret(b"0123456789abcdef\n"));
        assert_eq!(plain, secret(b"0123456789abcdef\r\n"));
        assert_ne!(plain, secret(b"0123456789abcdef\n\n"), "one is trimmed, no more");
        assert_ne!(plain, secret(b"0123456789abcdeF"));
        secret(&[0xff; LONGEST]);
    }

    #[test]
    fn what_is_no_secret_is_said() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secret");
        let said = |path: &Path| {
            let text = Secret::read(path).expect_err("no secret").to_string();
            text.strip_prefix(&format!("secret file {}: ", path.display())).expect("names the file").to_owned()
        };
        assert!(said(&path).starts_with("No such file"));
        assert_eq!(said(folder.path()), "is not a regular file");
        fs::write(&path, "0123456789abcde\n").expect("write");
        assert!(said(&path).starts_with("holds 15 bytes; at least 16 are needed"));
        fs::write(&path, vec![b'x'; LONGEST + 10]).expect("write");
        assert_eq!(said(&path), "holds more than 65536 bytes");
        fs::write(&path, vec![b'x'; LONGEST + 1]).expect("write");
        assert_eq!(said(&path), "holds more than 65536 bytes");
        fs::write(&path, "0123456789abcdef").expect("write");
        assert_eq!(format!("{:?}", Secret::read(&path).expect("a secret")), "Secret(…)");
    }
}
