//! The operations that exist here: what each of them is called, needs and takes.

use zas_policy::Action;

macro_rules! operations {
    ($($name:ident: $action:ident, $writes:literal, [$($parameter:literal),*];)+) => {
        /// An operation, named as S3 names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Operation { $($name),+ }

        impl Operation {
            /// Every operation that exists.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// By the name that `s3s` gives it.
            pub(super) fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)+ _ => None }
            }

            /// The name for logs and metrics.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// What the caller must be allowed to do.
            pub(super) const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action),+ }
            }

            /// Whether it changes anything.
            pub(super) const fn writes(self) -> bool {
                match self { $(Self::$name => $writes),+ }
            }

            /// The query parameters that a write knows.
            pub(super) const fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($parameter),*]),+ }
            }
        }
    };
}

operations! {
    ListBuckets: ListAllMyBuckets, false, [];
    CreateBucket: CreateBucket, true, [];
    HeadBucket: ListBucket, false, [];
    DeleteBucket: DeleteBucket, true, [];
    GetBucketLocation: GetBucketLocation, false, [];
    ListObjects: ListBucket, false, [];
    ListObjectsV2: ListBucket, false, [];
    ListMultipartUploads: ListBucketMultipartUploads, false, [];
    DeleteObjects: DeleteObject, true, ["delete"];
    PutObject: PutObject, true, [];
    GetObject: GetObject, false, [];
    HeadObject: GetObject, false, [];
    GetObjectAttributes: GetObjectAttributes, false, [];
    GetObjectTagging: GetObjectTagging, false, [];
    PutObjectTagging: PutObjectTagging, true, ["tagging", "versionId"];
    DeleteObjectTagging: DeleteObjectTagging, true, ["tagging", "versionId"];
    DeleteObject: DeleteObject, true, ["versionId"];
    CopyObject: PutObject, true, [];
    CreateMultipartUpload: PutObject, true, ["uploads"];
    UploadPart: PutObject, true, ["uploadId", "partNumber"];
    UploadPartCopy: PutObject, true, ["uploadId", "partNumber"];
    CompleteMultipartUpload: PutObject, true, ["uploadId"];
    AbortMultipartUpload: AbortMultipartUpload, true, ["uploadId"];
    ListParts: ListMultipartUploadParts, false, [];
    GetBucketPolicy: GetBucketPolicy, false, [];
    GetBucketPolicyStatus: GetBucketPolicyStatus, false, [];
    PutBucketPolicy: PutBucketPolicy, true, ["policy"];
    DeleteBucketPolicy: DeleteBucketPolicy, true, ["policy"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.name()), Some(*operation));
        }
        assert_eq!(Operation::parse("PutBucketAcl"), None);
    }

    #[test]
    fn only_writes_have_actions_that_write() {
        use Action::{
            AbortMultipartUpload, CreateBucket, DeleteBucket, DeleteBucketPolicy, DeleteObject, DeleteObjectTagging,
            PutBucketPolicy, PutObject, PutObjectTagging,
        };
        for operation in Operation::ALL {
            let writes = matches!(
                operation.action(),
                AbortMultipartUpload
                    | CreateBucket
                    | DeleteBucket
                    | DeleteBucketPolicy
                    | DeleteObject
                    | DeleteObjectTagging
                    | PutBucketPolicy
                    | PutObject
                    | PutObjectTagging
            );
            assert_eq!(operation.writes(), writes, "{operation:?}");
        }
    }
}
