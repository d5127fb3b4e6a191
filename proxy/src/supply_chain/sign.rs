//! Signing: a statement, bytes, or a legacy payload, with whatever signs.
//!
//! No log and no clock is asked: what is signed here can be checked with the public key alone, offline
//! (`cosign verify --key ... --insecure-ignore-tlog=true`).

use super::bundle::{Bundle, Content};
use super::dsse::{self, Envelope};
use super::keys::Signer;
use super::legacy::{Layer, Payload};
use super::statement::Statement;
use crate::digest::Digest;
use crate::error::Result;

/// Signs a statement.
/// # Errors
/// The statement is too long; or the signer failed.
pub async fn attest(signer: &dyn Signer, statement: &Statement) -> Result<Bundle> {
    let payload = statement.to_payload()?;
    let payload_type = dsse::IN_TOTO.to_owned();
    let signature = signer.sign(&dsse::pae(&payload_type, &payload)).await?;
    let envelope = Envelope { payload_type, payload, signature };
    Ok(Bundle::keyed(signer.public_key(), Content::Envelope(envelope)))
}

/// Signs bytes that are at hand, without saying anything of them.
/// # Errors
/// The signer failed.
pub async fn sign_bytes(signer: &dyn Signer, bytes: &[u8]) -> Result<Bundle> {
    let signature = signer.sign(bytes).await?;
    Ok(Bundle::keyed(signer.public_key(), Content::message(&Digest::of(bytes), signature)))
}

/// Signs a manifest as cosign did before bundles.
/// # Errors
/// The reference is too long; or the signer failed.
pub async fn sign_legacy(signer: &dyn Signer, payload: &Payload) -> Result<Layer> {
    let payload = payload.to_bytes()?;
    let signature = signer.sign(&payload).await?;
    Ok(Layer::signed(payload, &signature))
}
