//! Whom we believe: keys and identities, by name, from when and until when.

use std::fmt;

use time::{Duration, OffsetDateTime};
use zas_policy::matches_pattern;

use super::Refusal;
use crate::supply_chain::keys::PublicKey;

/// How much later than a signature a key may have begun: clocks of replicas differ.
pub(super) const LEEWAY: Duration = Duration::minutes(1);

/// The name by which policies and reports know a signer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignerName {
    /// A key of ours: its name and generation.
    SigningKey(String, i32),
    /// A key of somebody else's, by the name that it was given here.
    Key(String),
    /// Somebody whom an issuer vouches for, by the name that they were given here.
    Identity(String),
}

/// `signing-key/<name>`, `key/<name>` or `identity/<name>`: the generation of a key is nothing that a rule should know.
impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SigningKey(name, _) => write!(f, "signing-key/{name}"),
            Self::Key(name) => write!(f, "key/{name}"),
            Self::Identity(name) => write!(f, "identity/{name}"),
        }
    }
}

/// Why a signer is not believed now though it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// For now.
    Disabled,
    /// For good, and for what was signed before too: nobody knows since when the key was in other hands.
    Revoked,
}

/// From when and until when a signer is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// From when on; unset: always.
    pub from: Option<OffsetDateTime>,
    /// Until when; unset: for ever.
    pub to: Option<OffsetDateTime>,
    /// Why not at all.
    pub withdrawn: Option<Withdrawn>,
}

/// A key that is believed.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// Whose it is.
    pub signer: SignerName,
    /// The key.
    pub key: PublicKey,
    /// From when and until when.
    pub validity: Validity,
}

/// Somebody who is believed when an issuer vouches for them in a certificate.
#[derive(Debug, Clone)]
pub struct TrustedIdentity {
    /// Their name here.
    pub signer: SignerName,
    /// The issuer that vouches for them: the whole URL.
    pub issuer: String,
    /// Who they are, as the certificate's subject alternative name has it: a mail address or a URI. `*` stands for any run of
    /// characters, `?` for one; all else for itself.
    pub subject: String,
    /// From when and until when.
    pub validity: Validity,
}

impl Validity {
    /// Whether the signer is believed for a signature that was there at each of these times; with none, now.
    pub(super) fn check(
        &self,
        signer: &SignerName,
        times: &[OffsetDateTime],
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        match self.withdrawn {
            Some(Withdrawn::Revoked) => return Err(Refusal::Revoked(signer.clone())),
            Some(Withdrawn::Disabled) => return Err(Refusal::Disabled(signer.clone())),
            None => {}
        }
        let now = [now];
        for &at in if times.is_empty() { &now[..] } else { times } {
            if let Some(from) = self.from.filter(|from| at.saturating_add(LEEWAY) < *from) {
                return Err(Refusal::NotYetValid { signer: signer.clone(), from, at });
            }
            if let Some(to) = self.to.filter(|to| *to <= at) {
                return Err(Refusal::Expired { signer: signer.clone(), to, at });
            }
        }
        Ok(())
    }
}

impl TrustedIdentity {
    pub(super) fn is(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && matches_pattern(&self.subject, subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const FROM: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const TO: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);
    const WITHIN: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

    fn signer() -> SignerName {
        SignerName::Key("ci".into())
    }

    fn check(validity: Validity, times: &[OffsetDateTime], now: OffsetDateTime) -> Option<&'static str> {
        validity.check(&signer(), times, now).err().map(|refusal| refusal.code())
    }

    #[test]
    fn a_key_is_good_between_its_ends_and_the_last_is_out() {
        let validity = Validity { from: Some(FROM), to: Some(TO), withdrawn: None };
        let second = Duration::SECOND;
        for (now, refusal) in [
            (WITHIN, None),
            (FROM - LEEWAY, None),
            (FROM - LEEWAY - second, Some("signer_not_yet_valid")),
            (TO - second, None),
            (TO, Some("signer_expired")),
        ] {
            assert_eq!(check(validity, &[], now), refusal, "{now}");
        }
        assert_eq!(check(Validity::default(), &[], TO), None);
    }

    #[test]
    fn a_proven_time_counts_and_not_the_present_and_each_must_be_within() {
        let validity = Validity { from: Some(FROM), to: Some(TO), withdrawn: None };
        let later = TO + Duration::days(400);
        assert_eq!(check(validity, &[WITHIN], later), None);
        assert_eq!(check(validity, &[WITHIN, later], WITHIN), Some("signer_expired"));
        assert_eq!(check(validity, &[FROM - Duration::DAY], WITHIN), Some("signer_not_yet_valid"));
    }

    #[test]
    fn what_was_withdrawn_is_good_at_no_time() {
        for (withdrawn, code) in [(Withdrawn::Revoked, "signer_revoked"), (Withdrawn::Disabled, "signer_disabled")] {
            let validity = Validity { withdrawn: Some(withdrawn), ..Validity::default() };
            assert_eq!(check(validity, &[WITHIN], WITHIN), Some(code));
        }
    }

    #[test]
    fn an_identity_is_its_whole_issuer_and_a_pattern_of_its_subject() {
        let identity = TrustedIdentity {
            signer: SignerName::Identity("build".into()),
            issuer: "https://issuer.example".into(),
            subject: "https://git.example/team/*@refs/heads/main".into(),
            validity: Validity::default(),
        };
        let good = "https://git.example/team/app/ci.yml@refs/heads/main";
        assert!(identity.is("https://issuer.example", good));
        assert!(!identity.is("https://issuer.example.evil", good) && !identity.is("https://issuer", good));
        for subject in [
            "https://git.example/team/app/ci.yml@refs/heads/main2",
            "xhttps://git.example/team/app/ci.yml@refs/heads/main",
            "https://git.example/other/ci.yml@refs/heads/main",
            "",
        ] {
            assert!(!identity.is("https://issuer.example", subject), "{subject}");
        }
    }

    #[test]
    fn names_tell_what_kind_of_signer_it_is() {
        let names = [SignerName::SigningKey("a".into(), 2), signer(), SignerName::Identity("b".into())];
        assert_eq!(names.map(|name| name.to_string()), ["signing-key/a", "key/ci", "identity/b"]);
    }
}
