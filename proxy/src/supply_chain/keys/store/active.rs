//! [`ActiveKey`]: a key of ours, opened, that may sign what its usage says.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Code, Error, Result, SigningKeyState, StoredSigningKey};
use crate::supply_chain::bundle::Bundle;
use crate::supply_chain::keys::{PublicKey, Signer, Usage};
use crate::supply_chain::legacy::{Layer, Payload};
use crate::supply_chain::sign;
use crate::supply_chain::statement::Statement;

/// The generation of a key that signs now. Whatever it signs goes through its usage.
#[derive(Debug)]
pub struct ActiveKey {
    name: String,
    generation: i32,
    usage: Usage,
    valid_to: Option<OffsetDateTime>,
    signer: Arc<dyn Signer>,
}

impl ActiveKey {
    pub(super) fn new(row: &StoredSigningKey, signer: Arc<dyn Signer>) -> Result<Self> {
        let usage = Usage::parse(&row.usage)
            .filter(|_| row.state == SigningKeyState::Active)
            .ok_or_else(|| Error::internal(format!("the signing key {} is not to be used", row.name)))?;
        Ok(Self { name: row.name.clone(), generation: row.generation, usage, valid_to: row.valid_to, signer })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which key of this name it is.
    #[must_use]
    pub const fn generation(&self) -> i32 {
        self.generation
    }

    /// What it may sign.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    /// Signs a statement.
    /// # Errors
    /// `InvalidRequest`: it is not for this key to say; the signer failed.
    pub async fn attest(&self, statement: &Statement) -> Result<Bundle> {
        self.check_usage(&statement.predicate_type)?;
        sign::attest(&*self.signer, statement).await
    }

    /// Signs a manifest as cosign did before bundles.
    /// # Errors
    /// `InvalidRequest`: it is no key for releases; the signer failed.
    pub async fn sign_legacy(&self, payload: &Payload) -> Result<Layer> {
        self.check_usage(crate::supply_chain::statement::COSIGN_SIGN_V1)?;
        sign::sign_legacy(&*self.signer, payload).await
    }

    /// Refuses a key whose signatures nobody would believe any more.
    pub(super) fn check(&self, now: OffsetDateTime) -> Result<()> {
        if self.valid_to.is_some_and(|end| end <= now) {
            return Err(Error::new(Code::InvalidRequest, "The signing key has expired: rotate it."));
        }
        Ok(())
    }

    fn check_usage(&self, predicate_type: &str) -> Result<()> {
        if self.usage.may_sign(predicate_type) {
            return Ok(());
        }
        let message = "A signing key signs what its usage says: a release, a verdict or a report.";
        Err(Error::new(Code::InvalidRequest, message).with("usage", self.usage.as_str()))
    }
}
