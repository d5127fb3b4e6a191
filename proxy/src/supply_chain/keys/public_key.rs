//! [`PublicKey`]: what signatures are checked with.

use std::cell::OnceCell;

use aws_lc_rs::digest::{Digest as Hash, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};

use super::KeyError;
use crate::digest::Digest;
use crate::supply_chain::encoding;
use crate::supply_chain::limits::KEY_BYTES;

const LABEL: &str = "PUBLIC KEY";

/// What a key is, and with it how its signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256; what cosign makes unless told otherwise.
    EcdsaP256,
    /// ECDSA over P-384 with SHA-384; with SHA-256 too, as cosign 2 signed.
    EcdsaP384,
    /// ECDSA over P-521 with SHA-512; with SHA-256 too, as cosign 2 signed.
    EcdsaP521,
    /// RSA of 2,048 bits and more, PKCS#1 v1.5 with SHA-256.
    Rsa,
    /// Ed25519 over the message itself (not the prehashed variant).
    Ed25519,
}

/// What a scheme signs of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signs {
    /// Its SHA-256.
    Sha256,
    /// Its SHA-384.
    Sha384,
    /// Its SHA-512.
    Sha512,
    /// All of it.
    Bytes,
}

/// One scheme, and what it signs.
type Scheme = (&'static dyn VerificationAlgorithm, Signs);

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Rsa, Self::Ed25519];

    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::EcdsaP256 => &[(&ECDSA_P256_SHA256_ASN1, Signs::Sha256)],
            Self::EcdsaP384 => &[(&ECDSA_P384_SHA384_ASN1, Signs::Sha384), (&ECDSA_P384_SHA256_ASN1, Signs::Sha256)],
            Self::EcdsaP521 => &[(&ECDSA_P521_SHA512_ASN1, Signs::Sha512), (&ECDSA_P521_SHA256_ASN1, Signs::Sha256)],
            Self::Rsa => &[(&RSA_PKCS1_2048_8192_SHA256, Signs::Sha256)],
            Self::Ed25519 => &[(&ED25519, Signs::Bytes)],
        }
    }

    /// Whether a signature can be one of this algorithm, by its form alone: an ASN.1 sequence of two numbers below the curve's order
    /// (RFC 3279, 2.2.3), as long as the modulus (RFC 8017, 8.2.2), or 64 bytes (RFC 8032, 5.1.6).
    fn fits(self, signature: &[u8]) -> bool {
        let is_sequence_of = |most: usize| signature.first() == Some(&0x30) && signature.len() <= most;
        match self {
            Self::EcdsaP256 => is_sequence_of(72),
            Self::EcdsaP384 => is_sequence_of(104),
            Self::EcdsaP521 => is_sequence_of(139),
            Self::Rsa => (256..=1024).contains(&signature.len()),
            Self::Ed25519 => signature.len() == 64,
        }
    }
}

/// A message that somebody may have signed. It is hashed once for each hash function, however many keys are tried.
#[derive(Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    sha256: OnceCell<Hash>,
    sha384: OnceCell<Hash>,
    sha512: OnceCell<Hash>,
}

impl<'a> Message<'a> {
    /// A message. Nothing is hashed yet.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, sha256: OnceCell::new(), sha384: OnceCell::new(), sha512: OnceCell::new() }
    }

    /// What is signed of it; `None`: all of it.
    fn hash(&self, signs: Signs) -> Option<&Hash> {
        let (hash, algorithm) = match signs {
            Signs::Sha256 => (&self.sha256, &SHA256),
            Signs::Sha384 => (&self.sha384, &SHA384),
            Signs::Sha512 => (&self.sha512, &SHA512),
            Signs::Bytes => return None,
        };
        Some(hash.get_or_init(|| digest(algorithm, self.bytes)))
    }
}

/// A public key, in the one encoding that names it: X.509 SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7). Cheap to check with.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Vec<u8>,
    fingerprint: Digest,
    schemes: Vec<(ParsedPublicKey, Signs)>,
}

impl PublicKey {
    /// Reads a key in DER.
    /// # Errors
    /// It is no key of an [`Algorithm`], or another encoding of one.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > KEY_BYTES {
            return Err(KeyError::Public);
        }
        let found = Algorithm::ALL.into_iter().find_map(|algorithm| Some((algorithm, parse(algorithm, der)?)));
        let (algorithm, schemes) = found.ok_or(KeyError::Public)?;
        Ok(Self { algorithm, der: der.to_vec(), fingerprint: Digest::of(der), schemes })
    }

    /// Reads the one key of a PEM text.
    /// # Errors
    /// As [`from_der`](Self::from_der); or the text holds something else, or more.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = super::pem::one(text)?;
        if block.tag() == LABEL { Self::from_der(block.contents()) } else { Err(KeyError::Public) }
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        super::pem::write(LABEL, &self.der)
    }

    /// A key in DER, which was read before, as PEM.
    #[must_use]
    pub fn pem_of(der: &[u8]) -> String {
        super::pem::write(LABEL, der)
    }

    /// The key in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The SHA-256 of the key in DER: its name where it has no other.
    #[must_use]
    pub const fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// What cosign writes into bundles, so that a verifier finds the key.
    #[must_use]
    pub fn hint(&self) -> String {
        encoding::encode(self.fingerprint.as_bytes())
    }

    /// Whether the key has signed the message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.has_signed_message(&Message::new(message), signature)
    }

    /// Whether the key has signed a message that other keys are asked about too.
    #[must_use]
    pub fn has_signed_message(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        let has_signed = |(key, signs): &(ParsedPublicKey, Signs)| match message.hash(*signs) {
            Some(hash) => key.verify_digest_sig(hash, signature).is_ok(),
            None => key.verify_sig(message.bytes, signature).is_ok(),
        };
        self.algorithm.fits(signature) && self.schemes.iter().any(has_signed)
    }

    /// Whether the key has signed the message of this SHA-256; `None` where that may be and only the message would tell.
    #[must_use]
    pub fn has_signed_digest(&self, digest: &Digest, signature: &[u8]) -> Option<bool> {
        let hash = Hash::import_less_safe(digest.as_bytes(), &SHA256).ok()?;
        let mut able = self.schemes.iter().filter(|(_, signs)| *signs == Signs::Sha256);
        if able.any(|(key, _)| key.verify_digest_sig(&hash, signature).is_ok()) {
            return Some(true);
        }
        self.schemes.iter().all(|(_, signs)| *signs == Signs::Sha256).then_some(false)
    }
}

/// The key with each scheme of the algorithm; `None` where it is another, or not encoded as it must be. Only one encoding is let
/// through, so that a key has one fingerprint.
fn parse(algorithm: Algorithm, der: &[u8]) -> Option<Vec<(ParsedPublicKey, Signs)>> {
    let parsed = algorithm.schemes().iter().map(|(scheme, signs)| {
        let key = ParsedPublicKey::new(*scheme, der).ok()?;
        let canonical: PublicKeyX509Der<'_> = key.as_der().ok()?;
        (canonical.as_ref() == der).then_some((key, *signs))
    });
    parsed.collect()
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm.as_str(), self.fingerprint.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::keys::KeyPair;
    use crate::supply_chain::tests::fixture;
    use proptest::prelude::*;

    #[test]
    fn keys_that_openssl_made_are_read_and_written_as_they_were() {
        for algorithm in Algorithm::ALL {
            let pem = fixture(&format!("keys/{}.pub", algorithm.as_str()));
            let key = PublicKey::from_pem(&pem).unwrap();
            assert_eq!((key.algorithm(), key.to_pem()), (algorithm, pem));
        }
    }

    #[test]
    fn signatures_that_openssl_made_are_checked_by_message_and_where_possible_by_digest() {
        for algorithm in Algorithm::ALL {
            let key = PublicKey::from_pem(&fixture(&format!("keys/{}.pub", algorithm.as_str()))).unwrap();
            let text = fixture(&format!("keys/{}.sig", algorithm.as_str()));
            let signature = encoding::decode(text.trim()).unwrap();
            assert!(key.has_signed(b"message", &signature), "{algorithm:?}");
            assert!(!key.has_signed(b"another", &signature), "{algorithm:?}");
            let by_digest = matches!(algorithm, Algorithm::EcdsaP256 | Algorithm::Rsa);
            assert_eq!(key.has_signed_digest(&Digest::of(b"message"), &signature), by_digest.then_some(true));
            assert_eq!(key.has_signed_digest(&Digest::of(b"another"), &signature), by_digest.then_some(false));
        }
    }

    #[test]
    fn one_message_is_asked_about_of_every_key_and_only_the_signer_has_signed_it() {
        let pem = |algorithm: Algorithm| fixture(&format!("keys/{}.pub", algorithm.as_str()));
        let keys = Algorithm::ALL.map(|algorithm| PublicKey::from_pem(&pem(algorithm)).unwrap());
        let (message, other) = (Message::new(b"message"), Message::new(b"another"));
        for algorithm in Algorithm::ALL {
            let text = fixture(&format!("keys/{}.sig", algorithm.as_str()));
            let signature = encoding::decode(text.trim()).unwrap();
            let signers: Vec<Algorithm> = keys
                .iter()
                .filter(|key| key.has_signed_message(&message, &signature))
                .map(PublicKey::algorithm)
                .collect();
            assert_eq!(signers, [algorithm]);
            assert!(!keys.iter().any(|key| key.has_signed_message(&other, &signature)), "{algorithm:?}");
        }
        assert!(!keys.iter().any(|key| key.has_signed_message(&message, &[])), "no signature at all");
    }

    #[test]
    fn whatever_a_key_signs_has_the_form_of_its_signatures() {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
            let key = KeyPair::generate(algorithm).unwrap();
            for at in 0..200_u32 {
                let signature = key.sign(&at.to_be_bytes()).unwrap();
                assert!(algorithm.fits(&signature), "{algorithm:?} {signature:?}");
            }
        }
    }

    #[test]
    fn every_other_encoding_of_a_key_is_refused() {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().clone();
        let point = &key.der()[key.der().len() - 65..];
        assert!(PublicKey::from_der(point).is_err(), "a bare point");
        assert!(PublicKey::from_der(&[key.der(), &[0]].concat()).is_err(), "something behind it");
        assert!(PublicKey::from_der(&key.der()[..90]).is_err() && PublicKey::from_der(&[]).is_err());
        let pem = key.to_pem();
        for text in [pem.replace(LABEL, "CERTIFICATE"), format!("{pem}{pem}"), String::new(), pem.replace('A', "*")] {
            assert!(PublicKey::from_pem(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_hint_is_the_one_that_cosign_computes() {
        // From a bundle that cosign 3 has written, and the key beside it.
        let key = PublicKey::from_pem(&fixture("public-good/managed-key.pub")).unwrap();
        assert_eq!(key.hint(), "TLMsSDfG3ajPsWge+z/vX5T/zluXnmvbkTkwLIV68Tk=");
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), at in 0..91_usize, byte in any::<u8>()) {
            let _ = PublicKey::from_der(&bytes);
            let mut der = KeyPair::generate(Algorithm::EcdsaP256).unwrap().public().der().to_vec();
            der[at] = byte;
            let _ = PublicKey::from_der(&der);
        }
    }
}
