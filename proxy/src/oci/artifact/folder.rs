//! Which part of a bucket a repository name is, and which key a tag is.

use super::super::name::Name;
use crate::error::{Code, Error, Result};
use crate::s3::is_bucket_name;

/// The first component of the names of all objects.
const FIRST: &str = "s3";

/// Whether a repository name is that of objects.
pub(in crate::oci) fn owns(name: &Name) -> bool {
    name.as_str().split('/').next() == Some(FIRST)
}

/// A bucket, or a folder in it: all keys that begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    bucket: String,
    prefix: String,
}

impl Folder {
    /// The folder that a repository name is: `s3/<bucket>` or `s3/<bucket>/<folder>`.
    ///
    /// # Errors
    /// `NameUnknown` where it names no bucket.
    pub(super) fn of(name: &Name) -> Result<Self> {
        let unknown = || Error::new(Code::NameUnknown, "Objects are named s3/<bucket> or s3/<bucket>/<folder>.");
        let rest = name.as_str().strip_prefix(FIRST).and_then(|rest| rest.strip_prefix('/')).ok_or_else(unknown)?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket_name(bucket) {
            return Err(unknown());
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    /// The bucket's name.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What its keys begin with: nothing, or a text that ends with a slash.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key that a tag is.
    pub(super) fn key(&self, tag: &str) -> String {
        format!("{}{tag}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(name: &str) -> Result<Folder> {
        Folder::of(&Name::parse(name).unwrap())
    }

    #[test]
    fn a_repository_is_a_bucket_or_a_folder_in_it() {
        let bucket = folder("s3/releases").unwrap();
        assert_eq!((bucket.bucket(), bucket.prefix(), bucket.key("app").as_str()), ("releases", "", "app"));
        let inner = folder("s3/releases/linux/amd64").unwrap();
        assert_eq!((inner.bucket(), inner.key("app-1.2.tgz").as_str()), ("releases", "linux/amd64/app-1.2.tgz"));
    }

    #[test]
    fn a_name_that_is_no_buckets_is_unknown() {
        for name in ["s3", "s3/ab", "s3/xn--a", "s3/1.2.3.4", "s3/under_score"] {
            assert_eq!(folder(name).unwrap_err().code(), Code::NameUnknown, "{name}");
        }
    }

    #[test]
    fn a_bucket_whose_name_is_a_number_is_a_bucket() {
        let folder = folder("s3/1234/0f").unwrap();
        assert_eq!((folder.bucket(), folder.prefix()), ("1234", "0f/"));
    }

    #[test]
    fn only_names_below_s3_are_of_objects() {
        for (name, expected) in [("s3/releases", true), ("s3", true), ("s3x/releases", false), ("a/s3/releases", false)]
        {
            assert_eq!(owns(&Name::parse(name).unwrap()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_the_name_without_the_bucket_and_the_tag(path in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}", tag in "[A-Za-z0-9_.-]{1,20}") {
            let name = Name::parse(&format!("s3/bucket/{path}")).unwrap();
            prop_assert_eq!(Folder::of(&name).unwrap().key(&tag), format!("{path}/{tag}"));
        }
    }
}
