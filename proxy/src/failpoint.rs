//! [`Failpoint`]: places where a test has the process die, to see that what is on record fits what was done.
//!
//! A process that was started with `ZAS_ABORT_AT=<name>` ends there at once, as by `kill -9`: nothing is flushed, nothing is dropped.
//! In a release build there are none: `reached` does nothing, and the environment is not looked at.

/// A place between the decision about a change and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// A PutObject is allowed, and nothing is done yet.
    S3Authorized,
    /// The bytes of an object are pinned, and not at the registry yet.
    BlobPinned,
    /// They are there, and no row names them yet.
    S3Uncommitted,
    /// Object and record are committed, and the client has no answer yet.
    S3Committed,
    /// Several statements that commit together are done, and nothing is committed yet.
    UnitUncommitted,
    /// A change to the registry is allowed, and nothing is on record yet.
    OciAuthorized,
    /// Its intent is committed, and nothing was forwarded yet.
    OciIntended,
    /// The registry has answered, and the client has no answer yet.
    OciAnswered,
    /// The client has its answer, and the outcome is not on record yet.
    OciUnrecorded,
}

impl Failpoint {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::S3Authorized,
        Self::BlobPinned,
        Self::S3Uncommitted,
        Self::S3Committed,
        Self::UnitUncommitted,
        Self::OciAuthorized,
        Self::OciIntended,
        Self::OciAnswered,
        Self::OciUnrecorded,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S3Authorized => "s3-authorized",
            Self::BlobPinned => "blob-pinned",
            Self::S3Uncommitted => "s3-uncommitted",
            Self::S3Committed => "s3-committed",
            Self::UnitUncommitted => "unit-uncommitted",
            Self::OciAuthorized => "oci-authorized",
            Self::OciIntended => "oci-intended",
            Self::OciAnswered => "oci-answered",
            Self::OciUnrecorded => "oci-unrecorded",
        }
    }

    /// Ends the process where it was started to die here.
    #[cfg(debug_assertions)]
    pub(crate) fn reached(self) {
        use std::sync::LazyLock;

        static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("ZAS_ABORT_AT").ok());
        if WANTED.as_deref() == Some(self.name()) {
            tracing::error!(failpoint = self.name(), "dying, as ZAS_ABORT_AT asks for");
            std::process::abort();
        }
    }

    /// Nothing.
    #[cfg(not(debug_assertions))]
    #[inline]
    pub(crate) const fn reached(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Failpoint::ALL.iter().map(|place| place.name()).collect();
        assert_eq!(names.len(), Failpoint::ALL.len());
    }
}
