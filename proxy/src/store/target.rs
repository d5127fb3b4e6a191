//! Paths of the distribution API (OCI distribution-spec 1.1, "Endpoints"). A name that could be read as another path is refused here.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Longest repository name, in bytes; what most registries accept at the most.
const NAME_BYTES: usize = 255;

pub(super) fn blob(repository: &str, digest: &Digest) -> Result<String> {
    Ok(format!("/v2/{}/blobs/{digest}", name(repository)?))
}

/// A new upload session. The slash at the end is part of it: Zot knows no other path.
pub(super) fn uploads(repository: &str) -> Result<String> {
    Ok(format!("/v2/{}/blobs/uploads/", name(repository)?))
}

pub(super) fn single_post(repository: &str, digest: &Digest) -> Result<String> {
    Ok(format!("/v2/{}/blobs/uploads/?digest={digest}", name(repository)?))
}

/// Where a session is finished: its location, whose query is kept, with the digest.
pub(super) fn finish(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

pub(super) fn manifest(repository: &str, reference: &str) -> Result<String> {
    let is_tag = reference.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && (1..=128).contains(&reference.len())
        && !reference.starts_with(['.', '-']);
    if !is_tag && reference.parse::<Digest>().is_err() {
        return Err(Error::from(Code::ManifestUnknown).with("reference", reference));
    }
    Ok(format!("/v2/{}/manifests/{reference}", name(repository)?))
}

pub(super) fn referrers(repository: &str, subject: &Digest, artifact_type: Option<&str>) -> Result<String> {
    let path = format!("/v2/{}/referrers/{subject}", name(repository)?);
    Ok(match artifact_type {
        Some(wanted) => format!("{path}?artifactType={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC)),
        None => path,
    })
}

pub(super) fn catalog(last: &str, limit: u32) -> String {
    if last.is_empty() {
        return format!("/v2/_catalog?n={limit}");
    }
    format!("/v2/_catalog?n={limit}&last={}", utf8_percent_encode(last, NON_ALPHANUMERIC))
}

pub(super) fn tags(repository: &str, last: &str, limit: u32) -> Result<String> {
    let path = format!("/v2/{}/tags/list?n={limit}", name(repository)?);
    Ok(match last {
        "" => path,
        last => format!("{path}&last={}", utf8_percent_encode(last, NON_ALPHANUMERIC)),
    })
}

fn name(repository: &str) -> Result<&str> {
    let component = |part: &str| {
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if repository.len() <= NAME_BYTES && repository.split('/').all(component) {
        Ok(repository)
    } else {
        Err(Error::from(Code::NameInvalid).with("repository", repository))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_reference_never_changes_the_path() {
        let digest = Digest::of(b"");
        for bad in ["", "/", "a//b", "a/", "/a", "a/../b", "..", "a?b", "a#b", "a%2fb", "A", "a b", ".a", "a-", "é"] {
            assert!(blob(bad, &digest).is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "a/b", "a?b", "a%2f", "sha256:00", "-a", &"a".repeat(129)] {
            assert!(manifest("a", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn good_names_and_references_are_taken() {
        assert_eq!(uploads("s3/b-1/0f").unwrap(), "/v2/s3/b-1/0f/blobs/uploads/");
        assert!(manifest("a/b", "v1.2_x-y").is_ok());
        assert!(manifest("a/b", &Digest::of(b"").to_string()).is_ok());
    }

    #[test]
    fn the_query_of_a_location_is_kept() {
        let digest = Digest::of(b"");
        assert_eq!(finish("/v2/a/blobs/uploads/1", &digest), format!("/v2/a/blobs/uploads/1?digest={digest}"));
        assert_eq!(finish("/v2/u?_state=x", &digest), format!("/v2/u?_state=x&digest={digest}"));
    }
}
