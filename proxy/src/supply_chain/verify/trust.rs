//! [`Trust`]: whom we believe, as the index has it.

use super::{SignerName, TrustedIdentity, TrustedKey, Validity, Withdrawn};
use crate::index::{TrustData, TrustEntry, Trusted};
use crate::supply_chain::keys::PublicKey;

/// Whom we believe, as of one instant.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The number of changes so far: what was decided by one revision may be decided otherwise by the next.
    pub revision: i64,
    /// The keys.
    pub keys: Vec<TrustedKey>,
    /// The identities.
    pub identities: Vec<TrustedIdentity>,
}

impl From<TrustData> for Trust {
    fn from(data: TrustData) -> Self {
        let mut trust = Self { revision: data.revision, ..Self::default() };
        for entry in data.entries {
            trust.add(entry);
        }
        trust
    }
}

impl Trust {
    fn add(&mut self, entry: TrustEntry) {
        let TrustEntry { name, who, valid_from: from, valid_to: to, is_disabled, is_revoked } = entry;
        let withdrawn = if is_revoked { Some(Withdrawn::Revoked) } else { is_disabled.then_some(Withdrawn::Disabled) };
        let validity = Validity { from, to, withdrawn };
        let (signer, der) = match who {
            Trusted::SigningKey(generation, der) => (SignerName::SigningKey(name, generation), der),
            Trusted::Key(der) => (SignerName::Key(name), der),
            Trusted::Identity(issuer, subject) => {
                let signer = SignerName::Identity(name);
                self.identities.push(TrustedIdentity { signer, issuer, subject, validity });
                return;
            }
        };
        match PublicKey::from_der(&der) {
            Ok(key) => self.keys.push(TrustedKey { signer, key, validity }),
            // Every way in has read it: somebody has changed the index by hand. Nobody is believed for it.
            Err(error) => tracing::error!(%signer, %error, "a key in the index cannot be read, and is not believed"),
        }
    }
}
