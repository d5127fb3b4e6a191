//! Keys: what we sign with, and what the signatures of others are checked with.
//!
//! [`PublicKey`] checks signatures, [`KeyPair`] is a private key in memory and [`cosign`] the form in which it comes and goes; [`Signer`]
//! is the seam for keys that never come here (a KMS), and [`SigningKeys`] are the private keys that the index keeps sealed.
//! What does not live here: the rows (`index/`), and whose signatures are believed (`verify`).

pub mod cosign;
mod key_pair;
mod pem;
mod public_key;
mod signer;
mod store;
#[cfg(test)]
mod tests;
mod usage;

pub use key_pair::KeyPair;
pub use public_key::{Algorithm, Message, PublicKey};
pub use signer::Signer;
pub(crate) use store::check_name;
pub use store::{ActiveKey, NewSigningKey, Origin, SigningKeys};
pub use usage::Usage;

use crate::error::{Code, Error};

/// Why a key cannot be used. The texts are for whoever sent it, and hold nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not what it must be.
    #[error("a key must be one block of PEM of at most 16 KiB")]
    Pem,
    /// The public key.
    #[error(
        "a public key must be one of P-256, P-384, P-521, RSA from 2,048 bits on or Ed25519, as `PUBLIC KEY` in PEM"
    )]
    Public,
    /// The private key.
    #[error("a private key must be one of P-256 or Ed25519, in PKCS#8")]
    Private,
    /// The block is of another type.
    #[error(
        "a private key must be a `PRIVATE KEY`, an `ENCRYPTED SIGSTORE PRIVATE KEY` or an `ENCRYPTED COSIGN PRIVATE KEY`"
    )]
    Label,
    /// The encryption is not cosign's.
    #[error("the encrypted key has not the form that cosign gives it")]
    Encryption,
    /// It does not open.
    #[error("the password does not open the key")]
    Password,
    /// The algorithm is one that we check and do not sign with.
    #[error("keys are made for P-256 and Ed25519 only")]
    Algorithm,
    /// The system or the library failed.
    #[error("the key could not be made or used")]
    Failed,
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Failed => Self::internal(error),
            _ => Self::new(Code::InvalidArgument, error.to_string()),
        }
    }
}
