//! Who has signed an artifact, or why a piece of evidence does not count.
//!
//! [`Verifier`] holds whom we believe: named keys, named identities, and the trusted root that identities are proven with. It is asked
//! with pieces of [`Evidence`] and what they should say ([`Expected`]); each is answered by itself, with the signer's name
//! ([`Verified`]) or the reason ([`Refusal`]). What follows from several pieces is for whoever decides.
//!
//! What a key or a certificate authority vouches for is checked in full (`docs/supply-chain-formats.md` lists the checks). A key is never
//! chosen by what the evidence says of it: all trusted keys are tried. Logs, certificates and timestamps are the work of
//! `sigstore-verify`; what a statement says, when a key was good and whose name it has is ours.
//! What does not live here: fetching evidence, and what follows from it.

mod again;
mod evidence;
mod keyed;
mod keyless;
mod legacy;
mod refusal;
mod signer;
mod standing;
mod trust;
mod trust_root;
mod verified;
mod verifier;

pub use again::Maker;
pub use evidence::{Accept, Evidence, Expected, Outcome};
pub use refusal::Refusal;
pub use signer::{SignerName, TrustedIdentity, TrustedKey, Validity, Withdrawn};
pub use trust::Trust;
pub use trust_root::{TrustRoot, TrustRootOptions};
pub use verified::{Said, Verified};
pub use verifier::{LogPolicy, Verifier};
