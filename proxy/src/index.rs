//! The index: names, versions and places of bytes, in Postgres. Each file here is a set of SQL statements and their rows.
//!
//! Strongly consistent for any number of replicas: nothing here caches an answer about an object.
//! Writes that need several statements are SQL functions of `migrations/`, so that a PUT costs one round trip.
//! What does not live here: bytes (`store`), the life of blobs (`blobs`), S3 texts and limits (`s3`).

mod access_key;
mod acl;
mod artifact;
mod audit;
mod audit_intent;
mod audit_read;
mod audited;
mod bucket;
mod bucket_configuration;
mod bucket_policy;
mod component;
mod convert;
mod copy;
mod database;
mod delete;
mod directory;
mod empty;
mod event_outbox;
mod event_target;
mod evidence;
mod evidence_row;
mod failure;
pub mod fsck;
mod idempotency;
mod lifecycle;
mod list;
mod list_uploads;
mod list_versions;
mod multipart;
pub mod notify;
mod object;
mod object_lock;
mod object_part;
mod object_tags;
mod part;
mod passed;
mod pin;
mod policy;
mod pool;
mod push;
mod quota;
mod referrer;
mod referrer_sweep;
mod rename;
mod revocation;
mod role_session;
mod sbom;
mod sbom_columns;
mod schema;
mod session;
mod signing_key;
mod signing_queue;
mod signing_rule;
mod sweep;
mod trust;
mod trusted_signer;
mod types;
mod unit;
mod upload;
mod upload_target;
mod verdict;
mod verification;
mod verification_policy;
mod versioning;

pub use access_key::{AccessKeyChange, AccessKeyPage, AccountKind, NewAccessKey, NextAccessKey, StoredAccessKey};
pub use acl::{BeginsWith, ListOf, Lists, NewObjectList, ObjectList};
pub use artifact::{Artifact, ArtifactKeys, ContentKeys};
pub use audit::{AuditCheckpoint, AuditHead, AuditState, MovedHead};
pub use audit_intent::OpenIntent;
pub use audit_read::{AuditEvent, AuditFilter, AuditPlace, AuditSeal, AuditTombstone};
pub use bucket::{Bucket, BucketPage, NewBucket};
pub use bucket_configuration::{BucketConfiguration, ConfigurationKind, KnownConfiguration, NewConfiguration};
pub use bucket_policy::NewBucketPolicy;
pub use component::{ComponentPage, ComponentPlace, ComponentQuery, FoundComponent};
pub use copy::CopySource;
pub use database::Index;
pub use delete::{DeleteBy, DeleteCause, Deleted, Deletion};
pub use directory::Owner;
pub use empty::Emptied;
pub use event_outbox::{Event, EventBacklog, EventEnd, EventOverflow};
pub use event_target::{NewEventTarget, NewNotification, StoredEventTarget};
pub use evidence::{BeforeLook, NewEvidence};
pub use idempotency::{Claimed, KeptAnswer, OnceRequest};
pub use lifecycle::{
    LifecycleCounts, LifecyclePass, LifecyclePlace, LifecycleStage, LifecycleStatus, LifecycleUpload, LifecycleVersion,
};
pub(crate) use list::cut;
pub use list::{ListEntry, ListPage, ListRequest};
pub use list_uploads::UploadPage;
pub(crate) use list_versions::is_version_id;
pub use list_versions::{ListVersionsRequest, VersionEntry, VersionPage, VersionPlace};
pub use multipart::{CompleteUpload, CompletedPart, CompletedUpload};
pub use object::{Committed, CreatedBy, NewObject, Object, ObjectHead, Preconditions, WriteConditions};
pub use object_lock::{DefaultRetention, NewLock, Retention, RetentionMode, RetentionPeriod};
pub use object_part::ObjectPart;
pub use part::{NewPart, Part, PartPage};
pub use passed::PassedPolicies;
pub use pin::{PinRequest, PinnedBlob};
pub use policy::{Attachment, DocumentKind, HistoryEntry, NewDocument, PolicyData, PolicyDocument};
pub use push::Push;
pub use quota::{BucketQuota, Drift, NewQuota, Quota, Usage};
pub use referrer::{NewReferrer, Referrer, ReferrerBlob, ReferrerPage, ReferrerRef, Tagging, held_bytes};
pub use referrer_sweep::CondemnedReferrer;
pub use rename::Rename;
pub use revocation::{Logout, Revocation, RevocationKind, RevocationPlace};
pub use role_session::{NewRoleSession, RoleSession};
pub use sbom::{IndexedSbom, NewSbom, SbomScope, ScopeKind, StoredSbom};
pub use schema::{check_schema, migrate};
pub use session::StoreSession;
pub use signing_key::{
    NewSigningKeyRow, NextSigningKeyRow, SigningKeyChange, SigningKeyPage, SigningKeyState, StoredSigningKey,
};
pub use signing_queue::{QueuedSigning, SigningBacklog, SigningEnd, SigningTask};
pub use signing_rule::{NewSigningRules, SigningRule, SigningRules};
pub use sweep::{DuePin, SweepGuard};
pub use trust::{TrustData, TrustEntry, Trusted};
pub use trusted_signer::{
    NewTrustedSigner, StoredTrustedSigner, TrustedSigner, TrustedSignerChange, TrustedSignerPage,
};
pub use types::{
    BlobRef, ChecksumType, Checksums, Headers, Metadata, Placement, Repository, Segment, Segments, Tags, slice,
};
pub use unit::Unit;
pub use upload::{NewUpload, Upload};
pub use upload_target::UploadTarget;
pub use verdict::{AsOf, LapsedVerdict, NewVerdict, StoredVerdict};
pub use verification::QueuedVerification;
pub use verification_policy::{NewVerificationPolicy, StoredVerificationPolicy};
pub use versioning::Versioning;

#[cfg(test)]
mod tests;
