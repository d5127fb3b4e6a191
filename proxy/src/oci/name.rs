//! Repository names, tags and digests, by the grammar of the OCI distribution specification 1.1.
//!
//! A value of these types has been checked: it holds no character that could change a path, a query or a header.

use std::fmt;

/// The longest repository name: many clients allow no more for host and name together (distribution-spec, "Pull").
const NAME_BYTES: usize = 255;

/// The longest tag.
const TAG_BYTES: usize = 128;

/// First component of the repositories that the sidecar keeps for itself.
const OWN: &str = "zas";

/// Components that are files or folders of an OCI image layout, or of a Zot's root folder. A repository of that name would lie
/// within, or in the way of, the layout of another.
const LAYOUT: [&str; 5] = ["blobs", "index.json", "oci-layout", "cache.db", "meta.db"];

/// Ends of names that Zot takes for folders of its own: such a repository is neither listed nor cleaned up.
const OVERLOOKED: [&str; 3] = ["blobs", ".sync", ".uploads"];

/// A repository name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name; `None` where it breaks the grammar or the length.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=NAME_BYTES).contains(&text.len()) && text.split('/').all(is_component);
        fits.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the registry's repository of this name is not for clients: it holds S3 bytes (its first component is `prefix`), it is
    /// the sidecar's own, its name is that of objects, or it would collide with another one's files.
    #[must_use]
    pub fn is_reserved(&self, prefix: &str) -> bool {
        let first = self.0.split('/').next().unwrap_or_default();
        first == prefix
            || first == OWN
            || super::artifact::owns(self)
            || self.0.split('/').any(|component| LAYOUT.contains(&component))
    }

    /// Whether it is a name of S3 objects (`s3/<bucket>`), and not of manifests at the registry.
    #[must_use]
    pub fn is_of_objects(&self) -> bool {
        super::artifact::owns(self)
    }

    /// Whether Zot would take the repository but never list it and never clean it up: nothing new should go there.
    #[must_use]
    pub fn is_overlooked(&self) -> bool {
        OVERLOOKED.iter().any(|end| self.0.ends_with(end))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separator = None;
    let mut runs = 0_usize;
    for byte in text.bytes() {
        if is_word(byte) {
            separator = None;
            runs = 0;
            continue;
        }
        // A separator stands between words, and is of one kind: one dot, one or two underscores, any number of dashes.
        let at_most = match byte {
            b'.' => 1,
            b'_' => 2,
            b'-' => usize::MAX,
            _ => return false,
        };
        runs += 1;
        if separator.is_some_and(|kind| kind != byte) || runs > at_most {
            return false;
        }
        separator = Some(byte);
    }
    separator.is_none() && text.bytes().next().is_some_and(is_word)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A digest of an algorithm that registries know: `sha256`, `sha384` or `sha512`, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentDigest(String);

impl ContentDigest {
    /// Reads a digest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, hex) = text.split_once(':')?;
        let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        (digits(algorithm)? == hex.len() && is_hex).then(|| Self(text.to_owned()))
    }

    /// The digest as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many hex digits a digest of an algorithm has; `None` for one that is not known.
pub(super) fn digits(algorithm: &str) -> Option<usize> {
    match algorithm {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(super) fn is_tag(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= TAG_BYTES
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// What names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A tag.
    Tag(String),
    /// The manifest's digest.
    Digest(ContentDigest),
}

impl Reference {
    /// Reads a reference.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            return ContentDigest::parse(text).map(Self::Digest);
        }
        is_tag(text).then(|| Self::Tag(text.to_owned()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_grammar_are_read() {
        let longest = "a".repeat(255);
        for name in ["a", "0", "library/alpine", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c.d-e__f/1", &longest] {
            assert!(Name::parse(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_outside_the_grammar_are_not() {
        let too_long = "a".repeat(256);
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/..",
            "a/./b",
            "A",
            "aB",
            "a b",
            "a..b",
            "a___b",
            "a._b",
            "a-_b",
            "-a",
            "a-",
            "_a",
            "a_",
            ".a",
            "a.",
            "a:b",
            "a@b",
            "a%2fb",
            "a\\b",
            "a\0",
            "é",
            "a/_uploads/b",
            &too_long,
        ] {
            assert!(Name::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn repositories_of_s3_and_of_the_sidecar_are_reserved_and_their_neighbours_are_not() {
        for name in
            ["s3", "s3/x", "s3/default/0f", "zas", "zas/x", "a/blobs", "blobs", "a/blobs/sha256", "a/index.json"]
        {
            assert!(Name::parse(name).unwrap().is_reserved("s3"), "{name}");
        }
        assert!(Name::parse("s3/releases").unwrap().is_reserved("bytes"), "a name of objects is never the registry's");
        for name in ["s3x", "s3-a/b", "a/s3", "a/s3/b", "a/zas", "zas1", "my-blobs", "blobs2", "index-json"] {
            assert!(!Name::parse(name).unwrap().is_reserved("s3"), "{name}");
        }
    }

    #[test]
    fn names_that_zot_overlooks_are_known() {
        for name in ["my-blobs", "a/xblobs", "a.sync", "a/b.uploads"] {
            assert!(Name::parse(name).unwrap().is_overlooked(), "{name}");
        }
        assert!(!Name::parse("my-blobs/a").unwrap().is_overlooked());
    }

    #[test]
    fn a_digest_has_a_known_algorithm_and_its_number_of_digits() {
        let sha256 = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(ContentDigest::parse(&sha256).unwrap().to_string(), sha256);
        assert!(ContentDigest::parse(&format!("sha512:{}", "0a".repeat(64))).is_some());
        for bad in [
            "",
            "sha256:",
            "sha256",
            "sha256:00",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &sha256.to_uppercase(),
            &sha256.replace('a', "A"),
            &sha256.replace('a', "g"),
            &format!("{sha256}0"),
            &format!("{sha256}:"),
        ] {
            assert!(ContentDigest::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_reference_is_a_tag_or_a_digest() {
        for tag in ["latest", "_x", "1.2.3", "A-b.c_d", &"t".repeat(128)] {
            assert_eq!(Reference::parse(tag), Some(Reference::Tag(tag.to_owned())));
        }
        for bad in ["", ".", "..", ".a", "-a", "a:b", "a/b", "a%20", "a b", "sha256:00", &"t".repeat(129)] {
            assert_eq!(Reference::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_what_the_specifications_expression_says(text in "[a-c0._/-]{0,12}") {
            prop_assert_eq!(Name::parse(&text).is_some(), by_expression(&text));
        }
    }

    /// The grammar again, written by another rule: split at separators, look at what is between and what they are.
    fn by_expression(text: &str) -> bool {
        text.split('/').all(|component| {
            let words: Vec<&str> = component.split(['.', '_', '-']).filter(|word| !word.is_empty()).collect();
            let mut separators: Vec<String> = vec![String::new()];
            for c in component.chars() {
                match c {
                    '.' | '_' | '-' => separators.last_mut().unwrap().push(c),
                    _ if separators.last().unwrap().is_empty() => {}
                    _ => separators.push(String::new()),
                }
            }
            let between: Vec<String> = separators.into_iter().filter(|s| !s.is_empty()).collect();
            let edges_are_words = component.starts_with(|c: char| c.is_ascii_alphanumeric())
                && component.ends_with(|c: char| c.is_ascii_alphanumeric());
            !words.is_empty()
                && edges_are_words
                && between.iter().all(|s| matches!(s.as_str(), "." | "_" | "__") || s.chars().all(|c| c == '-'))
        })
    }
}
