//! Until when what came of a piece of evidence stays what it is, and by which names anybody is believed.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::signer::LEEWAY;
use super::{Outcome, Refusal, Verifier};

impl Verifier {
    /// The earliest moment at which time alone may make something else of a piece of evidence than what came of it now; unset: never.
    #[must_use]
    pub fn stands_until(&self, outcome: &Outcome) -> Option<OffsetDateTime> {
        match outcome {
            // Proven times do not change.
            Ok(verified) if verified.times.is_empty() => {
                let is_key = |key: &&super::TrustedKey| {
                    key.signer == verified.signer && Some(key.key.fingerprint()) == verified.key
                };
                self.keys.iter().filter(is_key).filter_map(|key| key.validity.to).min()
            }
            Err(Refusal::NotYetValid { from, .. }) => Some(from.saturating_sub(LEEWAY)),
            _ => None,
        }
    }

    /// The names of all who are believed, or were.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let keys = self.keys.iter().map(|key| key.signer.to_string());
        keys.chain(self.identities.iter().map(|identity| identity.signer.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::keys::{Algorithm, KeyPair};
    use crate::supply_chain::verify::{LogPolicy, Said, SignerName, Trust, TrustedKey, Validity, Verified};

    const TO: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);

    fn verifier(pair: &KeyPair) -> Verifier {
        let validity = Validity { to: Some(TO), ..Validity::default() };
        let key = TrustedKey { signer: SignerName::Key("ci".into()), key: pair.public().clone(), validity };
        Verifier::new(Trust { revision: 1, keys: vec![key], identities: Vec::new() }, Vec::new(), LogPolicy::default())
            .unwrap()
    }

    fn verified(key: Digest, times: Vec<OffsetDateTime>) -> Outcome {
        let signer = SignerName::Key("ci".into());
        Ok(Verified { signer, key: Some(key), identity: None, times, is_logged: false, said: Said::Signature })
    }

    #[test]
    fn a_signature_without_a_proven_time_stands_as_long_as_its_key() {
        let pair = KeyPair::generate(Algorithm::Ed25519).unwrap();
        let (verifier, key) = (verifier(&pair), pair.public().fingerprint());
        assert_eq!(verifier.stands_until(&verified(key, Vec::new())), Some(TO));
        assert_eq!(verifier.stands_until(&verified(key, vec![TO])), None);
        assert_eq!(verifier.stands_until(&Err(Refusal::NoTrustedKey)), None);
        let early = Refusal::NotYetValid { signer: SignerName::Key("ci".into()), from: TO, at: TO - Duration::DAY };
        assert_eq!(verifier.stands_until(&Err(early)), Some(TO - LEEWAY));
        assert_eq!(verifier.names().into_iter().collect::<Vec<_>>(), ["key/ci"]);
    }
}
