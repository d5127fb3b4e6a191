//! Signed notes: the text of a checkpoint, its signature and its key (C2SP: `signed-note`, `tlog-checkpoint`).

use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Digest;

/// C2SP `signed-note`: the type of Ed25519 signatures.
const ED25519_NOTE: u8 = 0x01;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Why a key or a note cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The key file.
    #[error("{0}")]
    Key(String),
    /// The note has not the form of one.
    #[error("it is no signed note")]
    Form,
    /// No signature of the key.
    #[error("it is not signed by the key {0}")]
    Unsigned(String),
    /// The signature does not fit the text.
    #[error("its signature does not fit its text")]
    Forged,
}

/// A key that signs notes. Its `Debug` shows the public half.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// The public half of a key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    public: Vec<u8>,
}

/// A new key as PEM (PKCS#8).
/// # Errors
/// The system gives no random bytes.
pub fn generate_key() -> Result<String, NoteError> {
    let failed = |_| NoteError::Key("no key could be made".to_owned());
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?;
    Ok(format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", BASE64.encode(der.as_ref())))
}

impl Signer {
    /// Reads a key from a PEM file (PKCS#8); `name` stands in every note.
    /// # Errors
    /// The file cannot be read, or holds no Ed25519 key.
    pub fn read(path: &Path, name: &str) -> Result<Self, NoteError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| NoteError::Key(format!("{}: {error}", path.display())))?;
        Self::from_pem(&text, name).map_err(|error| NoteError::Key(format!("{}: {error}", path.display())))
    }

    /// As [`read`](Self::read), from the text.
    /// # Errors
    /// It holds no Ed25519 key.
    pub fn from_pem(text: &str, name: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::Key("not an Ed25519 key in PEM (PKCS#8)".to_owned());
        let body = text.split_once(PEM_BEGIN).and_then(|(_, rest)| rest.split_once(PEM_END)).ok_or_else(wrong)?.0;
        let body: String = body.split_whitespace().collect();
        let der = BASE64.decode(body).map_err(|_| wrong())?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| wrong())?;
        let verifier = Verifier { name: name.to_owned(), public: pair.public_key().as_ref().to_vec() };
        Ok(Self { verifier, pair })
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs a text, which ends with a line feed.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let mut signed = self.verifier.key_id().to_vec();
        signed.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {} {}\n", self.verifier.name, BASE64.encode(signed))
    }
}

impl Verifier {
    /// Reads a key as [`Display`](std::fmt::Display) writes it: `<name>+<key id>+<key>`.
    /// # Errors
    /// It is no such key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::Key("not a verifier key: <name>+<key id>+<base64 of the key>".to_owned());
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
        let bytes = BASE64.decode(key).map_err(|_| wrong())?;
        let Some((&ED25519_NOTE, public)) = bytes.split_first() else { return Err(wrong()) };
        let verifier = Self { name: name.to_owned(), public: public.to_vec() };
        if public.len() != 32 || hex::encode(verifier.key_id()) != id {
            return Err(wrong());
        }
        Ok(verifier)
    }

    /// The name that stands in the notes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> [u8; 4] {
        let mut bytes = format!("{}\n", self.name).into_bytes();
        bytes.push(ED25519_NOTE);
        bytes.extend_from_slice(&self.public);
        let mut id = [0; 4];
        id.iter_mut().zip(Digest::of(&bytes).as_bytes()).for_each(|(to, from)| *to = *from);
        id
    }

    /// The text of a note that this key has signed.
    /// # Errors
    /// [`NoteError`] says what is wrong with it.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let end = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, signatures) = note.split_at(end + 1);
        let own = signatures.lines().find_map(|line| {
            let (name, signature) = line.strip_prefix("\u{2014} ")?.rsplit_once(' ')?;
            let bytes = BASE64.decode(signature).ok()?;
            let (id, signature) = bytes.split_at_checked(4)?;
            (name == self.name && id == self.key_id()).then(|| signature.to_vec())
        });
        let signature = own.ok_or_else(|| NoteError::Unsigned(self.name.clone()))?;
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(text.as_bytes(), &signature).map_err(|_| NoteError::Forged)?;
        Ok(text)
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519_NOTE];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.key_id()), BASE64.encode(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_pem(&generate_key().unwrap(), "zas-audit/s3").unwrap()
    }

    #[test]
    fn a_note_opens_with_the_key_that_signed_it_and_no_other() {
        let (one, other) = (signer(), signer());
        let note = one.sign("zas-audit/s3\n1\nroot\n");
        assert_eq!(one.verifier().open(&note).unwrap(), "zas-audit/s3\n1\nroot\n");
        assert_eq!(other.verifier().open(&note), Err(NoteError::Unsigned("zas-audit/s3".to_owned())));
    }

    #[test]
    fn a_note_that_was_changed_does_not_open() {
        let signer = signer();
        let note = signer.sign("zas-audit/s3\n1\nroot\n");
        assert_eq!(signer.verifier().open(&note.replace("\n1\n", "\n2\n")), Err(NoteError::Forged));
        assert_eq!(signer.verifier().open("root"), Err(NoteError::Form));
    }

    #[test]
    fn a_verifier_key_is_read_as_it_is_written() {
        let verifier = signer().verifier().clone();
        assert_eq!(Verifier::parse(&verifier.to_string()).unwrap(), verifier);
        for bad in ["", "name", "name+00000000+AQ==", &verifier.to_string().replace("s3", "s4")] {
            assert!(Verifier::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let pem = generate_key().unwrap();
        let shown = format!("{:?}", Signer::from_pem(&pem, "n").unwrap());
        let secret = pem.lines().nth(1).unwrap();
        assert!(!shown.contains(secret));
    }
}
