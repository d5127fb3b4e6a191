//! [`ArtifactRef`]: `s3://bucket/key[?versionId=…]`, `oci://repository:tag`, `oci://repository@sha256:…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zas_policy::Resource;

use crate::digest::Digest;
use crate::error::{Code, Error};
use crate::oci::{Name, Reference};
use crate::s3::is_bucket_name;

/// Bytes of a key (S3, "Object key naming guidelines").
const KEY_BYTES: usize = 1024;

/// What stands between a key and the version that is meant. A key that ends in such a text is named with a version.
const VERSION: &str = "?versionId=";

/// The one version that keys have: buckets keep no others.
const NULL: &str = "null";

/// The name of an artifact. Nothing has been asked about it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactRef {
    /// An S3 object.
    Object {
        /// The bucket.
        bucket: String,
        /// The key, as it is: nothing in it is encoded.
        key: String,
        /// The version; unset: the current one.
        version: Option<String>,
    },
    /// A manifest at the registry.
    Manifest {
        /// The repository.
        repository: Name,
        /// The tag or the digest.
        reference: ManifestRef,
    },
}

/// What names a manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestRef {
    /// A tag.
    Tag(String),
    /// The manifest's digest.
    Digest(Digest),
}

/// A text that names no artifact. The text is for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseArtifactRefError {
    /// Neither of the two schemes.
    #[error("an artifact is named s3://bucket/key, oci://repository:tag or oci://repository@sha256:...")]
    Scheme,
    /// No bucket, or no key.
    #[error("an object is named s3://bucket/key, with a key of 1 to 1,024 bytes without control characters")]
    Object,
    /// A version that is none.
    #[error("a version is 1 to 1,024 letters, digits, dots, dashes and underscores")]
    Version,
    /// No repository, or neither tag nor digest.
    #[error("a manifest is named oci://repository:tag or oci://repository@sha256:..., without a host")]
    Manifest,
    /// A repository whose manifests are objects.
    #[error("what is below s3/ at the registry are objects: they are named s3://bucket/key")]
    ObjectAsManifest,
}

impl ArtifactRef {
    /// What policies call it: the object, or the repository.
    #[must_use]
    pub fn resource(&self) -> Resource {
        match self {
            Self::Object { bucket, key, .. } => Resource::object(bucket, key),
            Self::Manifest { repository, .. } => Resource::repository(repository.as_str()),
        }
    }
}

impl FromStr for ArtifactRef {
    type Err = ParseArtifactRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return object(rest);
        }
        text.strip_prefix("oci://").ok_or(ParseArtifactRefError::Scheme).and_then(manifest)
    }
}

fn object(text: &str) -> Result<ArtifactRef, ParseArtifactRefError> {
    let (bucket, rest) = text.split_once('/').ok_or(ParseArtifactRefError::Object)?;
    let (key, version) = match rest.rsplit_once(VERSION) {
        Some((key, version)) => (key, Some(version)),
        None => (rest, None),
    };
    let is_key = (1..=KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control);
    if !is_bucket_name(bucket) || !is_key {
        return Err(ParseArtifactRefError::Object);
    }
    if version.is_some_and(|version| !is_version(version)) {
        return Err(ParseArtifactRefError::Version);
    }
    Ok(ArtifactRef::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: version.map(str::to_owned) })
}

fn is_version(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn manifest(text: &str) -> Result<ArtifactRef, ParseArtifactRefError> {
    let wrong = ParseArtifactRefError::Manifest;
    let (name, reference) = match text.split_once('@') {
        // A name with a tag before the digest fails as a name: it would say two things.
        Some((name, digest)) => (name, ManifestRef::Digest(digest.parse().map_err(|_| wrong)?)),
        None => {
            let (name, tag) = text.split_once(':').ok_or(wrong)?;
            match Reference::parse(tag) {
                Some(Reference::Tag(tag)) => (name, ManifestRef::Tag(tag)),
                _ => return Err(wrong),
            }
        }
    };
    let repository = Name::parse(name).ok_or(wrong)?;
    if repository.is_of_objects() {
        return Err(ParseArtifactRefError::ObjectAsManifest);
    }
    Ok(ArtifactRef::Manifest { repository, reference })
}

impl fmt::Display for ArtifactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket, key, version } => {
                write!(f, "s3://{bucket}/{key}")?;
                match version {
                    Some(version) => write!(f, "{VERSION}{version}"),
                    // Or else its end would be read as a version.
                    None if key.contains(VERSION) => write!(f, "{VERSION}{NULL}"),
                    None => Ok(()),
                }
            }
            Self::Manifest { repository, reference: ManifestRef::Tag(tag) } => write!(f, "oci://{repository}:{tag}"),
            Self::Manifest { repository, reference: ManifestRef::Digest(digest) } => {
                write!(f, "oci://{repository}@{digest}")
            }
        }
    }
}

impl Serialize for ArtifactRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl From<ParseArtifactRefError> for Error {
    fn from(error: ParseArtifactRefError) -> Self {
        Self::new(Code::InvalidArgument, format!("{error}.")).with("field", "artifact")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<ArtifactRef, ParseArtifactRefError> {
        text.parse()
    }

    fn of_key(key: &str, version: Option<&str>) -> ArtifactRef {
        let version = version.map(str::to_owned);
        ArtifactRef::Object { bucket: "releases".to_owned(), key: key.to_owned(), version }
    }

    #[test]
    fn a_key_is_taken_as_it_is() {
        for key in ["a", "linux/amd64/app 1.tgz", "a%20b", "a?b=c", "a@b:c", "/a//", "ü", "a?versionid=1"] {
            assert_eq!(read(&format!("s3://releases/{key}")), Ok(of_key(key, None)), "{key}");
        }
        assert_eq!(read("s3://releases/a?versionId=null"), Ok(of_key("a", Some("null"))));
        assert_eq!(read("s3://releases/a?versionId=1?versionId=null"), Ok(of_key("a?versionId=1", Some("null"))));
    }

    #[test]
    fn a_manifest_has_a_tag_or_a_digest_and_not_both() {
        let named = read(&format!("oci://team/app@{DIGEST}")).unwrap();
        assert_eq!(named.to_string(), format!("oci://team/app@{DIGEST}"));
        assert_eq!(named.resource(), Resource::repository("team/app"));
        assert_eq!(read("oci://app:v1").unwrap().to_string(), "oci://app:v1");
        for wrong in [
            "oci://team/app".to_owned(),
            format!("oci://team/app:v1@{DIGEST}"),
            format!("oci://team/app@{}", DIGEST.to_uppercase()),
            "oci://localhost:9800/team/app:v1".to_owned(),
            "oci://Team/app:v1".to_owned(),
            "oci://team/app:-v1".to_owned(),
            "oci://team/app@sha512:00".to_owned(),
            "oci://:v1".to_owned(),
        ] {
            assert_eq!(read(&wrong), Err(ParseArtifactRefError::Manifest), "{wrong}");
        }
        assert_eq!(read("oci://s3/releases/linux:app.tgz"), Err(ParseArtifactRefError::ObjectAsManifest));
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_is_wanted() {
        for (text, error) in [
            ("", ParseArtifactRefError::Scheme),
            ("releases/a", ParseArtifactRefError::Scheme),
            ("https://releases/a", ParseArtifactRefError::Scheme),
            ("S3://releases/a", ParseArtifactRefError::Scheme),
            ("s3://releases", ParseArtifactRefError::Object),
            ("s3://releases/", ParseArtifactRefError::Object),
            ("s3://Releases/a", ParseArtifactRefError::Object),
            ("s3://releases/a\nb", ParseArtifactRefError::Object),
            ("s3://releases/?versionId=null", ParseArtifactRefError::Object),
            ("s3://releases/a?versionId=", ParseArtifactRefError::Version),
            ("s3://releases/a?versionId=a/b", ParseArtifactRefError::Version),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        assert_eq!(read(&format!("s3://releases/{}", "x".repeat(1025))), Err(ParseArtifactRefError::Object));
    }

    proptest! {
        #[test]
        fn every_object_is_read_as_it_is_written(
            key in r"[^\p{Cc}]{1,60}(\?versionId=[a-z]{0,3})?", version in proptest::option::of("[A-Za-z0-9._-]{1,20}"),
        ) {
            let named = of_key(&key, version.as_deref());
            let again = read(&named.to_string()).unwrap();
            match (&named, &again) {
                // Written with the one version that there is, so that it is read as the same key.
                (ArtifactRef::Object { version: None, .. }, ArtifactRef::Object { key: read, version: Some(null), .. }) => {
                    prop_assert!(*read == key && null == NULL && key.contains(VERSION));
                }
                _ => prop_assert_eq!(named, again),
            }
        }

        #[test]
        fn every_manifest_is_read_as_it_is_written(
            name in "[a-z0-9]{1,9}(/[a-z0-9]{1,9}){0,3}", tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,30}", bytes in any::<[u8; 32]>(),
        ) {
            prop_assume!(!name.starts_with("s3/") && name != "s3");
            let repository = Name::parse(&name).unwrap();
            for reference in [ManifestRef::Tag(tag), ManifestRef::Digest(Digest::from_bytes(bytes))] {
                let named = ArtifactRef::Manifest { repository: repository.clone(), reference };
                prop_assert_eq!(read(&named.to_string()), Ok(named));
            }
        }

        #[test]
        fn nothing_that_is_sent_breaks_the_reader(text in ".*", rest in ".*") {
            let _ = read(&text);
            let _ = read(&format!("s3://{rest}"));
            let _ = read(&format!("oci://{rest}"));
        }
    }
}
