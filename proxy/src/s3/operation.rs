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

            /// Whether it asks for the rights that it takes by itself, once it has read what they are about.
            pub(super) const fn asks_for_itself(self) -> bool {
                matches!(
                    self,
                    Self::DeleteObjects | Self::PutObjectTagging | Self::PutObjectRetention | Self::PutObjectLegalHold
                )
            }

            /// Whether an object is there once it is done, of those that take the right to write one (AWS, "Enforce conditional writes on
            /// Amazon S3 buckets").
            pub(super) const fn creates_object(self) -> Option<bool> {
                match self {
                    Self::PutObject
                    | Self::PostObject
                    | Self::CopyObject
                    | Self::RenameObject
                    | Self::CompleteMultipartUpload => Some(true),
                    Self::CreateMultipartUpload | Self::UploadPart | Self::UploadPartCopy => Some(false),
                    _ => None,
                }
            }

            /// Whether its body is a document that says what a bucket or an object shall be configured with.
            pub(super) fn configures(self) -> bool {
                self.name().starts_with("Put") && self != Self::PutObject
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
    PostObject: PutObject, true, [];
    GetObject: GetObject, false, [];
    HeadObject: GetObject, false, [];
    GetObjectAttributes: GetObjectAttributes, false, [];
    GetObjectTagging: GetObjectTagging, false, [];
    PutObjectTagging: PutObjectTagging, true, ["tagging", "versionId"];
    DeleteObjectTagging: DeleteObjectTagging, true, ["tagging", "versionId"];
    DeleteObject: DeleteObject, true, ["versionId"];
    CopyObject: PutObject, true, [];
    RenameObject: PutObject, true, ["renameObject"];
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
    GetBucketTagging: GetBucketTagging, false, [];
    PutBucketTagging: PutBucketTagging, true, ["tagging"];
    DeleteBucketTagging: PutBucketTagging, true, ["tagging"];
    GetBucketCors: GetBucketCors, false, [];
    PutBucketCors: PutBucketCors, true, ["cors"];
    DeleteBucketCors: PutBucketCors, true, ["cors"];
    GetPublicAccessBlock: GetBucketPublicAccessBlock, false, [];
    PutPublicAccessBlock: PutBucketPublicAccessBlock, true, ["publicAccessBlock"];
    DeletePublicAccessBlock: PutBucketPublicAccessBlock, true, ["publicAccessBlock"];
    GetBucketOwnershipControls: GetBucketOwnershipControls, false, [];
    PutBucketOwnershipControls: PutBucketOwnershipControls, true, ["ownershipControls"];
    DeleteBucketOwnershipControls: PutBucketOwnershipControls, true, ["ownershipControls"];
    GetBucketAcl: GetBucketAcl, false, [];
    PutBucketAcl: PutBucketAcl, true, ["acl"];
    GetObjectAcl: GetObjectAcl, false, [];
    PutObjectAcl: PutObjectAcl, true, ["acl", "versionId"];
    GetBucketEncryption: GetEncryptionConfiguration, false, [];
    PutBucketEncryption: PutEncryptionConfiguration, true, ["encryption"];
    DeleteBucketEncryption: PutEncryptionConfiguration, true, ["encryption"];
    GetBucketRequestPayment: GetBucketRequestPayment, false, [];
    PutBucketRequestPayment: PutBucketRequestPayment, true, ["requestPayment"];
    GetBucketAccelerateConfiguration: GetAccelerateConfiguration, false, [];
    PutBucketAccelerateConfiguration: PutAccelerateConfiguration, true, ["accelerate"];
    GetBucketLogging: GetBucketLogging, false, [];
    PutBucketLogging: PutBucketLogging, true, ["logging"];
    GetBucketNotificationConfiguration: GetBucketNotification, false, [];
    PutBucketNotificationConfiguration: PutBucketNotification, true, ["notification"];
    GetBucketVersioning: GetBucketVersioning, false, [];
    PutBucketVersioning: PutBucketVersioning, true, ["versioning"];
    GetBucketWebsite: GetBucketWebsite, false, [];
    DeleteBucketWebsite: DeleteBucketWebsite, true, ["website"];
    GetBucketReplication: GetReplicationConfiguration, false, [];
    DeleteBucketReplication: PutReplicationConfiguration, true, ["replication"];
    GetBucketLifecycleConfiguration: GetLifecycleConfiguration, false, [];
    PutBucketLifecycleConfiguration: PutLifecycleConfiguration, true, ["lifecycle"];
    DeleteBucketLifecycle: PutLifecycleConfiguration, true, ["lifecycle"];
    GetObjectLockConfiguration: GetBucketObjectLockConfiguration, false, [];
    PutObjectLockConfiguration: PutBucketObjectLockConfiguration, true, ["object-lock"];
    GetObjectRetention: GetObjectRetention, false, [];
    PutObjectRetention: PutObjectRetention, true, ["retention", "versionId"];
    GetObjectLegalHold: GetObjectLegalHold, false, [];
    PutObjectLegalHold: PutObjectLegalHold, true, ["legal-hold", "versionId"];
    ListObjectVersions: ListBucketVersions, false, [];
    GetBucketAnalyticsConfiguration: GetAnalyticsConfiguration, false, [];
    ListBucketAnalyticsConfigurations: GetAnalyticsConfiguration, false, [];
    GetBucketInventoryConfiguration: GetInventoryConfiguration, false, [];
    ListBucketInventoryConfigurations: GetInventoryConfiguration, false, [];
    GetBucketMetricsConfiguration: GetMetricsConfiguration, false, [];
    ListBucketMetricsConfigurations: GetMetricsConfiguration, false, [];
    GetBucketIntelligentTieringConfiguration: GetIntelligentTieringConfiguration, false, [];
    ListBucketIntelligentTieringConfigurations: GetIntelligentTieringConfiguration, false, [];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.name()), Some(*operation));
        }
        assert_eq!(Operation::parse("PutBucketWebsite"), None);
    }

    #[test]
    fn of_each_operation_that_takes_the_right_to_write_an_object_it_is_known_whether_it_makes_one() {
        for operation in Operation::ALL {
            let writes_object = operation.action() == Action::PutObject;
            assert_eq!(operation.creates_object().is_some(), writes_object, "{operation:?}");
        }
    }

    #[test]
    fn only_writes_have_actions_that_write() {
        for operation in Operation::ALL {
            let action = operation.action().as_str();
            let reads = ["s3:Get", "s3:List"].iter().any(|start| action.starts_with(start));
            assert_eq!(operation.writes(), !reads, "{operation:?}");
        }
    }
}
