//! Content digests: `sha256:…` and `sha512:…`, as the OCI image specification writes them, and their computation.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest as sha;

/// A hash algorithm that the registry stores content under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, the canonical one.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon; also the name of the folder below `blobs/`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(InvalidDigest::Algorithm),
        }
    }
}

/// Why a text is no digest that the registry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// There is no colon between algorithm and value.
    #[error("a digest is written algorithm:hex")]
    Form,
    /// Another algorithm than SHA-256 or SHA-512.
    #[error("the digest algorithm must be sha256 or sha512")]
    Algorithm,
    /// The value is not the right number of lower-case hexadecimal digits.
    #[error("the digest value must be lower-case hexadecimal of the algorithm's length")]
    Value,
}

/// The digest of some content. Its hexadecimal part has the right length and is lower-case, so it is a safe file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The digest of bytes that are in memory.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest::Form)?;
        let algorithm: Algorithm = algorithm.parse()?;
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || hex.len() != algorithm.hex_length() {
            return Err(InvalidDigest::Value);
        }
        Ok(Self { algorithm, hex: hex.into() })
    }
}

/// A running hash. Cloning it keeps a point to go back to.
#[derive(Clone)]
pub(crate) struct Hasher {
    algorithm: Algorithm,
    context: sha::Context,
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let context = sha::Context::new(match algorithm {
            Algorithm::Sha256 => &sha::SHA256,
            Algorithm::Sha512 => &sha::SHA512,
        });
        Self { algorithm, context }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest { algorithm: self.algorithm, hex: hex::encode(self.context.finish()).into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(Algorithm::Sha256, b"")));
    }

    #[test]
    fn other_forms_are_refused_with_their_reason() {
        assert_eq!("abc".parse::<Digest>(), Err(InvalidDigest::Form));
        assert_eq!("md5:00".parse::<Digest>(), Err(InvalidDigest::Algorithm));
        assert_eq!("sha256:baddigeststring".parse::<Digest>(), Err(InvalidDigest::Value));
        assert_eq!(format!("sha256:{}", "A".repeat(64)).parse::<Digest>(), Err(InvalidDigest::Value));
        assert_eq!(format!("sha512:{}", "a".repeat(64)).parse::<Digest>(), Err(InvalidDigest::Value));
    }

    proptest! {
        #[test]
        fn a_digest_is_read_back_as_it_is_written(bytes: Vec<u8>, long: bool) {
            let digest = Digest::of(if long { Algorithm::Sha512 } else { Algorithm::Sha256 }, &bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn what_is_accepted_is_a_plain_file_name(text in "(sha256|sha512|SHA256|md5)?:?[a-f0-9A-F./%]{0,140}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert!(digest.hex().bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
                prop_assert_eq!(digest.to_string(), text);
            }
        }

        #[test]
        fn hashing_in_pieces_gives_the_digest_of_the_whole(bytes: Vec<u8>, cut in 0usize..64) {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            let mut hasher = Hasher::new(Algorithm::Sha256);
            hasher.update(a);
            hasher.update(b);
            prop_assert_eq!(hasher.finish(), Digest::of(Algorithm::Sha256, &bytes));
        }
    }
}
