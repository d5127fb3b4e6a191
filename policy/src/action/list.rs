//! Every action that exists, as policies name it. S3's are named as AWS names them (Service Authorization Reference).

use super::Service;

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident => $service:ident, $name:literal),+ $(,)?) => {
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

            /// What one may do, in a line.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// Which API the action belongs to.
            #[must_use]
            pub const fn service(self) -> Service {
                match self { $(Self::$variant => Service::$service),+ }
            }
        }
    };
}

actions! {
    /// List every bucket of the service.
    ListAllMyBuckets => S3, "s3:ListAllMyBuckets",
    /// Create a bucket.
    CreateBucket => S3, "s3:CreateBucket",
    /// Delete an empty bucket.
    DeleteBucket => S3, "s3:DeleteBucket",
    /// Delete a bucket together with everything in it.
    ForceDeleteBucket => S3, "s3:ForceDeleteBucket",
    /// Read where a bucket lives.
    GetBucketLocation => S3, "s3:GetBucketLocation",
    /// List keys, or ask whether a bucket exists.
    ListBucket => S3, "s3:ListBucket",
    /// List the versions of keys.
    ListBucketVersions => S3, "s3:ListBucketVersions",
    /// List multipart uploads in progress.
    ListBucketMultipartUploads => S3, "s3:ListBucketMultipartUploads",
    /// Read an object or its metadata.
    GetObject => S3, "s3:GetObject",
    /// Read a version that is named by its id.
    GetObjectVersion => S3, "s3:GetObjectVersion",
    /// Read an object's checksum, parts and size.
    GetObjectAttributes => S3, "s3:GetObjectAttributes",
    /// Read a version's checksum, parts and size.
    GetObjectVersionAttributes => S3, "s3:GetObjectVersionAttributes",
    /// Write an object, in one piece or in parts.
    PutObject => S3, "s3:PutObject",
    /// Delete an object.
    DeleteObject => S3, "s3:DeleteObject",
    /// Delete a version that is named by its id, for good.
    DeleteObjectVersion => S3, "s3:DeleteObjectVersion",
    /// Bring an archived object back.
    RestoreObject => S3, "s3:RestoreObject",
    /// Give up a multipart upload.
    AbortMultipartUpload => S3, "s3:AbortMultipartUpload",
    /// List the parts of a multipart upload.
    ListMultipartUploadParts => S3, "s3:ListMultipartUploadParts",
    /// Read an object's tags.
    GetObjectTagging => S3, "s3:GetObjectTagging",
    /// Replace an object's tags.
    PutObjectTagging => S3, "s3:PutObjectTagging",
    /// Remove an object's tags.
    DeleteObjectTagging => S3, "s3:DeleteObjectTagging",
    /// Read a version's tags.
    GetObjectVersionTagging => S3, "s3:GetObjectVersionTagging",
    /// Replace a version's tags.
    PutObjectVersionTagging => S3, "s3:PutObjectVersionTagging",
    /// Remove a version's tags.
    DeleteObjectVersionTagging => S3, "s3:DeleteObjectVersionTagging",
    /// Read an object's access control list.
    GetObjectAcl => S3, "s3:GetObjectAcl",
    /// Replace an object's access control list.
    PutObjectAcl => S3, "s3:PutObjectAcl",
    /// Read a version's access control list.
    GetObjectVersionAcl => S3, "s3:GetObjectVersionAcl",
    /// Replace a version's access control list.
    PutObjectVersionAcl => S3, "s3:PutObjectVersionAcl",
    /// Read until when an object is locked.
    GetObjectRetention => S3, "s3:GetObjectRetention",
    /// Set until when an object is locked.
    PutObjectRetention => S3, "s3:PutObjectRetention",
    /// Read whether an object is under legal hold.
    GetObjectLegalHold => S3, "s3:GetObjectLegalHold",
    /// Put an object under legal hold, or lift it.
    PutObjectLegalHold => S3, "s3:PutObjectLegalHold",
    /// Delete or unlock what is locked in governance mode.
    BypassGovernanceRetention => S3, "s3:BypassGovernanceRetention",
    /// Read a bucket's access control list.
    GetBucketAcl => S3, "s3:GetBucketAcl",
    /// Replace a bucket's access control list.
    PutBucketAcl => S3, "s3:PutBucketAcl",
    /// Read a bucket's rules for browsers.
    GetBucketCors => S3, "s3:GetBucketCORS",
    /// Replace or remove a bucket's rules for browsers.
    PutBucketCors => S3, "s3:PutBucketCORS",
    /// Read where a bucket's access log goes.
    GetBucketLogging => S3, "s3:GetBucketLogging",
    /// Set where a bucket's access log goes.
    PutBucketLogging => S3, "s3:PutBucketLogging",
    /// Read whom a bucket's events are sent to.
    GetBucketNotification => S3, "s3:GetBucketNotification",
    /// Set whom a bucket's events are sent to.
    PutBucketNotification => S3, "s3:PutBucketNotification",
    /// Read a bucket's default retention.
    GetBucketObjectLockConfiguration => S3, "s3:GetBucketObjectLockConfiguration",
    /// Set a bucket's default retention.
    PutBucketObjectLockConfiguration => S3, "s3:PutBucketObjectLockConfiguration",
    /// Read who owns what others write to a bucket.
    GetBucketOwnershipControls => S3, "s3:GetBucketOwnershipControls",
    /// Set who owns what others write to a bucket.
    PutBucketOwnershipControls => S3, "s3:PutBucketOwnershipControls",
    /// Read a bucket's policy.
    GetBucketPolicy => S3, "s3:GetBucketPolicy",
    /// Replace a bucket's policy.
    PutBucketPolicy => S3, "s3:PutBucketPolicy",
    /// Remove a bucket's policy.
    DeleteBucketPolicy => S3, "s3:DeleteBucketPolicy",
    /// Ask whether a bucket's policy makes it public.
    GetBucketPolicyStatus => S3, "s3:GetBucketPolicyStatus",
    /// Read whether public policies are refused.
    GetBucketPublicAccessBlock => S3, "s3:GetBucketPublicAccessBlock",
    /// Set whether public policies are refused.
    PutBucketPublicAccessBlock => S3, "s3:PutBucketPublicAccessBlock",
    /// Read who pays for requests.
    GetBucketRequestPayment => S3, "s3:GetBucketRequestPayment",
    /// Set who pays for requests.
    PutBucketRequestPayment => S3, "s3:PutBucketRequestPayment",
    /// Read a bucket's tags.
    GetBucketTagging => S3, "s3:GetBucketTagging",
    /// Replace or remove a bucket's tags.
    PutBucketTagging => S3, "s3:PutBucketTagging",
    /// Read whether a bucket keeps versions.
    GetBucketVersioning => S3, "s3:GetBucketVersioning",
    /// Set whether a bucket keeps versions.
    PutBucketVersioning => S3, "s3:PutBucketVersioning",
    /// Read a bucket's web site configuration.
    GetBucketWebsite => S3, "s3:GetBucketWebsite",
    /// Replace a bucket's web site configuration.
    PutBucketWebsite => S3, "s3:PutBucketWebsite",
    /// Remove a bucket's web site configuration.
    DeleteBucketWebsite => S3, "s3:DeleteBucketWebsite",
    /// Read whether transfers are accelerated.
    GetAccelerateConfiguration => S3, "s3:GetAccelerateConfiguration",
    /// Set whether transfers are accelerated.
    PutAccelerateConfiguration => S3, "s3:PutAccelerateConfiguration",
    /// Read a bucket's storage analysis.
    GetAnalyticsConfiguration => S3, "s3:GetAnalyticsConfiguration",
    /// Replace a bucket's storage analysis.
    PutAnalyticsConfiguration => S3, "s3:PutAnalyticsConfiguration",
    /// Read a bucket's default encryption.
    GetEncryptionConfiguration => S3, "s3:GetEncryptionConfiguration",
    /// Set a bucket's default encryption.
    PutEncryptionConfiguration => S3, "s3:PutEncryptionConfiguration",
    /// Read how a bucket's objects move between storage classes by themselves.
    GetIntelligentTieringConfiguration => S3, "s3:GetIntelligentTieringConfiguration",
    /// Set how a bucket's objects move between storage classes by themselves.
    PutIntelligentTieringConfiguration => S3, "s3:PutIntelligentTieringConfiguration",
    /// Read a bucket's inventory reports.
    GetInventoryConfiguration => S3, "s3:GetInventoryConfiguration",
    /// Replace a bucket's inventory reports.
    PutInventoryConfiguration => S3, "s3:PutInventoryConfiguration",
    /// Read when objects expire.
    GetLifecycleConfiguration => S3, "s3:GetLifecycleConfiguration",
    /// Set when objects expire.
    PutLifecycleConfiguration => S3, "s3:PutLifecycleConfiguration",
    /// Read which metrics a bucket reports.
    GetMetricsConfiguration => S3, "s3:GetMetricsConfiguration",
    /// Set which metrics a bucket reports.
    PutMetricsConfiguration => S3, "s3:PutMetricsConfiguration",
    /// Read where a bucket is copied to.
    GetReplicationConfiguration => S3, "s3:GetReplicationConfiguration",
    /// Set where a bucket is copied to.
    PutReplicationConfiguration => S3, "s3:PutReplicationConfiguration",
    /// Pull blobs, manifests and referrers.
    Pull => Oci, "oci:Pull",
    /// Push blobs, and manifests under a tag that is new.
    Push => Oci, "oci:Push",
    /// Push a manifest to a tag that exists and names other content.
    UpdateTag => Oci, "oci:UpdateTag",
    /// Delete blobs, manifests and tags.
    Delete => Oci, "oci:Delete",
    /// List the tags of a repository.
    ListTags => Oci, "oci:ListTags",
    /// List the repositories of the registry.
    Catalog => Oci, "oci:Catalog",
    /// Have an artifact signed, or attach a signature.
    Sign => Supply, "supply:Sign",
    /// Have something signed with a key of the service.
    UseSigningKey => Supply, "supply:UseSigningKey",
    /// Read an artifact's signatures.
    GetSignature => Supply, "supply:GetSignature",
    /// Remove a signature from an artifact.
    DeleteSignature => Supply, "supply:DeleteSignature",
    /// Have an artifact's signatures checked, and have it held against a verification policy.
    Verify => Supply, "supply:Verify",
    /// Attach a bill of materials.
    AttachSbom => Supply, "supply:AttachSBOM",
    /// Read an artifact's bill of materials.
    GetSbom => Supply, "supply:GetSBOM",
    /// Remove a bill of materials.
    DeleteSbom => Supply, "supply:DeleteSBOM",
    /// Attach an attestation.
    Attest => Supply, "supply:Attest",
    /// Read an artifact's attestations.
    GetAttestation => Supply, "supply:GetAttestation",
    /// Remove an attestation.
    DeleteAttestation => Supply, "supply:DeleteAttestation",
    /// Attach something else to an artifact.
    Attach => Supply, "supply:Attach",
    /// Remove something else that is attached to an artifact.
    Detach => Supply, "supply:Detach",
    /// Have an artifact searched for vulnerabilities.
    Scan => Supply, "supply:Scan",
    /// Read what was found in an artifact.
    GetVulnerabilities => Supply, "supply:GetVulnerabilities",
    /// Read what came of holding an artifact against verification policies.
    GetVerdict => Supply, "supply:GetVerdict",
    /// Search packages and vulnerabilities over artifacts.
    Search => Supply, "supply:Search",
    /// Read metrics and status.
    ReadMetrics => Admin, "admin:ReadMetrics",
    /// Read the configuration, without its secrets.
    ReadConfiguration => Admin, "admin:ReadConfiguration",
    /// List identity policies.
    ListPolicies => Admin, "admin:ListPolicies",
    /// Read an identity policy and its history.
    GetPolicy => Admin, "admin:GetPolicy",
    /// Create or replace an identity policy.
    PutPolicy => Admin, "admin:PutPolicy",
    /// Delete an identity policy.
    DeletePolicy => Admin, "admin:DeletePolicy",
    /// Attach a policy to a user, role or group.
    AttachPolicy => Admin, "admin:AttachPolicy",
    /// Detach a policy from a user, role or group.
    DetachPolicy => Admin, "admin:DetachPolicy",
    /// List roles.
    ListRoles => Admin, "admin:ListRoles",
    /// Read a role and its trust policy.
    GetRole => Admin, "admin:GetRole",
    /// Create or replace a role.
    PutRole => Admin, "admin:PutRole",
    /// Delete a role.
    DeleteRole => Admin, "admin:DeleteRole",
    /// List the access keys of others.
    ListAccessKeys => Admin, "admin:ListAccessKeys",
    /// Read an access key of another, without its secret.
    GetAccessKey => Admin, "admin:GetAccessKey",
    /// Create an access key for another.
    CreateAccessKey => Admin, "admin:CreateAccessKey",
    /// Disable, enable or rotate an access key of another.
    UpdateAccessKey => Admin, "admin:UpdateAccessKey",
    /// Delete an access key of another.
    DeleteAccessKey => Admin, "admin:DeleteAccessKey",
    /// List one's own access keys.
    ListOwnAccessKeys => Admin, "admin:ListOwnAccessKeys",
    /// Read an access key of one's own, without its secret.
    GetOwnAccessKey => Admin, "admin:GetOwnAccessKey",
    /// Create an access key for oneself.
    CreateOwnAccessKey => Admin, "admin:CreateOwnAccessKey",
    /// Disable, enable or rotate an access key of one's own.
    UpdateOwnAccessKey => Admin, "admin:UpdateOwnAccessKey",
    /// Delete an access key of one's own.
    DeleteOwnAccessKey => Admin, "admin:DeleteOwnAccessKey",
    /// List sessions.
    ListSessions => Admin, "admin:ListSessions",
    /// Read who a session belongs to.
    GetSession => Admin, "admin:GetSession",
    /// End sessions before their time.
    RevokeSession => Admin, "admin:RevokeSession",
    /// List quotas.
    ListQuotas => Admin, "admin:ListQuotas",
    /// Read a quota and how much of it is used.
    GetQuota => Admin, "admin:GetQuota",
    /// Set a quota.
    PutQuota => Admin, "admin:PutQuota",
    /// Remove a quota.
    DeleteQuota => Admin, "admin:DeleteQuota",
    /// Read what a bucket's lifecycle rules have done lately.
    GetLifecycleStatus => Admin, "admin:GetLifecycleStatus",
    /// List keys that the service signs with.
    ListSigningKeys => Admin, "admin:ListSigningKeys",
    /// Read a signing key: its public half, and what it is for.
    GetSigningKey => Admin, "admin:GetSigningKey",
    /// Make or bring a signing key.
    CreateSigningKey => Admin, "admin:CreateSigningKey",
    /// Make or bring the key that follows a signing key.
    RotateSigningKey => Admin, "admin:RotateSigningKey",
    /// Disable or enable a signing key, or say until when it is believed.
    UpdateSigningKey => Admin, "admin:UpdateSigningKey",
    /// Revoke a signing key for good.
    RevokeSigningKey => Admin, "admin:RevokeSigningKey",
    /// Take a private key out of the service, encrypted.
    ExportSigningKey => Admin, "admin:ExportSigningKey",
    /// List whose signatures are believed.
    ListTrustedSigners => Admin, "admin:ListTrustedSigners",
    /// Read a trusted key or identity.
    GetTrustedSigner => Admin, "admin:GetTrustedSigner",
    /// Believe a key or an identity.
    AddTrustedSigner => Admin, "admin:AddTrustedSigner",
    /// Say until when a key or an identity is believed, or revoke it.
    UpdateTrustedSigner => Admin, "admin:UpdateTrustedSigner",
    /// Forget a trusted key or identity.
    DeleteTrustedSigner => Admin, "admin:DeleteTrustedSigner",
    /// Read what is signed in a bucket by itself, and what waits for it.
    GetSigningRules => Admin, "admin:GetSigningRules",
    /// Say what is signed in a bucket by itself.
    PutSigningRules => Admin, "admin:PutSigningRules",
    /// Sign nothing in a bucket by itself any more.
    DeleteSigningRules => Admin, "admin:DeleteSigningRules",
    /// List who may be told of events.
    ListEventTargets => Admin, "admin:ListEventTargets",
    /// Read where a target of events is, without its secret, and what waits for it.
    GetEventTarget => Admin, "admin:GetEventTarget",
    /// Make or replace a target of events.
    PutEventTarget => Admin, "admin:PutEventTarget",
    /// Delete a target of events.
    DeleteEventTarget => Admin, "admin:DeleteEventTarget",
    /// Have events told again that were given up.
    RedeliverEvents => Admin, "admin:RedeliverEvents",
    /// List verification policies.
    ListVerificationPolicies => Admin, "admin:ListVerificationPolicies",
    /// Read a verification policy and its history.
    GetVerificationPolicy => Admin, "admin:GetVerificationPolicy",
    /// Create or replace a verification policy.
    PutVerificationPolicy => Admin, "admin:PutVerificationPolicy",
    /// Delete a verification policy with its verdicts.
    DeleteVerificationPolicy => Admin, "admin:DeleteVerificationPolicy",
    /// Ask why a principal may or may not do something.
    Explain => Admin, "admin:Explain",
    /// List what a principal may do in a bucket.
    GetEffective => Admin, "admin:GetEffective",
    /// Read the audit log.
    QueryAudit => Audit, "audit:Query",
    /// Take audit records away: as lines, as CloudEvents, as OCSF. Besides `audit:Query`.
    ExportAudit => Audit, "audit:Export",
    /// Take a role, with credentials of one's own.
    AssumeRole => Sts, "sts:AssumeRole",
    /// Take a role, with a token of an issuer.
    AssumeRoleWithWebIdentity => Sts, "sts:AssumeRoleWithWebIdentity",
    /// Ask who one is.
    GetCallerIdentity => Sts, "sts:GetCallerIdentity",
}
