//! What goes to the next generation: the standings, by backend, and what is usual.
//!
//! As bytes, version 1, numbers in little-endian: the version (1) and the usual latency in microseconds (a float of 8,
//! negative where nothing was measured); then for each backend XXH64 of its id (8) and its standing
//! ([`Standing::to_bytes`]).

use crate::Standing;

/// What the bytes begin with.
const VERSION: u8 = 1;
/// A backend's bytes…
const ROW: usize = 8 + Standing::BYTES;
/// …and as many of them as 1 MiB holds; those behind them begin anew.
const MOST: usize = ((1 << 20) - 9) / ROW;

/// What one worker knows.
pub(crate) struct State {
    /// The usual latency in microseconds.
    pub(crate) usual_us: Option<f64>,
    /// Hashes of ids, and what is known of the backends.
    pub(crate) known: Vec<(u64, Standing)>,
}

impl State {
    /// For the next generation.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.usual_us.unwrap_or(-1.0).to_le_bytes());
        // Who was neither picked nor failed is as if new.
        let known = self.known.iter().filter(|(_, standing)| *standing != Standing::default());
        for (id, standing) in known.take(MOST) {
            bytes.extend(id.to_le_bytes());
            bytes.extend(standing.to_bytes());
        }
        bytes
    }

    /// From the generation before, sorted by the hashes.
    ///
    /// # Errors
    ///
    /// Bytes of another version, or that are no state of this one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let broken = || "the state is cut off or no state".to_owned();
        let (version, rest) = bytes.split_first().ok_or_else(broken)?;
        if *version != VERSION {
            return Err(format!("the state is of version {version}, and this plugin reads version {VERSION}"));
        }
        let (usual_us, rest) = rest.split_first_chunk().ok_or_else(broken)?;
        let usual_us = Some(f64::from_le_bytes(*usual_us)).filter(|us| us.is_finite() && *us >= 0.0);
        let (rows, []) = rest.as_chunks::<ROW>() else { return Err(broken()) };
        let row = |row: &[u8; ROW]| {
            let (id, standing) = row.split_first_chunk()?;
            Some((u64::from_le_bytes(*id), Standing::from_bytes(standing)?))
        };
        let mut known = rows.iter().map(row).collect::<Option<Vec<_>>>().ok_or_else(broken)?;
        known.sort_unstable_by_key(|(id, _)| *id);
        Ok(Self { usual_us, known })
    }
}
