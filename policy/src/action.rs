//! What is asked for: actions in AWS grammar, one vocabulary for both doors.

use std::fmt;
use std::str::FromStr;

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal),+ $(,)?) => {
        /// An action as policies name it, such as `s3:GetObject` or `oci:Pull`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[doc = $doc])+ $variant),+ }

        impl Action {
            /// Every action that exists.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The action's name in a policy document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

actions! {
    /// List every bucket of the service.
    ListAllMyBuckets => "s3:ListAllMyBuckets",
    /// Create a bucket.
    CreateBucket => "s3:CreateBucket",
    /// Delete an empty bucket.
    DeleteBucket => "s3:DeleteBucket",
    /// Delete a bucket together with everything in it.
    ForceDeleteBucket => "s3:ForceDeleteBucket",
    /// Read where a bucket lives.
    GetBucketLocation => "s3:GetBucketLocation",
    /// List keys, or ask whether a bucket exists.
    ListBucket => "s3:ListBucket",
    /// List multipart uploads in progress.
    ListBucketMultipartUploads => "s3:ListBucketMultipartUploads",
    /// Read an object or its metadata.
    GetObject => "s3:GetObject",
    /// Write an object, in one piece or in parts.
    PutObject => "s3:PutObject",
    /// Delete an object.
    DeleteObject => "s3:DeleteObject",
    /// Give up a multipart upload.
    AbortMultipartUpload => "s3:AbortMultipartUpload",
    /// List the parts of a multipart upload.
    ListMultipartUploadParts => "s3:ListMultipartUploadParts",
    /// Pull blobs, manifests and referrers.
    Pull => "oci:Pull",
    /// Push blobs and manifests.
    Push => "oci:Push",
    /// Delete blobs, manifests and tags.
    Delete => "oci:Delete",
    /// List the tags of a repository.
    ListTags => "oci:ListTags",
    /// List the repositories of the registry.
    Catalog => "oci:Catalog",
    /// Read metrics and status.
    ReadMetrics => "admin:ReadMetrics",
    /// Read the configuration of the service, without its secrets.
    ReadConfiguration => "admin:ReadConfiguration",
    /// Read the audit log.
    QueryAudit => "audit:Query",
    /// Ask who one is.
    GetCallerIdentity => "sts:GetCallerIdentity",
}

/// The text names no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseActionError(String);

impl fmt::Display for ParseActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown action {:?}", self.0)
    }
}

impl std::error::Error for ParseActionError {}

impl FromStr for Action {
    type Err = ParseActionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| ParseActionError(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_back_from_its_name() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse::<Action>(), Ok(*action));
        }
    }

    #[test]
    fn an_unknown_action_is_refused_by_name() {
        let error = "s3:Fly".parse::<Action>().unwrap_err();
        assert_eq!(error.to_string(), "unknown action \"s3:Fly\"");
    }
}
