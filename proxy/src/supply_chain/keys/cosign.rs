//! Private keys as cosign encrypts them: scrypt (RFC 7914) makes a key of the password, and NaCl's secretbox (XSalsa20-Poly1305) seals
//! PKCS#8 with it. The JSON is that of go-securesystemslib, `encrypted/encrypted.go`.

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use scrypt::{Params, scrypt};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyError;
use crate::supply_chain::encoding::Base64;

/// What the PEM block of an encrypted key is called.
pub const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// What it was called up to cosign 1.
pub const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

/// log2 of the cost that cosign writes: 64 MiB.
const LOG_COST: u8 = 16;

/// log2 of the costs that are read: those that there are names for in go-securesystemslib. Any other one would let whoever sends a key
/// choose how long we are busy with it.
const LOG_COSTS: std::ops::RangeInclusive<u8> = 15..=17;

const BLOCKS: u32 = 8;
const LANES: u32 = 1;

const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: Base64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    params: Cost,
    salt: Base64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    #[serde(rename = "N")]
    cost: u64,
    #[serde(rename = "r")]
    blocks: u32,
    #[serde(rename = "p")]
    lanes: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: Base64,
}

/// What the block of an encrypted key holds of a key in PKCS#8.
pub(super) fn encrypt(pkcs8: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyError> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let ciphertext =
        cipher(password, &salt, LOG_COST)?.encrypt(&Nonce::from(nonce), pkcs8).map_err(|_| KeyError::Failed)?;
    let encrypted = Encrypted {
        kdf: Kdf {
            name: KDF.to_owned(),
            params: Cost { cost: 1 << LOG_COST, blocks: BLOCKS, lanes: LANES },
            salt: Base64(salt.to_vec()),
        },
        cipher: Cipher { name: CIPHER.to_owned(), nonce: Base64(nonce.to_vec()) },
        ciphertext: Base64(ciphertext),
    };
    serde_json::to_vec(&encrypted).map_err(|_| KeyError::Failed)
}

/// The key in PKCS#8 that the block of an encrypted key holds.
pub(super) fn decrypt(contents: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let encrypted: Encrypted = serde_json::from_slice(contents).map_err(|_| KeyError::Encryption)?;
    let Cost { cost, blocks, lanes } = encrypted.kdf.params;
    let log_cost = LOG_COSTS.into_iter().find(|log| 1 << log == cost).ok_or(KeyError::Encryption)?;
    let is_known = encrypted.kdf.name == KDF && encrypted.cipher.name == CIPHER;
    if !is_known || blocks != BLOCKS || lanes != LANES {
        return Err(KeyError::Encryption);
    }
    let nonce = <[u8; NONCE_BYTES]>::try_from(encrypted.cipher.nonce.0).map_err(|_| KeyError::Encryption)?;
    let opened = cipher(password, &encrypted.kdf.salt.0, log_cost)?
        .decrypt(&Nonce::from(nonce), encrypted.ciphertext.0.as_slice())
        .map_err(|_| KeyError::Password)?;
    Ok(Zeroizing::new(opened))
}

fn cipher(password: &[u8], salt: &[u8], log_cost: u8) -> Result<XSalsa20Poly1305, KeyError> {
    let params = Params::new(log_cost, BLOCKS, LANES).map_err(|_| KeyError::Failed)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    scrypt(password, salt, &params, &mut *key).map_err(|_| KeyError::Failed)?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(&*key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::keys::{Algorithm, KeyPair};
    use crate::supply_chain::tests::fixture;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A key of cosign's with another cost, so that the test does not wait.
    fn encrypted(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let salt = [7; SALT_BYTES];
        let ciphertext = cipher(b"secret", &salt, 15).unwrap().encrypt(&Nonce::from([9; NONCE_BYTES]), &b"pkcs8"[..]);
        let mut value = json!({
            "kdf": {"name": KDF, "params": {"N": 32768, "r": 8, "p": 1}, "salt": Base64(salt.to_vec())},
            "cipher": {"name": CIPHER, "nonce": Base64(vec![9; NONCE_BYTES])},
            "ciphertext": Base64(ciphertext.unwrap()),
        });
        change(&mut value);
        value.to_string().into_bytes()
    }

    #[test]
    fn keys_that_cosign_made_open_with_their_password_under_both_labels() {
        let (pem, public) = (fixture("cosign/cosign.key"), fixture("cosign/cosign.pub"));
        let key = KeyPair::from_pem(&pem, b"cosign password").unwrap();
        assert_eq!(key.public().to_pem(), public);
        let old = KeyPair::from_pem(&pem.replace(LABEL, OLD_LABEL), b"cosign password").unwrap();
        assert_eq!(old.public(), key.public());
        assert_eq!(KeyPair::from_pem(&pem, b"another").unwrap_err(), KeyError::Password);
    }

    #[test]
    fn a_key_that_we_encrypt_has_the_form_of_cosign_and_opens_with_its_password_alone() {
        let key = KeyPair::generate(Algorithm::Ed25519).unwrap();
        let pem = key.to_cosign_pem(b"secret").unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        assert_eq!(KeyPair::from_pem(&pem, b"secret").unwrap().public(), key.public());
        assert_eq!(KeyPair::from_pem(&pem, b"").unwrap_err(), KeyError::Password);
        assert_ne!(*key.to_cosign_pem(b"secret").unwrap(), *pem, "salt and nonce are new each time");
    }

    #[test]
    fn the_sender_chooses_neither_how_much_work_it_is_nor_the_length_of_a_nonce() {
        assert_eq!(*decrypt(&encrypted(|_| ()), b"secret").unwrap(), b"pkcs8");
        let changes: [fn(&mut Value); 8] = [
            |value| value["kdf"]["params"]["N"] = json!(1_u64 << 30),
            |value| value["kdf"]["params"]["N"] = json!(32769),
            |value| value["kdf"]["params"]["N"] = json!(0),
            |value| value["kdf"]["params"]["r"] = json!(1_000_000),
            |value| value["kdf"]["params"]["p"] = json!(2),
            |value| value["cipher"]["nonce"] = json!("AAAA"),
            |value| value["kdf"]["name"] = json!("argon2"),
            |value| value["cipher"]["name"] = json!("aes"),
        ];
        for change in changes {
            assert_eq!(decrypt(&encrypted(change), b"secret").unwrap_err(), KeyError::Encryption);
        }
        let short = encrypted(|value| value["ciphertext"] = json!("AAAA"));
        assert_eq!(decrypt(&short, b"secret").unwrap_err(), KeyError::Password);
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), text in ".*") {
            prop_assert_eq!(decrypt(&bytes, b"").unwrap_err(), KeyError::Encryption);
            prop_assert!(KeyPair::from_pem(&text, b"").is_err());
        }
    }
}
