//! Believing again what was verified before: the signature need not be checked anew, but whoever made it may have been revoked, renamed
//! or become known meanwhile.

use time::OffsetDateTime;

use super::{Refusal, SignerName, Verified, Verifier, Withdrawn};
use crate::digest::Digest;

/// Who has made a signature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// The holder of the key with this fingerprint.
    Key(Digest),
    /// Whom a certificate names.
    Identity {
        /// Who vouches for them.
        issuer: String,
        /// Who they are.
        subject: String,
    },
}

impl Verified {
    /// Who has made the signature, whatever their name is here. None, where neither a key nor a certificate says it.
    #[must_use]
    pub fn maker(&self) -> Option<Maker> {
        match (&self.key, &self.identity) {
            (Some(key), _) => Some(Maker::Key(*key)),
            (None, Some((issuer, subject))) => {
                Some(Maker::Identity { issuer: issuer.clone(), subject: subject.clone() })
            }
            (None, None) => None,
        }
    }
}

impl Verifier {
    /// The name of who has made a signature that was there at each of these times (with none: now), where they are believed now.
    ///
    /// # Errors
    /// Why they are not.
    pub fn believes(
        &self,
        maker: &Maker,
        times: &[OffsetDateTime],
        now: OffsetDateTime,
    ) -> Result<SignerName, Refusal> {
        let mut refusal = None;
        for (signer, validity) in self.known_as(maker) {
            match validity.check(signer, times, now) {
                Ok(()) => return Ok(signer.clone()),
                // A key that was revoked under one name is revoked under all. Those stand first.
                Err(reason) if matches!(maker, Maker::Key(_)) && validity.withdrawn == Some(Withdrawn::Revoked) => {
                    return Err(reason);
                }
                Err(reason) => refusal = Some(reason),
            }
        }
        Err(refusal.unwrap_or_else(|| match maker {
            Maker::Key(_) => Refusal::NoTrustedKey,
            Maker::Identity { issuer, subject } => {
                Refusal::UnknownIdentity { issuer: issuer.clone(), subject: subject.clone() }
            }
        }))
    }

    fn known_as<'a>(&'a self, maker: &'a Maker) -> impl Iterator<Item = (&'a SignerName, super::Validity)> {
        let keys = self.keys.iter().filter_map(move |key| match maker {
            Maker::Key(fingerprint) if key.key.fingerprint() == *fingerprint => Some((&key.signer, key.validity)),
            _ => None,
        });
        let identities = self.identities.iter().filter_map(move |identity| match maker {
            Maker::Identity { issuer, subject } if identity.is(issuer, subject) => {
                Some((&identity.signer, identity.validity))
            }
            _ => None,
        });
        keys.chain(identities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::keys::{Algorithm, KeyPair, PublicKey};
    use crate::supply_chain::verify::{LogPolicy, Trust, TrustedIdentity, TrustedKey, Validity};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    fn key() -> PublicKey {
        KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().clone()
    }

    fn believing(keys: Vec<(&str, &PublicKey, Validity)>, identities: Vec<TrustedIdentity>) -> Verifier {
        let keys = keys.into_iter().map(|(name, key, validity)| TrustedKey {
            signer: SignerName::Key(name.into()),
            key: key.clone(),
            validity,
        });
        Verifier::new(Trust { keys: keys.collect(), identities, ..Trust::default() }, None, LogPolicy::default())
            .unwrap()
    }

    fn asked(verifier: &Verifier, maker: &Maker) -> Result<String, &'static str> {
        verifier.believes(maker, &[], NOW).map(|name| name.to_string()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_key_is_believed_under_the_name_that_it_has_now() {
        let (known, other) = (key(), key());
        let ended = Validity { to: Some(NOW), ..Validity::default() };
        let maker = Maker::Key(known.fingerprint());
        assert_eq!(asked(&believing(vec![("ci", &known, Validity::default())], vec![]), &maker), Ok("key/ci".into()));
        assert_eq!(asked(&believing(vec![("ci", &other, Validity::default())], vec![]), &maker), Err("no_trusted_key"));
        assert_eq!(asked(&believing(vec![("ci", &known, ended)], vec![]), &maker), Err("signer_expired"));
        let both = vec![("old", &known, ended), ("new", &known, Validity::default())];
        assert_eq!(asked(&believing(both, vec![]), &maker), Ok("key/new".into()));
    }

    #[test]
    fn a_key_that_was_revoked_under_one_name_is_revoked_under_all() {
        let known = key();
        let revoked = Validity { withdrawn: Some(Withdrawn::Revoked), ..Validity::default() };
        let both = vec![("good", &known, Validity::default()), ("bad", &known, revoked)];
        assert_eq!(asked(&believing(both, vec![]), &Maker::Key(known.fingerprint())), Err("signer_revoked"));
    }

    #[test]
    fn an_identity_is_whoever_the_patterns_say_now() {
        let identity = |name: &str, subject: &str, withdrawn| TrustedIdentity {
            signer: SignerName::Identity(name.into()),
            issuer: "https://issuer.example".into(),
            subject: subject.into(),
            validity: Validity { withdrawn, ..Validity::default() },
        };
        let maker = Maker::Identity { issuer: "https://issuer.example".into(), subject: "a@b.example".into() };
        let one = |identities| asked(&believing(vec![], identities), &maker);
        assert_eq!(one(vec![identity("b", "*@b.example", None)]), Ok("identity/b".into()));
        assert_eq!(one(vec![identity("c", "*@c.example", None)]), Err("unknown_identity"));
        let revoked = identity("a", "a@b.example", Some(Withdrawn::Revoked));
        assert_eq!(one(vec![revoked.clone()]), Err("signer_revoked"));
        assert_eq!(one(vec![revoked, identity("b", "*@b.example", None)]), Ok("identity/b".into()));
    }
}
