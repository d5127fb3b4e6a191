//! Keys as text (RFC 7468): one block, and nothing else of weight.

use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

use super::KeyError;
use crate::supply_chain::limits::KEY_BYTES;

/// The one block of a text.
pub(super) fn one(text: &str) -> Result<Pem, KeyError> {
    if text.len() > KEY_BYTES {
        return Err(KeyError::Pem);
    }
    let blocks = pem::parse_many(text).map_err(|_| KeyError::Pem)?;
    <[Pem; 1]>::try_from(blocks).map(|[block]| block).map_err(|_| KeyError::Pem)
}

/// A block as text.
pub(super) fn write(label: &str, bytes: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, bytes), config)
}

/// As [`write`], for what is secret.
pub(super) fn write_secret(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(write(label, bytes))
}
