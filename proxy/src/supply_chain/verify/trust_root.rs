//! [`TrustRoot`]: the authorities, logs and clocks that certificates, log entries and timestamps are checked with, offline.
//!
//! The work is that of `sigstore-verify`; here is what it is asked for.

use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Artifact, Bundle, DerPublicKey};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier};
use time::OffsetDateTime;

use super::Refusal;
use crate::supply_chain::Malformed;
use crate::supply_chain::keys::PublicKey;
use crate::supply_chain::limits::TRUSTED_ROOT_BYTES;

/// What a certificate's signature must have beside its chain. Both are on for the public instance of sigstore; an authority of one's
/// own may have neither log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustRootOptions {
    /// An entry in a transparency log, proven to be there.
    pub require_log: bool,
    /// A signed timestamp of a certificate transparency log in the certificate.
    pub require_sct: bool,
}

impl Default for TrustRootOptions {
    fn default() -> Self {
        Self { require_log: true, require_sct: true }
    }
}

/// A `trusted_root.json` (sigstore protobuf-specs, `sigstore_trustroot.proto`), read and checked.
pub struct TrustRoot {
    verifier: Verifier,
    options: TrustRootOptions,
}

/// What vouches for a signature beside its key.
#[derive(Debug, Default)]
pub(super) struct Vouched {
    pub(super) times: Vec<OffsetDateTime>,
    pub(super) is_logged: bool,
}

impl TrustRoot {
    /// Reads a `trusted_root.json`.
    /// # Errors
    /// It cannot be read, or holds a key or a certificate that cannot be used.
    pub fn from_json(json: &str, options: TrustRootOptions) -> Result<Self, Malformed> {
        const WHAT: &str = "a trusted root";
        Malformed::check(WHAT, json.len(), TRUSTED_ROOT_BYTES)?;
        let root = TrustedRoot::from_json(json).map_err(|error| Malformed::form(WHAT, error))?;
        let verifier = Verifier::new(&root).map_err(|error| Malformed::form(WHAT, error))?;
        Ok(Self { verifier, options })
    }

    /// A root that trusts nobody.
    pub(super) fn nobody() -> Result<Self, Malformed> {
        Self::from_json(
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
            TrustRootOptions::default(),
        )
    }

    /// Checks a signature whose maker a certificate names, and everything that vouches for it. Who that is remains to be looked at.
    pub(super) fn check_certificate(
        &self,
        bundle: &Bundle,
        artifact: Artifact<'_>,
    ) -> Result<VerificationResult, Refusal> {
        let mut policy = VerificationPolicy::any_identity();
        if !self.options.require_log {
            policy = policy.skip_tlog_unsafe();
        }
        if !self.options.require_sct {
            policy = policy.skip_sct();
        }
        let result = self.verifier.verify(artifact, bundle, &policy)?;
        if !result.certificate_verified() || result.sct_verified() != self.options.require_sct {
            return Err(Refusal::Certificate("it was not checked".to_owned()));
        }
        Ok(result)
    }

    /// Checks the log entries and timestamps of a signature that the key has made.
    pub(super) fn check_key(
        &self,
        bundle: &Bundle,
        artifact: Artifact<'_>,
        key: &PublicKey,
    ) -> Result<Vouched, Refusal> {
        let is_logged = !bundle.verification_material.tlog_entries.is_empty();
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(key.der()));
        // Without an entry there is none to prove, and the timestamps are checked all the same.
        let policy = if is_logged { policy } else { policy.skip_tlog_unsafe() };
        let result = self.verifier.verify(artifact, bundle, &policy)?;
        Ok(Vouched { times: times(&result), is_logged })
    }

    /// Checks that the log entries of a signature that the key has made are about it, and not that they are in a log.
    pub(super) fn check_tie(&self, bundle: &Bundle, artifact: Artifact<'_>, key: &PublicKey) -> Result<(), Refusal> {
        let mut bundle = bundle.clone();
        bundle.verification_material.timestamp_verification_data = Default::default();
        if bundle.verification_material.tlog_entries.is_empty() {
            return Ok(());
        }
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(key.der())).skip_tlog_unsafe();
        self.verifier.verify(artifact, &bundle, &policy)?;
        Ok(())
    }
}

/// The times that trusted clocks have given.
pub(super) fn times(result: &VerificationResult) -> Vec<OffsetDateTime> {
    let times = result.verified_timestamps().iter();
    times.filter_map(|time| OffsetDateTime::from_unix_timestamp(time.as_second()).ok()).collect()
}

impl std::fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustRoot").field("options", &self.options).finish_non_exhaustive()
    }
}
