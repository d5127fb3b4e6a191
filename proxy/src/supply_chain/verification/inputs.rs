//! By what a verdict is found again: what the artifact is called, and what it was made of.

use crate::digest::{Digest, Hasher};
use crate::supply_chain::artifact::{Artifact, Home};

/// The name of an artifact as scopes of policies have it: without tag, digest or version.
pub(super) fn name(artifact: &Artifact) -> String {
    match &artifact.home {
        Home::Bucket { bucket, .. } => format!("s3://{bucket}/{}", key(artifact)),
        Home::Repository(name) => format!("oci://{name}"),
    }
}

/// The key of an object; empty for a manifest.
pub(super) fn key(artifact: &Artifact) -> &str {
    artifact.object.as_ref().map_or("", |object| object.key.as_str())
}

/// Every name under which clients of the registry may have signed an artifact: an object is also below each folder that it is in.
pub(super) fn repositories(artifact: &Artifact) -> Vec<String> {
    let Home::Bucket { bucket, .. } = &artifact.home else { return vec![artifact.repository()] };
    let mut names = vec![format!("s3/{bucket}")];
    let mut folders: Vec<&str> = key(artifact).split('/').collect();
    folders.pop();
    for folder in folders {
        let above = names.last().cloned().unwrap_or_default();
        names.push(format!("{above}/{folder}"));
    }
    names
}

/// The digest of a set: each entry with its length, in an order of its own.
pub(super) fn digest(mut entries: Vec<String>) -> Digest {
    entries.sort_unstable();
    let mut hasher = Hasher::default();
    for entry in entries {
        hasher.update(&entry.len().to_be_bytes());
        hasher.update(entry.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::artifact::ObjectContent;

    fn object(key: &str) -> Artifact {
        Artifact {
            digest: Digest::of(b"m"),
            media_type: String::new(),
            size: 1,
            object: Some(ObjectContent { key: key.to_owned(), digest: Digest::of(b"o"), size: 1 }),
            home: Home::Bucket { bucket: "releases".to_owned(), repository: "zas/referrers/s3/1".to_owned() },
        }
    }

    #[test]
    fn an_object_is_found_below_each_folder_that_it_is_in() {
        assert_eq!(repositories(&object("app.tgz")), ["s3/releases"]);
        assert_eq!(
            repositories(&object("linux/amd64/app.tgz")),
            ["s3/releases", "s3/releases/linux", "s3/releases/linux/amd64"]
        );
        assert_eq!(name(&object("a/b")), "s3://releases/a/b");
    }

    #[test]
    fn a_manifest_has_one_name_without_its_digest() {
        let manifest = Artifact { object: None, home: Home::Repository("team/app".to_owned()), ..object("x") };
        assert_eq!((name(&manifest).as_str(), key(&manifest)), ("oci://team/app", ""));
        assert_eq!(repositories(&manifest), ["team/app"]);
    }

    #[test]
    fn a_set_has_one_digest_whatever_its_order_and_no_two_have_the_same() {
        let of = |entries: &[&str]| digest(entries.iter().map(|&entry| entry.to_owned()).collect());
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_ne!(of(&[]), of(&[""]));
    }
}
