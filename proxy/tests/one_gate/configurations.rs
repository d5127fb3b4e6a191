//! The S3 door: what buckets and objects are configured with.

use http::Method;
use zas_policy::Action;
use zas_proxy::gateway::Door;

use super::case::Case;
use super::s3::{Fixture, prepare};
use super::sidecar::Sidecar;

const TAGGING: &str = "<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>";

const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin>\
                    <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

const BLOCK: &str =
    "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>";

const OWNERSHIP: &str =
    "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";

const PAYMENT: &str = "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>";

const ACCELERATE: &str = "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>";

const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                          <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
                          </ServerSideEncryptionConfiguration>";

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter/>\
                         <Expiration><Days>365</Days></Expiration></Rule></LifecycleConfiguration>";

const VERSIONING: &str = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";

const KEEPING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

const LOCK: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";

/// An operation on a bucket: method, sub-resource, document, right and the status of having done it.
type Configuring = (Method, &'static str, &'static str, Action, u16);

/// The case of an operation that configures a bucket or an object, or tells how it is configured.
pub(crate) async fn case(sidecar: &Sidecar, id: &str, operation: &str, fixture: &Fixture) -> Option<Case> {
    for (target, document, status) in prepared(operation) {
        prepare(sidecar, fixture.ask(Method::PUT, target).body(document), status).await;
    }
    if let Some(case) = of_objects(id, operation, fixture) {
        return Some(case);
    }
    let (method, target, document, action, success) =
        stored(operation).or_else(|| fixed(operation)).or_else(|| never_configured(operation))?;
    let mut ask = fixture.ask(method, target).body(document);
    if operation == "PutBucketAcl" {
        ask = ask.header("x-amz-acl", "private");
    }
    Some(Case::new(Door::S3, id, operation, ask, &fixture.on_bucket(action), success))
}

/// What must be configured before it is read.
fn prepared(operation: &str) -> Vec<(&'static str, &'static str, u16)> {
    let keeping = ("?versioning", KEEPING, 200);
    vec![match operation {
        "PutObjectLockConfiguration" => keeping,
        "GetObjectRetention" | "PutObjectRetention" | "GetObjectLegalHold" | "PutObjectLegalHold" => {
            return vec![keeping, ("?object-lock", LOCK, 200)];
        }
        "GetBucketTagging" | "DeleteBucketTagging" => ("?tagging", TAGGING, 204),
        "GetBucketCors" | "DeleteBucketCors" => ("?cors", CORS, 200),
        "GetPublicAccessBlock" | "DeletePublicAccessBlock" => ("?publicAccessBlock", BLOCK, 200),
        "GetBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => ("?lifecycle", LIFECYCLE, 200),
        _ => return Vec::new(),
    }]
}

fn stored(operation: &str) -> Option<Configuring> {
    use Action as A;
    let (get, put, delete) = (Method::GET, Method::PUT, Method::DELETE);
    Some(match operation {
        "GetBucketTagging" => (get, "?tagging", "", A::GetBucketTagging, 200),
        "PutBucketTagging" => (put, "?tagging", TAGGING, A::PutBucketTagging, 204),
        "DeleteBucketTagging" => (delete, "?tagging", "", A::PutBucketTagging, 204),
        "GetBucketCors" => (get, "?cors", "", A::GetBucketCors, 200),
        "PutBucketCors" => (put, "?cors", CORS, A::PutBucketCors, 200),
        "DeleteBucketCors" => (delete, "?cors", "", A::PutBucketCors, 204),
        "GetPublicAccessBlock" => (get, "?publicAccessBlock", "", A::GetBucketPublicAccessBlock, 200),
        "PutPublicAccessBlock" => (put, "?publicAccessBlock", BLOCK, A::PutBucketPublicAccessBlock, 200),
        "DeletePublicAccessBlock" => (delete, "?publicAccessBlock", "", A::PutBucketPublicAccessBlock, 204),
        "GetBucketOwnershipControls" => (get, "?ownershipControls", "", A::GetBucketOwnershipControls, 200),
        "PutBucketOwnershipControls" => (put, "?ownershipControls", OWNERSHIP, A::PutBucketOwnershipControls, 200),
        "DeleteBucketOwnershipControls" => (delete, "?ownershipControls", "", A::PutBucketOwnershipControls, 204),
        "GetBucketEncryption" => (get, "?encryption", "", A::GetEncryptionConfiguration, 200),
        "PutBucketEncryption" => (put, "?encryption", ENCRYPTION, A::PutEncryptionConfiguration, 200),
        "DeleteBucketEncryption" => (delete, "?encryption", "", A::PutEncryptionConfiguration, 204),
        "GetBucketLifecycleConfiguration" => (get, "?lifecycle", "", A::GetLifecycleConfiguration, 200),
        "PutBucketLifecycleConfiguration" => (put, "?lifecycle", LIFECYCLE, A::PutLifecycleConfiguration, 200),
        "DeleteBucketLifecycle" => (delete, "?lifecycle", "", A::PutLifecycleConfiguration, 204),
        "GetBucketVersioning" => (get, "?versioning", "", A::GetBucketVersioning, 200),
        "PutObjectLockConfiguration" => (put, "?object-lock", LOCK, A::PutBucketObjectLockConfiguration, 200),
        "PutBucketVersioning" => (put, "?versioning", VERSIONING, A::PutBucketVersioning, 200),
        _ => return None,
    })
}

/// What is as it is, and may be said to be so.
fn fixed(operation: &str) -> Option<Configuring> {
    use Action as A;
    let (get, put) = (Method::GET, Method::PUT);
    Some(match operation {
        "GetBucketAcl" => (get, "?acl", "", A::GetBucketAcl, 200),
        "PutBucketAcl" => (put, "?acl", "", A::PutBucketAcl, 200),
        "GetBucketRequestPayment" => (get, "?requestPayment", "", A::GetBucketRequestPayment, 200),
        "PutBucketRequestPayment" => (put, "?requestPayment", PAYMENT, A::PutBucketRequestPayment, 200),
        "GetBucketAccelerateConfiguration" => (get, "?accelerate", "", A::GetAccelerateConfiguration, 200),
        "PutBucketAccelerateConfiguration" => (put, "?accelerate", ACCELERATE, A::PutAccelerateConfiguration, 200),
        "GetBucketLogging" => (get, "?logging", "", A::GetBucketLogging, 200),
        "PutBucketLogging" => (put, "?logging", "<BucketLoggingStatus/>", A::PutBucketLogging, 200),
        "GetBucketNotificationConfiguration" => (get, "?notification", "", A::GetBucketNotification, 200),
        "PutBucketNotificationConfiguration" => {
            (put, "?notification", "<NotificationConfiguration/>", A::PutBucketNotification, 200)
        }
        _ => return None,
    })
}

/// What no bucket has: S3 has an answer for it, and a right to ask.
fn never_configured(operation: &str) -> Option<Configuring> {
    use Action as A;
    let (get, delete) = (Method::GET, Method::DELETE);
    Some(match operation {
        "GetBucketWebsite" => (get, "?website", "", A::GetBucketWebsite, 404),
        "DeleteBucketWebsite" => (delete, "?website", "", A::DeleteBucketWebsite, 204),
        "GetBucketReplication" => (get, "?replication", "", A::GetReplicationConfiguration, 404),
        "DeleteBucketReplication" => (delete, "?replication", "", A::PutReplicationConfiguration, 204),
        "GetObjectLockConfiguration" => (get, "?object-lock", "", A::GetBucketObjectLockConfiguration, 404),
        "GetBucketAnalyticsConfiguration" => (get, "?analytics&id=x", "", A::GetAnalyticsConfiguration, 404),
        "ListBucketAnalyticsConfigurations" => (get, "?analytics", "", A::GetAnalyticsConfiguration, 200),
        "GetBucketInventoryConfiguration" => (get, "?inventory&id=x", "", A::GetInventoryConfiguration, 404),
        "ListBucketInventoryConfigurations" => (get, "?inventory", "", A::GetInventoryConfiguration, 200),
        "GetBucketMetricsConfiguration" => (get, "?metrics&id=x", "", A::GetMetricsConfiguration, 404),
        "ListBucketMetricsConfigurations" => (get, "?metrics", "", A::GetMetricsConfiguration, 200),
        "GetBucketIntelligentTieringConfiguration" => {
            (get, "?intelligent-tiering&id=x", "", A::GetIntelligentTieringConfiguration, 404)
        }
        "ListBucketIntelligentTieringConfigurations" => {
            (get, "?intelligent-tiering", "", A::GetIntelligentTieringConfiguration, 200)
        }
        _ => return None,
    })
}

fn of_objects(id: &str, operation: &str, fixture: &Fixture) -> Option<Case> {
    let (ask, action) = match operation {
        "GetObjectAcl" => (fixture.ask(Method::GET, "/key?acl"), Action::GetObjectAcl),
        "GetObjectRetention" => (fixture.ask(Method::GET, "/key?retention"), Action::GetObjectRetention),
        "PutObjectRetention" => {
            (fixture.ask(Method::PUT, "/key?retention").body("<Retention/>"), Action::PutObjectRetention)
        }
        "GetObjectLegalHold" => (fixture.ask(Method::GET, "/key?legal-hold"), Action::GetObjectLegalHold),
        "PutObjectLegalHold" => {
            let document = "<LegalHold><Status>OFF</Status></LegalHold>";
            (fixture.ask(Method::PUT, "/key?legal-hold").body(document), Action::PutObjectLegalHold)
        }
        "PutObjectAcl" => (fixture.ask(Method::PUT, "/key?acl").header("x-amz-acl", "private"), Action::PutObjectAcl),
        _ => return None,
    };
    // An object that nobody has locked has no retention to tell of.
    let success = if operation == "GetObjectRetention" { 404 } else { 200 };
    Some(Case::new(Door::S3, id, operation, ask, &fixture.on(action, "key"), success))
}
