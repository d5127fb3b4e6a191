//! Bundles that say that a key has signed.

use sigstore_verify::types::{self, Artifact, HashAlgorithm, Sha256Hash};

use super::trust_root::Vouched;
use super::{Expected, LogPolicy, Outcome, Refusal, Said, TrustedKey, Verified, Verifier};
use crate::digest::Digest;
use crate::supply_chain::bundle::{Bundle, Content};
use crate::supply_chain::encoding;
use crate::supply_chain::keys::{Message, PublicKey};

impl Verifier {
    pub(super) fn keyed(&self, bundle: &Bundle, hint: &str, expected: &Expected<'_>) -> Outcome {
        let (key, artifact, said) = match &bundle.content {
            Content::Envelope(envelope) => {
                let pae = envelope.pae();
                let message = Message::new(&pae);
                let key = self.signer_of(hint, |key| Some(key.has_signed_message(&message, &envelope.signature)))?;
                let said = Said::in_envelope(envelope, expected)?;
                (key, said.artifact(expected), said)
            }
            Content::Message { signature, .. } => {
                let (key, artifact) = self.signer_of_message(hint, &bundle.content, signature, expected)?;
                (key, Some(artifact), Said::signature(expected)?)
            }
        };
        let artifact = artifact.ok_or(Refusal::OtherArtifact)?;
        let is_vouched_for = !bundle.log_entries.is_empty() || !bundle.timestamps.is_empty();
        let evidence = is_vouched_for.then(|| bundle.to_sigstore());
        let vouched = self.vouched(evidence.as_ref(), to_artifact(artifact, expected), &key.key)?;
        key.accept(vouched, said, expected)
    }

    /// What logs and clocks say of a signature that the key has made.
    pub(super) fn vouched(
        &self,
        bundle: Option<&types::Bundle>,
        artifact: Artifact<'_>,
        key: &PublicKey,
    ) -> Result<Vouched, Refusal> {
        let is_logged = bundle.is_some_and(|bundle| !bundle.verification_material.tlog_entries.is_empty());
        if self.log == LogPolicy::Required && !is_logged {
            return Err(Refusal::NotLogged);
        }
        let Some(bundle) = bundle else { return Ok(Vouched::default()) };
        if self.log == LogPolicy::Waived {
            return self.nobody.check_tie(bundle, artifact, key).map(|()| Vouched::default());
        }
        let what = if is_logged { "log entry" } else { "timestamp" };
        self.by_any_root(what, |root| root.check_key(bundle, artifact.clone(), key))
    }

    /// The trusted key that has signed. The hint says which to try first; all are tried.
    pub(super) fn signer_of(
        &self,
        hint: &str,
        has_signed: impl Fn(&PublicKey) -> Option<bool>,
    ) -> Result<&TrustedKey, Refusal> {
        let hint = encoding::decode(hint);
        let is_hinted = |key: &&TrustedKey| hint.as_deref() == Some(key.key.fingerprint().as_bytes().as_slice());
        let in_order = self.keys.iter().filter(is_hinted).chain(self.keys.iter().filter(|key| !is_hinted(key)));
        let mut refusal = Refusal::NoTrustedKey;
        for key in in_order {
            match has_signed(&key.key) {
                Some(true) => return Ok(key),
                Some(false) => {}
                None => refusal = Refusal::NeedsBytes,
            }
        }
        Err(refusal)
    }

    /// As [`signer_of`](Self::signer_of), for a signature over one of the artifacts, which is given too.
    fn signer_of_message(
        &self,
        hint: &str,
        content: &Content,
        signature: &[u8],
        expected: &Expected<'_>,
    ) -> Result<(&TrustedKey, Digest), Refusal> {
        let mut refusal = Refusal::OtherArtifact;
        for artifact in candidates(content, expected) {
            let message = bytes_of(artifact, expected).map(Message::new);
            let signer = self.signer_of(hint, |key| match &message {
                Some(message) => Some(key.has_signed_message(message, signature)),
                None => key.has_signed_digest(&artifact, signature),
            });
            match signer {
                Ok(key) => return Ok((key, artifact)),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }
}

/// The artifacts that a signature over bytes may be about: with a SHA-256 in the bundle, that one alone.
pub(super) fn candidates(content: &Content, expected: &Expected<'_>) -> Vec<Digest> {
    let said = match content {
        Content::Message { digest: Some(digest), .. } if digest.algorithm == HashAlgorithm::Sha2256 => {
            Some(digest.digest.as_bytes())
        }
        _ => None,
    };
    let is_said = |artifact: &&Digest| said.is_none_or(|said| said == artifact.as_bytes());
    expected.artifacts.iter().filter(is_said).copied().collect()
}

/// An artifact as `sigstore-verify` has it: its bytes, where they are at hand.
pub(super) fn to_artifact<'a>(digest: Digest, expected: &Expected<'a>) -> Artifact<'a> {
    match bytes_of(digest, expected) {
        Some(bytes) => Artifact::Blob(bytes),
        None => Artifact::from(Sha256Hash::from(*digest.as_bytes())),
    }
}

fn bytes_of<'a>(digest: Digest, expected: &Expected<'a>) -> Option<&'a [u8]> {
    expected.bytes.filter(|bytes| Digest::of(bytes) == digest)
}

impl Said {
    /// Which artifact a statement is about: the first of them.
    pub(super) fn artifact(&self, expected: &Expected<'_>) -> Option<Digest> {
        match self {
            Self::Statement(statement) => statement.matching(expected.artifacts).next()?.sha256(),
            Self::Signature | Self::Image(_) => None,
        }
    }
}

impl TrustedKey {
    /// Evidence that this key has signed, where the key was good at the time.
    pub(super) fn accept(&self, vouched: Vouched, said: Said, expected: &Expected<'_>) -> Outcome {
        self.validity.check(&self.signer, &vouched.times, expected.now)?;
        let Vouched { times, is_logged } = vouched;
        let (signer, key) = (self.signer.clone(), Some(self.key.fingerprint()));
        Ok(Verified { signer, key, identity: None, times, is_logged, said })
    }
}
