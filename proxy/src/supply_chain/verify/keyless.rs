//! Bundles that a certificate vouches for: a key that was used once, and an authority that knew who used it.

use sigstore_verify::VerificationResult;

use super::keyed::{candidates, to_artifact};
use super::trust_root::times;
use super::{Expected, Outcome, Refusal, Said, TrustRoot, Verified, Verifier};
use crate::supply_chain::bundle::{Bundle, Content};

impl Verifier {
    pub(super) fn keyless(&self, bundle: &Bundle, expected: &Expected<'_>) -> Outcome {
        if self.roots.is_empty() {
            return Err(Refusal::NoTrustedRoot("certificate"));
        }
        // What an envelope says is read before its signature is checked: the library wants to know which artifact it is about.
        let (artifacts, said) = match &bundle.content {
            Content::Envelope(envelope) => {
                let said = Said::in_envelope(envelope, expected)?;
                (said.artifact(expected).into_iter().collect(), said)
            }
            Content::Message { .. } => (candidates(&bundle.content, expected), Said::signature(expected)?),
        };
        let bundle = bundle.to_sigstore();
        let mut outcome = Err(Refusal::OtherArtifact);
        for artifact in artifacts {
            let ask = |root: &TrustRoot| root.check_certificate(&bundle, to_artifact(artifact, expected));
            outcome = self.by_any_root("certificate", ask);
            if outcome.is_ok() {
                break;
            }
        }
        self.known(&outcome?, said, expected)
    }

    /// Evidence of somebody whom a certificate names, where they are believed.
    pub(super) fn known(&self, result: &VerificationResult, said: Said, expected: &Expected<'_>) -> Outcome {
        let subject = result.identity().map(|name| name.as_str().to_owned()).unwrap_or_default();
        let issuer = result.issuer().unwrap_or_default().to_owned();
        let times = times(result);
        let mut refusal = Refusal::UnknownIdentity { issuer: issuer.clone(), subject: subject.clone() };
        // Several patterns may fit, and not all of them be good still.
        for identity in self.identities.iter().filter(|identity| identity.is(&issuer, &subject)) {
            match identity.validity.check(&identity.signer, &times, expected.now) {
                Ok(()) => {
                    return Ok(Verified {
                        signer: identity.signer.clone(),
                        key: None,
                        identity: Some((issuer, subject)),
                        times,
                        is_logged: result.tlog_verified(),
                        said,
                    });
                }
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }
}
