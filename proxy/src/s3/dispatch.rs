//! From `s3s` to the operations: each line takes the permit out of the request and hands it on. No permit, no call.

use std::sync::Arc;

use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto};

use super::call::Call;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Error, Result};

/// The operations as `s3s` calls them; what is not among them it answers with 501.
pub(super) struct Dispatch(pub(super) Arc<App>);

macro_rules! dispatch {
    ($($operation:ident: $input:ident -> $output:ident;)+) => {
        #[async_trait::async_trait]
        impl s3s::S3 for Dispatch {
            $(async fn $operation(&self, mut request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                let (call, permit) = permitted(&mut request)?;
                let answer = Box::pin(super::$operation::$operation(&self.0, &permit, request)).await;
                answer.map_err(|error| call.fail(error))
            })+
        }
    };
}

dispatch! {
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    put_object: PutObjectInput -> PutObjectOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput;
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput;
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput;
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    copy_object: CopyObjectInput -> CopyObjectOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput;
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput;
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput;
    put_bucket_policy: PutBucketPolicyInput -> PutBucketPolicyOutput;
    delete_bucket_policy: DeleteBucketPolicyInput -> DeleteBucketPolicyOutput;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput;
    put_bucket_tagging: PutBucketTaggingInput -> PutBucketTaggingOutput;
    delete_bucket_tagging: DeleteBucketTaggingInput -> DeleteBucketTaggingOutput;
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput;
    put_bucket_cors: PutBucketCorsInput -> PutBucketCorsOutput;
    delete_bucket_cors: DeleteBucketCorsInput -> DeleteBucketCorsOutput;
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput;
    put_public_access_block: PutPublicAccessBlockInput -> PutPublicAccessBlockOutput;
    delete_public_access_block: DeletePublicAccessBlockInput -> DeletePublicAccessBlockOutput;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput -> GetBucketOwnershipControlsOutput;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput -> PutBucketOwnershipControlsOutput;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput -> DeleteBucketOwnershipControlsOutput;
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput;
    put_bucket_acl: PutBucketAclInput -> PutBucketAclOutput;
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput;
    put_object_acl: PutObjectAclInput -> PutObjectAclOutput;
    get_bucket_encryption: GetBucketEncryptionInput -> GetBucketEncryptionOutput;
    put_bucket_encryption: PutBucketEncryptionInput -> PutBucketEncryptionOutput;
    delete_bucket_encryption: DeleteBucketEncryptionInput -> DeleteBucketEncryptionOutput;
    get_bucket_request_payment: GetBucketRequestPaymentInput -> GetBucketRequestPaymentOutput;
    put_bucket_request_payment: PutBucketRequestPaymentInput -> PutBucketRequestPaymentOutput;
    get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput -> GetBucketAccelerateConfigurationOutput;
    put_bucket_accelerate_configuration: PutBucketAccelerateConfigurationInput -> PutBucketAccelerateConfigurationOutput;
    get_bucket_logging: GetBucketLoggingInput -> GetBucketLoggingOutput;
    put_bucket_logging: PutBucketLoggingInput -> PutBucketLoggingOutput;
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput -> GetBucketNotificationConfigurationOutput;
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput -> PutBucketNotificationConfigurationOutput;
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput;
    put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput;
    get_bucket_website: GetBucketWebsiteInput -> GetBucketWebsiteOutput;
    delete_bucket_website: DeleteBucketWebsiteInput -> DeleteBucketWebsiteOutput;
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput;
    delete_bucket_replication: DeleteBucketReplicationInput -> DeleteBucketReplicationOutput;
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput -> GetBucketLifecycleConfigurationOutput;
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput -> PutBucketLifecycleConfigurationOutput;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput -> DeleteBucketLifecycleOutput;
    get_object_lock_configuration: GetObjectLockConfigurationInput -> GetObjectLockConfigurationOutput;
    put_object_lock_configuration: PutObjectLockConfigurationInput -> PutObjectLockConfigurationOutput;
    get_object_retention: GetObjectRetentionInput -> GetObjectRetentionOutput;
    put_object_retention: PutObjectRetentionInput -> PutObjectRetentionOutput;
    get_object_legal_hold: GetObjectLegalHoldInput -> GetObjectLegalHoldOutput;
    put_object_legal_hold: PutObjectLegalHoldInput -> PutObjectLegalHoldOutput;
    list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput;
    get_bucket_analytics_configuration: GetBucketAnalyticsConfigurationInput -> GetBucketAnalyticsConfigurationOutput;
    list_bucket_analytics_configurations: ListBucketAnalyticsConfigurationsInput -> ListBucketAnalyticsConfigurationsOutput;
    get_bucket_inventory_configuration: GetBucketInventoryConfigurationInput -> GetBucketInventoryConfigurationOutput;
    list_bucket_inventory_configurations: ListBucketInventoryConfigurationsInput -> ListBucketInventoryConfigurationsOutput;
    get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput -> GetBucketMetricsConfigurationOutput;
    list_bucket_metrics_configurations: ListBucketMetricsConfigurationsInput -> ListBucketMetricsConfigurationsOutput;
    get_bucket_intelligent_tiering_configuration: GetBucketIntelligentTieringConfigurationInput -> GetBucketIntelligentTieringConfigurationOutput;
    list_bucket_intelligent_tiering_configurations: ListBucketIntelligentTieringConfigurationsInput -> ListBucketIntelligentTieringConfigurationsOutput;
}

fn permitted<T>(request: &mut S3Request<T>) -> S3Result<(Call, Permit)> {
    let Some(call) = request.extensions.get::<Call>().cloned() else {
        return Err(S3Error::new(S3ErrorCode::InternalError));
    };
    match request.extensions.remove::<Permit>() {
        Some(permit) => Ok((call, permit)),
        None => Err(call.fail(Error::internal("an operation was called without a permit"))),
    }
}

/// Something that `access` has put into the request's extensions.
///
/// # Errors
/// `InternalError` where it has not.
pub(super) fn extension<T: Clone + Send + Sync + 'static, I>(request: &S3Request<I>) -> Result<T> {
    request
        .extensions
        .get::<T>()
        .cloned()
        .ok_or_else(|| Error::internal(format!("the request has no {}", std::any::type_name::<T>())))
}
