//! [`KeyPair`]: a private key in memory, with its public half.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, PublicKey, cosign, pem};

const LABEL: &str = "PRIVATE KEY";

/// A private key with its public half. `Debug` shows the public half.
pub struct KeyPair {
    public: PublicKey,
    private: Private,
}

enum Private {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    /// A new key.
    /// # Errors
    /// [`KeyError::Algorithm`]: it is none that we sign with.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let private = match algorithm {
            Algorithm::EcdsaP256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Private::EcdsaP256),
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Private::Ed25519),
            _ => return Err(KeyError::Algorithm),
        };
        private.map_err(|_| KeyError::Failed)?.with_public()
    }

    /// Reads a key in PKCS#8 (RFC 5208), not encrypted.
    /// # Errors
    /// [`KeyError::Private`]: it is no P-256 or Ed25519 key, or its halves do not belong together.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map(Private::EcdsaP256);
        let private = ecdsa.or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Private::Ed25519));
        private.map_err(|_| KeyError::Private)?.with_public()
    }

    /// Reads the one key of a PEM text: PKCS#8, or as cosign encrypts it. The password of an unencrypted key is not looked at.
    ///
    /// An encrypted key costs up to 128 MiB of memory and some tenths of a second: not to be called where others wait.
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn from_pem(text: &str, password: &[u8]) -> Result<Self, KeyError> {
        let block = pem::one(text)?;
        let label = block.tag().to_owned();
        let contents = Zeroizing::new(block.into_contents());
        match label.as_str() {
            LABEL => Self::from_pkcs8(&contents),
            cosign::LABEL | cosign::OLD_LABEL => Self::from_pkcs8(&cosign::decrypt(&contents, password)?),
            _ => Err(KeyError::Label),
        }
    }

    /// The key as cosign encrypts it, in PEM. As expensive as [`from_pem`](Self::from_pem).
    /// # Errors
    /// [`KeyError::Failed`].
    pub fn to_cosign_pem(&self, password: &[u8]) -> Result<Zeroizing<String>, KeyError> {
        let encrypted = cosign::encrypt(&self.to_pkcs8()?, password)?;
        Ok(pem::write_secret(cosign::LABEL, &encrypted))
    }

    /// The key in PKCS#8, not encrypted: to be sealed.
    /// # Errors
    /// [`KeyError::Failed`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match &self.private {
            Private::EcdsaP256(key) => key.to_pkcs8v1(),
            Private::Ed25519(key) => key.to_pkcs8v1(),
        };
        document.map(|document| Zeroizing::new(document.as_ref().to_vec())).map_err(|_| KeyError::Failed)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message: ECDSA in ASN.1 over its SHA-256, or Ed25519 over itself.
    /// # Errors
    /// [`KeyError::Failed`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.private {
            Private::EcdsaP256(key) => {
                let signature = key.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::Ed25519(key) => {
                let signature = key.try_sign(message).map_err(|_| KeyError::Failed)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl Private {
    fn with_public(self) -> Result<KeyPair, KeyError> {
        let der = match &self {
            Self::EcdsaP256(key) => key.public_key().as_der(),
            Self::Ed25519(key) => key.public_key().as_der(),
        };
        let public = PublicKey::from_der(der.map_err(|_| KeyError::Failed)?.as_ref())?;
        Ok(KeyPair { public, private: self })
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::tests::fixture;

    const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

    #[test]
    fn what_a_key_signs_its_public_half_checks_and_no_other() {
        for algorithm in BOTH {
            let (key, other) = (KeyPair::generate(algorithm).unwrap(), KeyPair::generate(algorithm).unwrap());
            assert_eq!(key.public().algorithm(), algorithm);
            let signature = key.sign(b"message").unwrap();
            assert!(key.public().has_signed(b"message", &signature));
            assert!(!key.public().has_signed(b"Message", &signature));
            assert!(!other.public().has_signed(b"message", &signature));
        }
        for algorithm in [Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Rsa] {
            assert_eq!(KeyPair::generate(algorithm).unwrap_err(), KeyError::Algorithm);
        }
    }

    #[test]
    fn a_key_is_the_same_after_it_was_written_and_read() {
        for algorithm in BOTH {
            let key = KeyPair::generate(algorithm).unwrap();
            let read = KeyPair::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(read.public(), key.public());
            assert!(key.public().has_signed(b"m", &read.sign(b"m").unwrap()));
        }
    }

    #[test]
    fn keys_that_openssl_made_are_read_and_those_that_we_do_not_sign_with_are_refused() {
        for algorithm in Algorithm::ALL {
            let read = KeyPair::from_pem(&fixture(&format!("keys/{}.pem", algorithm.as_str())), b"");
            match read {
                Ok(key) => {
                    assert!(BOTH.contains(&algorithm), "{algorithm:?}");
                    assert_eq!(key.public().to_pem(), fixture(&format!("keys/{}.pub", algorithm.as_str())));
                }
                Err(error) => {
                    assert!(!BOTH.contains(&algorithm), "{algorithm:?}");
                    assert_eq!(error, KeyError::Private);
                }
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let pem = pem::write(LABEL, &key.to_pkcs8().unwrap());
        for (text, error) in [
            (String::new(), KeyError::Pem),
            (format!("{pem}{pem}"), KeyError::Pem),
            (pem.replace("PRIVATE KEY", "EC PRIVATE KEY"), KeyError::Label),
            (pem::write(LABEL, b"x"), KeyError::Private),
        ] {
            assert_eq!(KeyPair::from_pem(&text, b"").unwrap_err(), error);
        }
        assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
    }

    #[test]
    fn a_private_key_with_anothers_public_half_is_refused() {
        let (one, other) =
            (KeyPair::generate(Algorithm::EcdsaP256).unwrap(), KeyPair::generate(Algorithm::EcdsaP256).unwrap());
        let mut der = one.to_pkcs8().unwrap().to_vec();
        let point = &other.public().der()[other.public().der().len() - 64..];
        let at = der.len() - 64;
        der[at..].copy_from_slice(point);
        assert_eq!(KeyPair::from_pkcs8(&der).unwrap_err(), KeyError::Private);
    }
}
