//! Repository names, tags and references, checked against the grammar of the distribution specification, and the one
//! mapping from a repository name to a folder.

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr};

use crate::digest::{Digest, InvalidDigest};

/// Entries of an OCI image layout that a nested repository's folder must not be mistaken for: the grammar allows the
/// repositories `a` and `a/blobs` side by side.
const RESERVED: [&str; 3] = ["blobs", "index.json", "oci-layout"];

/// Set before a reserved name on the disk. No repository name may start with it, so nothing else gets that folder name.
const ESCAPE: char = '_';

const MAX_NAME_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;

/// A text is no repository name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a repository name is at most 255 characters of lower-case letters, digits, separators and slashes")]
pub struct InvalidName;

/// The name of a repository, such as `library/alpine`. It cannot leave the root folder, whatever it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// The name as the client writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The repository's folder, relative to the root of the registry.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.split('/').map(escape).fold(PathBuf::new(), |path, part| path.join(part.as_ref()))
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = text.len() <= MAX_NAME_BYTES && text.split('/').all(is_component);
        if valid { Ok(Self(text.into())) } else { Err(InvalidName) }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(component: &str) -> Cow<'_, str> {
    if RESERVED.contains(&component) { Cow::Owned(format!("{ESCAPE}{component}")) } else { Cow::Borrowed(component) }
}

/// The name's component that a folder below the root stands for, or `None` for the registry's own folders.
pub(crate) fn component_of_folder(folder: &str) -> Option<&str> {
    match folder.strip_prefix(ESCAPE) {
        Some(escaped) => RESERVED.contains(&escaped).then_some(escaped),
        None => (!RESERVED.contains(&folder) && is_component(folder)).then_some(folder),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let mut rest = text;
    loop {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if after.len() == rest.len() {
            return false;
        }
        if after.is_empty() {
            return true;
        }
        let next = after.trim_start_matches(['.', '_', '-']);
        let separator = after.strip_suffix(next).unwrap_or_default();
        let dashes = !separator.is_empty() && separator.bytes().all(|b| b == b'-');
        if !dashes && !matches!(separator, "." | "_" | "__") {
            return false;
        }
        rest = next;
    }
}

/// A text is neither a tag nor a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It has a colon, so it was meant as a digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// It was meant as a tag.
    #[error(
        "a tag is at most 128 letters, digits, underscores, periods and dashes, and starts with none of the last two"
    )]
    Tag,
}

/// A tag, such as `latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag as the client writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let valid = text.len() <= MAX_TAG_BYTES
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidReference::Tag) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a request names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By a name that can move.
    Tag(Tag),
    /// By content.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        // A tag has no colon, so a colon decides.
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    const NAME: &str =
        "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,3}";

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in [
            "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/..", "A", "a%2fb", "a\\b", "a\0b", "_uploads", ".x",
            "a._b", "a___b", "a..b", "a-", "é",
        ] {
            assert_eq!(name.parse::<RepositoryName>(), Err(InvalidName), "{name:?}");
        }
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert!("a".repeat(256).parse::<RepositoryName>().is_err());
    }

    #[test]
    fn a_name_that_the_layout_uses_itself_gets_a_folder_of_its_own() {
        let folder = |name: &str| name.parse::<RepositoryName>().map(|name| name.folder());
        assert_eq!(folder("a/blobs/sha256"), Ok(PathBuf::from("a/_blobs/sha256")));
        assert_eq!(folder("a/index.json"), Ok(PathBuf::from("a/_index.json")));
        assert_eq!(folder("oci-layout"), Ok(PathBuf::from("_oci-layout")));
        assert_eq!(component_of_folder("_uploads"), None);
        assert_eq!(component_of_folder("blobs"), None);
    }

    #[test]
    fn a_colon_makes_a_reference_a_digest() {
        assert!(matches!("v1.0_x-y".parse(), Ok(Reference::Tag(_))));
        assert_eq!("sha256:x".parse::<Reference>(), Err(InvalidReference::Digest(InvalidDigest::Value)));
        for tag in ["", "-a", ".a", "a/b", "a b", "a%2e", "..", &"a".repeat(129)] {
            assert_eq!(tag.parse::<Reference>(), Err(InvalidReference::Tag), "{tag:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_of_the_grammar_is_accepted_and_comes_back_from_its_folder(name in NAME) {
            let parsed: RepositoryName = name.parse().unwrap();
            let folder = parsed.folder();
            let parts: Option<Vec<&str>> =
                folder.components().map(|c| c.as_os_str().to_str().and_then(component_of_folder)).collect();
            prop_assert_eq!(parts.unwrap().join("/"), name);
        }

        #[test]
        fn whatever_is_accepted_stays_below_the_root(name in "[a-z0-9._/A-Z%\\\\-]{0,24}") {
            if let Ok(name) = name.parse::<RepositoryName>() {
                prop_assert!(name.folder().components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert!(!name.as_str().contains("//") && !name.as_str().contains(".."));
            }
        }

        #[test]
        fn every_tag_of_the_grammar_is_accepted(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(tag.parse::<Tag>().unwrap().to_string(), tag);
        }

        #[test]
        fn an_accepted_reference_is_written_as_it_was_read(text in ".{0,140}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
