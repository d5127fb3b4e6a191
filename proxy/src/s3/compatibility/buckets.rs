//! The operations on the service and on buckets, and what there is to say of each.

use super::Note::{Here, HereOrNot, Never, NotConfigured, With};
use super::Row;

const DIRECTORY: &str = "there are no directory buckets";
const TABLES: &str = "there are no metadata tables: what happened is in the audit log";
const STORAGE_CLASSES: &str = "there is one storage class, and no statistics of it";
const REPORTS: &str = "there are no reports that go to buckets";
const METRICS: &str = "metrics are Prometheus's, at `/-/metrics`, and not configured by bucket";
const NO_SITE: &str = "buckets are not served as web sites";
const NO_REPLICATION: &str = "replication is for the registry's storage and Postgres to do";
const BY_ID: &str = "404 NoSuchConfiguration";
const EMPTY_LIST: &str = "an empty list";
const OWNER: &str = "who owns it is named as in ListBuckets: `user/<name>`, not an account's number";

macro_rules! rows {
    ($($name:ident $request:literal $note:expr;)+) => {
        /// Bucket by bucket.
        pub(super) const ROWS: &[Row] = &[$(Row { name: stringify!($name), request: $request, note: $note }),+];
    };
}

rows! {
    ListBuckets "GET /" Here("shows the buckets that the caller may list");
    ListDirectoryBuckets "GET /?x-id=ListDirectoryBuckets" Never(DIRECTORY);
    CreateBucket "PUT /{bucket}" Here("a location is taken where it is this service's region; names are unique within the service");
    CreateSession "GET /{bucket}?session" Never(DIRECTORY);
    HeadBucket "HEAD /{bucket}" Here("");
    DeleteBucket "DELETE /{bucket}" Here("with the signed header `x-zas-force-delete: true` it empties the bucket first");
    GetBucketLocation "GET /{bucket}?location" Here("");
    ListObjects "GET /{bucket}" Here("no RestoreStatus: nothing is archived");
    ListObjectsV2 "GET /{bucket}?list-type=2" Here("no RestoreStatus: nothing is archived");
    ListObjectVersions "GET /{bucket}?versions" HereOrNot("no RestoreStatus: nothing is archived", "versions of objects are not kept");
    ListMultipartUploads "GET /{bucket}?uploads" Here("");
    DeleteObjects "POST /{bucket}?delete" Here("text in a CDATA section is not read");
    PostObject "POST /{bucket} (multipart/form-data)" HereOrNot("Signature Version 4 alone", "uploads by browser form are not implemented");

    GetBucketVersioning "GET /{bucket}?versioning" With("ListObjectVersions", "", "empty, or Suspended");
    PutBucketVersioning "PUT /{bucket}?versioning" With("ListObjectVersions", "no MFA delete: asking for it is 501", "Suspended is taken; Enabled is 501");
    GetBucketTagging "GET /{bucket}?tagging" Here("");
    PutBucketTagging "PUT /{bucket}?tagging" Here("");
    DeleteBucketTagging "DELETE /{bucket}?tagging" Here("");
    GetBucketPolicy "GET /{bucket}?policy" Here("the document as it was sent");
    PutBucketPolicy "PUT /{bucket}?policy" Here("an action, key or operator that this service does not know is refused, naming line and column");
    DeleteBucketPolicy "DELETE /{bucket}?policy" Here("");
    GetBucketPolicyStatus "GET /{bucket}?policyStatus" Here("");
    GetBucketCors "GET /{bucket}?cors" Here("");
    PutBucketCors "PUT /{bucket}?cors" Here("");
    DeleteBucketCors "DELETE /{bucket}?cors" Here("");
    GetPublicAccessBlock "GET /{bucket}?publicAccessBlock" Here("a new bucket has none");
    PutPublicAccessBlock "PUT /{bucket}?publicAccessBlock" Here("");
    DeletePublicAccessBlock "DELETE /{bucket}?publicAccessBlock" Here("");
    GetBucketOwnershipControls "GET /{bucket}?ownershipControls" Here("");
    PutBucketOwnershipControls "PUT /{bucket}?ownershipControls" Here("which ownership may be chosen stands in [S3](s3.md#how-buckets-are-configured)");
    DeleteBucketOwnershipControls "DELETE /{bucket}?ownershipControls" Here("");
    GetBucketAcl "GET /{bucket}?acl" Here(OWNER);
    PutBucketAcl "PUT /{bucket}?acl" Here("where the bucket's owner owns everything: 400 AccessControlListNotSupported, as at AWS");
    GetBucketEncryption "GET /{bucket}?encryption" Here("AES256 where `s3.encryption_at_rest` says that the storage encrypts, else 404 ServerSideEncryptionConfigurationNotFoundError");
    PutBucketEncryption "PUT /{bucket}?encryption" Here("AES256 where `s3.encryption_at_rest` says that the storage encrypts; else, and for keys of a KMS, 501");
    DeleteBucketEncryption "DELETE /{bucket}?encryption" Here("");
    GetBucketLifecycleConfiguration "GET /{bucket}?lifecycle" With("PutBucketLifecycleConfiguration", "", "404 NoSuchLifecycleConfiguration");
    PutBucketLifecycleConfiguration "PUT /{bucket}?lifecycle" HereOrNot("transitions are 501: there is one storage class", "lifecycle rules are not implemented");
    DeleteBucketLifecycle "DELETE /{bucket}?lifecycle" With("PutBucketLifecycleConfiguration", "", "204: there is nothing to remove");
    GetBucketNotificationConfiguration "GET /{bucket}?notification" Here("");
    PutBucketNotificationConfiguration "PUT /{bucket}?notification" Here("events go to webhooks; queues, topics and functions of AWS cannot be reached");
    GetObjectLockConfiguration "GET /{bucket}?object-lock" With("PutObjectLockConfiguration", "", "404 ObjectLockConfigurationNotFoundError");
    PutObjectLockConfiguration "PUT /{bucket}?object-lock" HereOrNot("", "object lock is not implemented");

    GetBucketRequestPayment "GET /{bucket}?requestPayment" NotConfigured("BucketOwner");
    PutBucketRequestPayment "PUT /{bucket}?requestPayment" NotConfigured("BucketOwner is taken; Requester is 501: nobody pays by request");
    GetBucketAccelerateConfiguration "GET /{bucket}?accelerate" NotConfigured("empty");
    PutBucketAccelerateConfiguration "PUT /{bucket}?accelerate" NotConfigured("Suspended is taken, and not shown afterwards; Enabled is 501: there are no edge locations");
    GetBucketLogging "GET /{bucket}?logging" NotConfigured("empty");
    PutBucketLogging "PUT /{bucket}?logging" NotConfigured("an empty document is taken; a target is 501: the audit log has every request");
    GetBucketWebsite "GET /{bucket}?website" With("PutBucketWebsite", "", "404 NoSuchWebsiteConfiguration");
    PutBucketWebsite "PUT /{bucket}?website" Never(NO_SITE);
    DeleteBucketWebsite "DELETE /{bucket}?website" With("PutBucketWebsite", "", "204: there is nothing to remove");
    GetBucketReplication "GET /{bucket}?replication" With("PutBucketReplication", "", "404 ReplicationConfigurationNotFoundError");
    PutBucketReplication "PUT /{bucket}?replication" Never(NO_REPLICATION);
    DeleteBucketReplication "DELETE /{bucket}?replication" With("PutBucketReplication", "", "204: there is nothing to remove");
    GetBucketAnalyticsConfiguration "GET /{bucket}?analytics&id=" With("PutBucketAnalyticsConfiguration", "", BY_ID);
    ListBucketAnalyticsConfigurations "GET /{bucket}?analytics" With("PutBucketAnalyticsConfiguration", "", EMPTY_LIST);
    PutBucketAnalyticsConfiguration "PUT /{bucket}?analytics&id=" Never(STORAGE_CLASSES);
    DeleteBucketAnalyticsConfiguration "DELETE /{bucket}?analytics&id=" Never(STORAGE_CLASSES);
    GetBucketIntelligentTieringConfiguration "GET /{bucket}?intelligent-tiering&id=" With("PutBucketIntelligentTieringConfiguration", "", BY_ID);
    ListBucketIntelligentTieringConfigurations "GET /{bucket}?intelligent-tiering" With("PutBucketIntelligentTieringConfiguration", "", EMPTY_LIST);
    PutBucketIntelligentTieringConfiguration "PUT /{bucket}?intelligent-tiering&id=" Never(STORAGE_CLASSES);
    DeleteBucketIntelligentTieringConfiguration "DELETE /{bucket}?intelligent-tiering&id=" Never(STORAGE_CLASSES);
    GetBucketInventoryConfiguration "GET /{bucket}?inventory&id=" With("PutBucketInventoryConfiguration", "", BY_ID);
    ListBucketInventoryConfigurations "GET /{bucket}?inventory" With("PutBucketInventoryConfiguration", "", EMPTY_LIST);
    PutBucketInventoryConfiguration "PUT /{bucket}?inventory&id=" Never(REPORTS);
    DeleteBucketInventoryConfiguration "DELETE /{bucket}?inventory&id=" Never(REPORTS);
    GetBucketMetricsConfiguration "GET /{bucket}?metrics&id=" With("PutBucketMetricsConfiguration", "", BY_ID);
    ListBucketMetricsConfigurations "GET /{bucket}?metrics" With("PutBucketMetricsConfiguration", "", EMPTY_LIST);
    PutBucketMetricsConfiguration "PUT /{bucket}?metrics&id=" Never(METRICS);
    DeleteBucketMetricsConfiguration "DELETE /{bucket}?metrics&id=" Never(METRICS);

    GetBucketAbac "GET /{bucket}?abac" Never("tags of buckets are no condition of policies");
    PutBucketAbac "PUT /{bucket}?abac" Never("tags of buckets are no condition of policies");
    CreateBucketMetadataConfiguration "POST /{bucket}?metadataConfiguration" Never(TABLES);
    GetBucketMetadataConfiguration "GET /{bucket}?metadataConfiguration" Never(TABLES);
    DeleteBucketMetadataConfiguration "DELETE /{bucket}?metadataConfiguration" Never(TABLES);
    CreateBucketMetadataTableConfiguration "POST /{bucket}?metadataTable" Never(TABLES);
    GetBucketMetadataTableConfiguration "GET /{bucket}?metadataTable" Never(TABLES);
    DeleteBucketMetadataTableConfiguration "DELETE /{bucket}?metadataTable" Never(TABLES);
    UpdateBucketMetadataAnnotationTableConfiguration "PUT /{bucket}?metadataAnnotationTable" Never(TABLES);
    UpdateBucketMetadataInventoryTableConfiguration "PUT /{bucket}?metadataInventoryTable" Never(TABLES);
    UpdateBucketMetadataJournalTableConfiguration "PUT /{bucket}?metadataJournalTable" Never(TABLES);
}
