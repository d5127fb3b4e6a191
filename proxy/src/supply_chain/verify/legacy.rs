//! Legacy signatures and attestations.

use sigstore_verify::types::Artifact;

use super::keyed::to_artifact;
use super::{Expected, Outcome, Refusal, Said, Verifier};
use crate::supply_chain::bundle::Content;
use crate::supply_chain::dsse::Envelope;
use crate::supply_chain::keys::Message;
use crate::supply_chain::legacy::{Layer, Payload, SIMPLE_SIGNING};

impl Verifier {
    pub(super) fn legacy(&self, layer: &Layer, expected: &Expected<'_>) -> Outcome {
        layer.check()?;
        if layer.media_type == SIMPLE_SIGNING {
            let signature = layer.signature()?;
            let content = Content::Message { digest: None, signature: signature.clone() };
            let said = || image(&layer.bytes, expected);
            self.layer(layer, &content, Artifact::Blob(&layer.bytes), (&layer.bytes, &signature), said, expected)
        } else {
            let envelope = Envelope::parse(&layer.bytes)?;
            let (pae, signature) = (envelope.pae(), envelope.signature.clone());
            let said = Said::in_envelope(&envelope, expected)?;
            let artifact = said.artifact(expected).ok_or(Refusal::OtherArtifact)?;
            let content = Content::Envelope(envelope);
            self.layer(layer, &content, to_artifact(artifact, expected), (&pae, &signature), || Ok(said), expected)
        }
    }

    /// `signed` is what the signature is over, and the signature.
    fn layer(
        &self,
        layer: &Layer,
        content: &Content,
        artifact: Artifact<'_>,
        signed: (&[u8], &[u8]),
        said: impl FnOnce() -> Result<Said, Refusal>,
        expected: &Expected<'_>,
    ) -> Outcome {
        if layer.has_certificate() {
            let bundle = layer.to_sigstore(content)?;
            let result = self.by_any_root("certificate", |root| root.check_certificate(&bundle, artifact.clone()))?;
            return self.known(&result, said()?, expected);
        }
        let message = Message::new(signed.0);
        let key = self.signer_of("", |key| Some(key.has_signed_message(&message, signed.1)))?;
        let said = said()?;
        let bundle = layer.has_evidence().then(|| layer.to_sigstore(content)).transpose()?;
        let vouched = self.vouched(bundle.as_ref(), artifact, &key.key)?;
        key.accept(vouched, said, expected)
    }
}

/// What a payload says: that a manifest in a repository is signed.
fn image(payload: &[u8], expected: &Expected<'_>) -> Result<Said, Refusal> {
    Said::signature(expected)?;
    let payload = Payload::parse(payload)?;
    if !expected.artifacts.contains(&payload.digest) {
        return Err(Refusal::OtherArtifact);
    }
    if expected.repository.is_some_and(|repository| payload.is_for(&repository)) {
        Ok(Said::Image(payload.reference))
    } else {
        Err(Refusal::OtherRepository(payload.reference))
    }
}
