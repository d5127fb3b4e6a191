//! [`KeyRing`]: seals secrets at rest. The first key seals, all of them open, so that a ring is rotated by putting a new key in front.
//!
//! AES-256-GCM-SIV (RFC 8452), which a nonce that repeats does not break, under a key that HKDF-SHA256 (RFC 5869) derives for each
//! purpose: what was sealed for one purpose does not open for another.
//! What does not live here: what is sealed, and where it is kept.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Seal, Sealed};
use crate::config::RingKey;
use crate::error::{Error, Result};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Secrets of access keys.
    AccessKey,
    /// Tokens of sessions.
    SessionToken,
    /// Tokens of the registry.
    RegistryToken,
    /// Answers that are kept for requests with an `Idempotency-Key`.
    KeptAnswer,
    /// Private keys that sign artifacts.
    SigningKey,
    /// Addresses and secrets of those who are told of events.
    EventTarget,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AccessKey => b"access key",
            Self::SessionToken => b"session token",
            Self::RegistryToken => b"registry token",
            Self::KeptAnswer => b"kept answer",
            Self::SigningKey => b"signing key",
            Self::EventTarget => b"event target",
        }
    }
}

/// Keys that seal and open for one purpose.
pub struct KeyRing {
    keys: Vec<(String, LessSafeKey)>,
}

impl KeyRing {
    /// Derives the keys of a ring for a purpose.
    ///
    /// # Errors
    /// The ring is empty, two keys have one id, or a key is not 32 bytes in base64.
    pub fn new(keys: &[RingKey], purpose: Purpose) -> Result<Self> {
        let derived = keys.iter().enumerate().map(|(at, key)| {
            let wrong = |what: &str| Error::internal(format!("identity.key_ring[{at}]: {what}"));
            if keys.iter().take(at).any(|earlier| earlier.id == key.id) {
                return Err(wrong("the id stands twice"));
            }
            let text = key.secret.as_ref().map(crate::config::Secret::expose).unwrap_or_default();
            let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == KEY_BYTES);
            let bytes = bytes.ok_or_else(|| wrong("the secret must be 32 bytes in base64"))?;
            Ok((key.id.clone(), derive(&bytes, purpose).ok_or_else(|| wrong("the key cannot be used"))?))
        });
        let keys = derived.collect::<Result<Vec<_>>>()?;
        if keys.is_empty() { Err(Error::internal("identity.key_ring is empty")) } else { Ok(Self { keys }) }
    }
}

fn derive(secret: &[u8], purpose: Purpose) -> Option<LessSafeKey> {
    let mut key = [0; KEY_BYTES];
    let extracted = Salt::new(HKDF_SHA256, b"zas key ring").extract(secret);
    let info = [purpose.label()];
    extracted.expand(&info, &AES_256_GCM_SIV).ok()?.fill(&mut key).ok()?;
    UnboundKey::new(&AES_256_GCM_SIV, &key).ok().map(LessSafeKey::new)
}

impl Seal for KeyRing {
    fn seal(&self, id: &str, secret: &[u8]) -> Result<Sealed> {
        let (ring_key, key) = self.keys.first().ok_or_else(|| Error::internal("the key ring is empty"))?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = secret.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id), &mut sealed)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok(Sealed { bytes: [&nonce[..], &sealed].concat(), ring_key: ring_key.clone() })
    }

    fn open(&self, id: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let opened = self.keys.iter().find_map(|(_, key)| {
            let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
            let mut bytes = ciphertext.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let length = key.open_in_place(nonce, Aad::from(id), &mut bytes).ok()?.len();
            bytes.truncate(length);
            Some(bytes)
        });
        opened.ok_or_else(|| Error::internal(format!("no key of the ring opens the secret of {id}")))
    }

    fn current(&self) -> String {
        self.keys.first().map(|(id, _)| id.clone()).unwrap_or_default()
    }
}

/// The ids alone.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// A new key for a ring, as the configuration takes it.
#[must_use]
pub fn generate_ring_key() -> String {
    STANDARD.encode(rand::random::<[u8; KEY_BYTES]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn key(id: &str, byte: u8) -> RingKey {
        RingKey { id: id.into(), secret: Some(Secret::new(STANDARD.encode([byte; KEY_BYTES]))), secret_file: None }
    }

    fn ring(keys: &[RingKey]) -> KeyRing {
        KeyRing::new(keys, Purpose::AccessKey).unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_id_alone_and_with_every_byte_as_it_was() {
        let ring = ring(&[key("a", 1)]);
        let sealed = ring.seal("ZASK", b"secret").unwrap();
        assert_eq!(ring.open("ZASK", &sealed.bytes).unwrap(), b"secret");
        assert!(ring.open("ZASL", &sealed.bytes).is_err());
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[at] ^= 1;
            assert!(ring.open("ZASK", &changed).is_err(), "byte {at}");
            assert!(ring.open("ZASK", &sealed.bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_first_key_seals_and_all_of_them_open() {
        let old = ring(&[key("a", 1)]);
        let sealed = old.seal("id", b"secret").unwrap();
        let rotated = ring(&[key("b", 2), key("a", 1)]);
        assert_eq!((rotated.current().as_str(), rotated.open("id", &sealed.bytes).unwrap()), ("b", b"secret".to_vec()));
        assert_eq!(rotated.seal("id", b"x").unwrap().ring_key, "b");
        assert!(ring(&[key("b", 2)]).open("id", &sealed.bytes).is_err());
    }

    #[test]
    fn a_ring_that_cannot_be_used_is_refused_by_key_and_never_printed() {
        let short = RingKey { id: "a".into(), secret: Some(Secret::new("c2hvcnQ=")), secret_file: None };
        for (keys, says) in
            [(vec![], "is empty"), (vec![short], "32 bytes"), (vec![key("a", 1), key("a", 2)], "stands twice")]
        {
            let error = KeyRing::new(&keys, Purpose::AccessKey).unwrap_err();
            assert!(error.for_operator().contains(says), "{}", error.for_operator());
        }
        assert_eq!(format!("{:?}", ring(&[key("a", 1)])), "[\"a\"]");
    }
}
