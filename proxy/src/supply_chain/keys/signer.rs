//! [`Signer`]: whatever signs. The seam for keys that never come into this process.

use std::sync::Arc;

use async_trait::async_trait;

use super::{KeyPair, PublicKey};
use crate::error::Result;

/// Signs with one key: one in memory ([`KeyPair`]), or one behind a service (a KMS), which needs a network and may fail.
#[async_trait]
pub trait Signer: std::fmt::Debug + Send + Sync {
    /// The public half of the key. Asked for with every signature: an implementation keeps it.
    fn public_key(&self) -> &PublicKey;

    /// Signs a message as [`PublicKey::has_signed`] checks it: ECDSA in ASN.1 over the message's hash, RSA PKCS#1 v1.5, or Ed25519
    /// over the message itself. An implementation that sends hashes makes them itself.
    /// # Errors
    /// The key or the service behind it failed.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

#[async_trait]
impl Signer for KeyPair {
    fn public_key(&self) -> &PublicKey {
        self.public()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(Self::sign(self, message)?)
    }
}

#[async_trait]
impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        (**self).sign(message).await
    }
}
