//! The table itself: one row a code.
//!
//! S3 codes: AWS, *Amazon S3 API Reference*, "Error responses". OCI codes: OCI distribution-spec 1.1, "Error codes".

/// The family of a failure; what our own JSON calls `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Who asks could not be established.
    Authentication,
    /// Who asks may not do this.
    Authorization,
    /// The request itself is wrong.
    Validation,
    /// Postgres or the upstream registry could not do its part.
    Storage,
    /// Bytes and digests do not agree.
    Integrity,
    /// A supply-chain rule was not met.
    SupplyChain,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The kind's name in JSON and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Validation => "validation",
            Self::Storage => "storage",
            Self::Integrity => "integrity",
            Self::SupplyChain => "supply_chain",
            Self::Internal => "internal",
        }
    }

    /// Whether an operator must hear of it: such errors are logged as errors, all others are the client's business.
    #[must_use]
    pub const fn is_our_fault(self) -> bool {
        matches!(self, Self::Storage | Self::Internal)
    }
}

/// How one code is told to clients.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The family.
    pub kind: Kind,
    /// HTTP status.
    pub status: u16,
    /// The code in an S3 error document.
    pub s3: &'static str,
    /// The code in an OCI error document.
    pub oci: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The label in metrics and logs.
    pub label: &'static str,
    /// What the client reads where nothing more precise is known.
    pub message: &'static str,
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $code:ident: $kind:ident, $status:literal, $s3:literal, $oci:literal, $retryable:literal, $label:literal, $message:literal;)+) => {
        /// What can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $code),+ }

        impl Code {
            /// Every code of the table.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// Whether it means that there is no such object or version.
            #[must_use]
            pub const fn is_nothing_there(self) -> bool {
                matches!(self, Self::NoSuchBucket | Self::NoSuchKey | Self::NoSuchVersion)
            }

            /// The code's row.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$code => Row {
                        kind: Kind::$kind, status: $status, s3: $s3, oci: $oci, retryable: $retryable, label: $label, message: $message,
                    }),+
                }
            }
        }
    };
}

table! {
    // --- authentication
    /// No credentials where some are needed.
    Unauthenticated: Authentication, 401, "AccessDenied", "UNAUTHORIZED", false, "unauthenticated", "Authentication is required.";
    /// The access key is not known.
    InvalidAccessKeyId: Authentication, 403, "InvalidAccessKeyId", "UNAUTHORIZED", false, "invalid_access_key_id", "The access key id you provided does not exist in our records.";
    /// The signature does not match.
    SignatureDoesNotMatch: Authentication, 403, "SignatureDoesNotMatch", "UNAUTHORIZED", false, "signature_does_not_match", "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    /// The client's clock is off.
    RequestTimeTooSkewed: Authentication, 403, "RequestTimeTooSkewed", "UNAUTHORIZED", false, "request_time_too_skewed", "The difference between the request time and the current time is too large.";
    /// A presigned URL that lapsed.
    ExpiredRequest: Authentication, 403, "AccessDenied", "UNAUTHORIZED", false, "expired_request", "Request has expired.";
    /// The Authorization header cannot be read.
    AuthorizationHeaderMalformed: Authentication, 400, "AuthorizationHeaderMalformed", "UNAUTHORIZED", false, "authorization_header_malformed", "The authorization header is malformed.";
    /// The presigned query cannot be read, or its lifetime is out of bounds.
    AuthorizationQueryParametersError: Authentication, 400, "AuthorizationQueryParametersError", "UNAUTHORIZED", false, "authorization_query_parameters_error", "The authorization query parameters are not valid.";
    /// A signing method that is not accepted.
    UnsupportedSignature: Authentication, 400, "InvalidRequest", "UNAUTHORIZED", false, "unsupported_signature", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    /// A bearer token (JWT) that is not accepted.
    BearerTokenRejected: Authentication, 401, "InvalidToken", "UNAUTHORIZED", false, "bearer_token_rejected", "The token is not accepted.";
    /// A bearer token that was good and has expired: whoever shows it does not guess, but comes late.
    BearerTokenExpired: Authentication, 401, "InvalidToken", "UNAUTHORIZED", false, "bearer_token_expired", "The token has expired.";
    /// A bearer token of a key that may have been made since its issuer was last asked.
    TokenKeyUnknown: Authentication, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "token_key_unknown", "The key of the token is not known yet. Please try again.";
    /// A registry token that is not for this.
    InsufficientScope: Authentication, 401, "AccessDenied", "UNAUTHORIZED", false, "insufficient_scope", "The token is not for this: ask for one with the scope of the challenge.";
    /// A login that ends before a registry token could be of use.
    LoginEndsSoon: Authentication, 401, "ExpiredToken", "UNAUTHORIZED", false, "login_ends_soon", "Your login ends in less than a minute. Please log in again.";
    /// A session token that lapsed.
    ExpiredToken: Authentication, 400, "ExpiredToken", "UNAUTHORIZED", false, "expired_token", "The provided token has expired.";
    /// A session whose policy and attributes do not fit into its token.
    PackedPolicyTooLarge: Validation, 400, "PackedPolicyTooLarge", "UNSUPPORTED", false, "packed_policy_too_large", "The session's policy and attributes are too large for its token.";
    /// A session token that is not ours, was changed, or was revoked.
    InvalidToken: Authentication, 400, "InvalidToken", "UNAUTHORIZED", false, "invalid_token", "The provided token is malformed or otherwise invalid.";
    /// An `x-amz-*` header that the signature does not cover.
    UnsignedHeader: Authentication, 403, "AccessDenied", "UNAUTHORIZED", false, "unsigned_header", "There were headers present in the request which were not signed.";

    // --- authorization
    /// The policy says no.
    AccessDenied: Authorization, 403, "AccessDenied", "DENIED", false, "access_denied", "Access Denied.";
    /// A browser asks for more than the bucket's rules for pages of other origins allow.
    CorsForbidden: Authorization, 403, "AccessForbidden", "DENIED", false, "cors_forbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";

    // --- validation
    /// An argument is wrong.
    InvalidArgument: Validation, 400, "InvalidArgument", "UNSUPPORTED", false, "invalid_argument", "Invalid argument.";
    /// An action that STS does not have here.
    InvalidAction: Validation, 400, "InvalidAction", "UNSUPPORTED", false, "invalid_action", "There is no such action.";
    /// The request as a whole is wrong.
    InvalidRequest: Validation, 400, "InvalidRequest", "UNSUPPORTED", false, "invalid_request", "Invalid request.";
    /// The request target cannot be read, or means two things.
    InvalidUri: Validation, 400, "InvalidURI", "NAME_INVALID", false, "invalid_uri", "The specified URI could not be parsed.";
    /// XML that cannot be read.
    MalformedXml: Validation, 400, "MalformedXML", "UNSUPPORTED", false, "malformed_xml", "The XML you provided was not well-formed or did not validate against our published schema.";
    /// A document where none was sent.
    MissingRequestBody: Validation, 400, "MissingRequestBodyError", "UNSUPPORTED", false, "missing_request_body", "Request body is empty.";
    /// A document above its limit.
    MaxMessageLengthExceeded: Validation, 400, "MaxMessageLengthExceeded", "SIZE_INVALID", false, "max_message_length_exceeded", "Your request was too big.";
    /// A region that is not ours.
    InvalidLocationConstraint: Validation, 400, "InvalidLocationConstraint", "UNSUPPORTED", false, "invalid_location_constraint", "The specified location-constraint is not valid.";
    /// A bucket name that S3 forbids.
    InvalidBucketName: Validation, 400, "InvalidBucketName", "NAME_INVALID", false, "invalid_bucket_name", "The specified bucket is not valid.";
    /// A key of more than 1,024 bytes.
    KeyTooLong: Validation, 400, "KeyTooLongError", "NAME_INVALID", false, "key_too_long", "Your key is too long.";
    /// A tag that breaks a rule or a limit.
    InvalidTag: Validation, 400, "InvalidTag", "UNSUPPORTED", false, "invalid_tag", "The tag provided was not a valid tag.";
    /// User metadata above 2 KiB.
    MetadataTooLarge: Validation, 400, "MetadataTooLarge", "UNSUPPORTED", false, "metadata_too_large", "Your metadata headers exceed the maximum allowed metadata size.";
    /// The bucket is not there.
    NoSuchBucket: Validation, 404, "NoSuchBucket", "NAME_UNKNOWN", false, "no_such_bucket", "The specified bucket does not exist.";
    /// The object is not there.
    NoSuchKey: Validation, 404, "NoSuchKey", "BLOB_UNKNOWN", false, "no_such_key", "The specified key does not exist.";
    /// The bucket has no policy.
    NoSuchBucketPolicy: Validation, 404, "NoSuchBucketPolicy", "NAME_UNKNOWN", false, "no_such_bucket_policy", "The bucket policy does not exist.";
    /// The bucket has no tags.
    NoSuchTagSet: Validation, 404, "NoSuchTagSet", "NAME_UNKNOWN", false, "no_such_tag_set", "The TagSet does not exist";
    /// The bucket has no rules for pages of other origins.
    NoSuchCorsConfiguration: Validation, 404, "NoSuchCORSConfiguration", "NAME_UNKNOWN", false, "no_such_cors_configuration", "The CORS configuration does not exist";
    /// The bucket has no public access block.
    NoSuchPublicAccessBlockConfiguration: Validation, 404, "NoSuchPublicAccessBlockConfiguration", "NAME_UNKNOWN", false, "no_such_public_access_block_configuration", "The public access block configuration was not found";
    /// The bucket's ownership controls were removed.
    OwnershipControlsNotFound: Validation, 404, "OwnershipControlsNotFoundError", "NAME_UNKNOWN", false, "ownership_controls_not_found", "The bucket ownership controls were not found";
    /// Nothing is promised of how the bucket's objects are encrypted.
    ServerSideEncryptionConfigurationNotFound: Validation, 404, "ServerSideEncryptionConfigurationNotFoundError", "NAME_UNKNOWN", false, "server_side_encryption_configuration_not_found", "The server side encryption configuration was not found";
    /// The bucket is no web site.
    NoSuchWebsiteConfiguration: Validation, 404, "NoSuchWebsiteConfiguration", "NAME_UNKNOWN", false, "no_such_website_configuration", "The specified bucket does not have a website configuration";
    /// The bucket is not copied elsewhere.
    ReplicationConfigurationNotFound: Validation, 404, "ReplicationConfigurationNotFoundError", "NAME_UNKNOWN", false, "replication_configuration_not_found", "The replication configuration was not found";
    /// Nothing expires in the bucket.
    NoSuchLifecycleConfiguration: Validation, 404, "NoSuchLifecycleConfiguration", "NAME_UNKNOWN", false, "no_such_lifecycle_configuration", "The lifecycle configuration does not exist";
    /// The bucket locks no objects.
    ObjectLockConfigurationNotFound: Validation, 404, "ObjectLockConfigurationNotFoundError", "NAME_UNKNOWN", false, "object_lock_configuration_not_found", "Object Lock configuration does not exist for this bucket";
    /// The bucket has no analysis, inventory, metrics or tiering of this id.
    NoSuchConfiguration: Validation, 404, "NoSuchConfiguration", "NAME_UNKNOWN", false, "no_such_configuration", "The specified configuration does not exist.";
    /// What S3 calls by no other name: too many tags, a preflight that asks nothing.
    BadRequest: Validation, 400, "BadRequest", "UNSUPPORTED", false, "bad_request", "Bad Request";
    /// An access control list where the bucket's owner owns everything.
    AccessControlListNotSupported: Validation, 400, "AccessControlListNotSupported", "UNSUPPORTED", false, "access_control_list_not_supported", "The bucket does not allow ACLs";
    /// A bucket that is made with an access control list that it could not have.
    InvalidBucketAclWithObjectOwnership: Validation, 400, "InvalidBucketAclWithObjectOwnership", "UNSUPPORTED", false, "invalid_bucket_acl_with_object_ownership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    /// An access control list that cannot be understood.
    MalformedAcl: Validation, 400, "MalformedACLError", "UNSUPPORTED", false, "malformed_acl", "The XML you provided was not well-formed or did not validate against our published schema";
    /// A grant to somebody by an address that nobody is known by.
    UnresolvableGrantByEmailAddress: Validation, 400, "UnresolvableGrantByEmailAddress", "UNSUPPORTED", false, "unresolvable_grant_by_email_address", "The e-mail address you provided does not match any account on record.";
    /// A request without the header that says what it wants.
    MissingSecurityHeader: Validation, 400, "MissingSecurityHeader", "UNSUPPORTED", false, "missing_security_header", "Your request was missing a required header";
    /// A document that does not say whether versions are kept.
    IllegalVersioningConfiguration: Validation, 400, "IllegalVersioningConfigurationException", "UNSUPPORTED", false, "illegal_versioning_configuration", "The Versioning element must be specified";
    /// A policy, role, attachment or access key is not there.
    NoSuchEntity: Validation, 404, "NoSuchEntity", "NAME_UNKNOWN", false, "no_such_entity", "There is nothing of this name.";
    /// An access key that is no way to another, for it opens nothing.
    AccessKeyInactive: Validation, 409, "InvalidRequest", "UNSUPPORTED", false, "access_key_inactive", "The access key is disabled or expired, so it cannot be rotated.";
    /// Something that the program brings along.
    ReadOnly: Validation, 409, "InvalidRequest", "UNSUPPORTED", false, "read_only", "The program brings it along: it cannot be changed.";
    /// A policy document that cannot be used.
    MalformedPolicy: Validation, 400, "MalformedPolicy", "UNSUPPORTED", false, "malformed_policy", "The policy is not valid.";
    /// An Idempotency-Key that was used for another request.
    IdempotencyMismatch: Validation, 422, "InvalidRequest", "UNSUPPORTED", false, "idempotency_mismatch", "This Idempotency-Key was used for another request.";
    /// An Idempotency-Key whose request is being carried out.
    IdempotencyKeyInUse: Validation, 409, "OperationAborted", "UNSUPPORTED", true, "idempotency_key_in_use", "The request with this Idempotency-Key is being carried out. Please try again.";
    /// An Idempotency-Key whose answer can no longer be read.
    IdempotencyAnswerLost: Validation, 409, "OperationAborted", "UNSUPPORTED", false, "idempotency_answer_lost", "The request with this Idempotency-Key was carried out, but its answer can no longer be read. See what there is, and use another key.";
    /// More answers are kept for one caller than may be.
    TooManyIdempotencyKeys: Validation, 429, "SlowDown", "TOOMANYREQUESTS", true, "too_many_idempotency_keys", "You have used as many Idempotency-Keys as are kept. Please try again later.";
    /// A body of a kind that is not read.
    UnsupportedMediaType: Validation, 415, "InvalidRequest", "UNSUPPORTED", false, "unsupported_media_type", "The body must be JSON, and Content-Type must say so.";
    /// The version is not there.
    NoSuchVersion: Validation, 404, "NoSuchVersion", "MANIFEST_UNKNOWN", false, "no_such_version", "The specified version does not exist.";
    /// The version is locked in no way.
    NoSuchObjectLockConfiguration: Validation, 404, "NoSuchObjectLockConfiguration", "NAME_UNKNOWN", false, "no_such_object_lock_configuration", "The specified object does not have a ObjectLock configuration";
    /// The bucket locks no objects.
    ObjectLockMissing: Validation, 400, "InvalidRequest", "UNSUPPORTED", false, "object_lock_missing", "Bucket is missing Object Lock Configuration";
    /// A default retention of no time.
    InvalidRetentionPeriod: Validation, 400, "InvalidRetentionPeriod", "UNSUPPORTED", false, "invalid_retention_period", "Default retention period must be a positive integer value.";
    /// What the bucket does already forbids it.
    InvalidBucketState: Validation, 409, "InvalidBucketState", "DENIED", false, "invalid_bucket_state", "The request is not valid for the current state of the bucket.";
    /// The multipart upload is not there.
    NoSuchUpload: Validation, 404, "NoSuchUpload", "BLOB_UPLOAD_UNKNOWN", false, "no_such_upload", "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.";
    /// The bucket exists and is the caller's.
    BucketAlreadyOwnedByYou: Validation, 409, "BucketAlreadyOwnedByYou", "DENIED", false, "bucket_already_owned_by_you", "Your previous request to create the named bucket succeeded and you already own it.";
    /// The bucket exists and is somebody else's.
    BucketAlreadyExists: Validation, 409, "BucketAlreadyExists", "DENIED", false, "bucket_already_exists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    /// The bucket holds something.
    BucketNotEmpty: Validation, 409, "BucketNotEmpty", "DENIED", false, "bucket_not_empty", "The bucket you tried to delete is not empty.";
    /// A concurrent change won.
    OperationAborted: Validation, 409, "OperationAborted", "UNSUPPORTED", true, "operation_aborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    /// There are as many as there may be.
    LimitExceeded: Validation, 409, "LimitExceeded", "DENIED", false, "limit_exceeded", "The request would exceed a limit on how many there may be.";
    /// A bucket's quota has no room; named and answered as Ceph's gateway does (`rgw_common.cc`), for AWS has no such limits.
    QuotaExceeded: Validation, 403, "QuotaExceeded", "DENIED", false, "quota_exceeded", "The bucket's quota has no room for this.";
    /// A part is unknown or its ETag differs.
    InvalidPart: Validation, 400, "InvalidPart", "BLOB_UPLOAD_INVALID", false, "invalid_part", "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.";
    /// Parts are not in ascending order.
    InvalidPartOrder: Validation, 400, "InvalidPartOrder", "BLOB_UPLOAD_INVALID", false, "invalid_part_order", "The list of parts was not in ascending order. Parts list must be specified in order by part number.";
    /// A part that is not the last has less than 5 MiB.
    EntityTooSmall: Validation, 400, "EntityTooSmall", "SIZE_INVALID", false, "entity_too_small", "Your proposed upload is smaller than the minimum allowed object size.";
    /// A body above its limit.
    EntityTooLarge: Validation, 400, "EntityTooLarge", "SIZE_INVALID", false, "entity_too_large", "Your proposed upload exceeds the maximum allowed object size.";
    /// A form that cannot be read.
    MalformedPostRequest: Validation, 400, "MalformedPOSTRequest", "UNSUPPORTED", false, "malformed_post_request", "The body of your POST request is not well-formed multipart/form-data.";
    /// A form with too much before its file.
    MaxPostPreDataLengthExceeded: Validation, 400, "MaxPostPreDataLengthExceeded", "SIZE_INVALID", false, "max_post_pre_data_length_exceeded", "Your POST request fields preceding the upload file were too large.";
    /// A form without a file.
    IncorrectNumberOfFilesInPostRequest: Validation, 400, "IncorrectNumberOfFilesInPostRequest", "UNSUPPORTED", false, "incorrect_number_of_files_in_post_request", "POST requires exactly one file upload per request.";
    /// A form without a key.
    UserKeyMustBeSpecified: Validation, 400, "UserKeyMustBeSpecified", "UNSUPPORTED", false, "user_key_must_be_specified", "The bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.";
    /// A form's policy that cannot be read.
    InvalidPolicyDocument: Validation, 400, "InvalidPolicyDocument", "UNSUPPORTED", false, "invalid_policy_document", "The content of the form does not meet the conditions specified in the policy document.";
    /// A manifest above its limit.
    ManifestTooLarge: Validation, 413, "EntityTooLarge", "SIZE_INVALID", false, "manifest_too_large", "The manifest exceeds the maximum allowed size.";
    /// An OCI blob above its limit.
    BlobTooLarge: Validation, 413, "EntityTooLarge", "SIZE_INVALID", false, "blob_too_large", "The blob exceeds the maximum allowed size.";
    /// A body without its length.
    MissingContentLength: Validation, 411, "MissingContentLength", "SIZE_INVALID", false, "missing_content_length", "You must provide the Content-Length HTTP header.";
    /// Headers above their limit.
    RequestHeaderSectionTooLarge: Validation, 400, "RequestHeaderSectionTooLarge", "UNSUPPORTED", false, "request_header_section_too_large", "Your request header section exceeds the maximum allowed size.";
    /// A range that the object does not have.
    InvalidRange: Validation, 416, "InvalidRange", "RANGE_INVALID", false, "invalid_range", "The requested range is not satisfiable.";
    /// A part that the object does not have.
    InvalidPartNumber: Validation, 416, "InvalidPartNumber", "RANGE_INVALID", false, "invalid_part_number", "The requested partnumber is not satisfiable.";
    /// An If-* header said no.
    PreconditionFailed: Validation, 412, "PreconditionFailed", "UNSUPPORTED", false, "precondition_failed", "At least one of the preconditions you specified did not hold.";
    /// The client has it already.
    NotModified: Validation, 304, "NotModified", "UNSUPPORTED", false, "not_modified", "Not Modified.";
    /// The method is not for this resource.
    MethodNotAllowed: Validation, 405, "MethodNotAllowed", "UNSUPPORTED", false, "method_not_allowed", "The specified method is not allowed against this resource.";
    /// Something that S3 has and we do not, said clearly.
    NotImplemented: Validation, 501, "NotImplemented", "UNSUPPORTED", false, "not_implemented", "A header or query you provided implies functionality that is not implemented.";
    /// A path that nobody answers.
    NotFound: Validation, 404, "NoSuchKey", "NAME_UNKNOWN", false, "not_found", "There is nothing at this path.";
    /// A repository name that the OCI grammar forbids.
    NameInvalid: Validation, 400, "InvalidArgument", "NAME_INVALID", false, "name_invalid", "Invalid repository name.";
    /// The repository is not there, or not to be seen.
    NameUnknown: Validation, 404, "NoSuchBucket", "NAME_UNKNOWN", false, "name_unknown", "Repository name not known to the registry.";
    /// The blob is not there.
    BlobUnknown: Validation, 404, "NoSuchKey", "BLOB_UNKNOWN", false, "blob_unknown", "Blob unknown to the registry.";
    /// The manifest is not there.
    ManifestUnknown: Validation, 404, "NoSuchKey", "MANIFEST_UNKNOWN", false, "manifest_unknown", "Manifest unknown to the registry.";
    /// A manifest that cannot be read, says something that does not hold, or cannot be put as the request says.
    ManifestInvalid: Validation, 400, "InvalidRequest", "MANIFEST_INVALID", false, "manifest_invalid", "The manifest is not valid.";
    /// A push that sets more tags than it may.
    TooManyTags: Validation, 414, "InvalidArgument", "MANIFEST_INVALID", false, "too_many_tags", "The push sets more tags than one may.";
    /// A manifest names a blob that was not pushed.
    ManifestBlobUnknown: Validation, 404, "NoSuchKey", "MANIFEST_BLOB_UNKNOWN", false, "manifest_blob_unknown", "The manifest references a blob that is not known here.";
    /// A push to where only S3 puts something.
    PutByS3: Validation, 405, "MethodNotAllowed", "UNSUPPORTED", false, "put_by_s3", "Objects are put and deleted by S3. What refers to one (a signature, an SBOM, an attestation) may be pushed here: a manifest with a subject, by its digest.";
    /// The client sent its body too slowly.
    RequestTimeout: Validation, 400, "RequestTimeout", "BLOB_UPLOAD_INVALID", true, "request_timeout", "Your socket connection to the server was not read from or written to within the timeout period.";
    /// The client left.
    ClientGone: Validation, 499, "RequestTimeout", "BLOB_UPLOAD_INVALID", true, "client_gone", "The client closed the connection.";

    // --- integrity
    /// Content-MD5 or a checksum differs from the bytes.
    BadDigest: Integrity, 400, "BadDigest", "DIGEST_INVALID", false, "bad_digest", "The checksum you specified did not match what we received.";
    /// Content-MD5 or a checksum cannot be read.
    InvalidDigest: Integrity, 400, "InvalidDigest", "DIGEST_INVALID", false, "invalid_digest", "The Content-MD5 or checksum value you specified is not valid.";
    /// The signed SHA-256 differs from the bytes.
    ContentSha256Mismatch: Integrity, 400, "XAmzContentSHA256Mismatch", "DIGEST_INVALID", false, "content_sha256_mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.";
    /// The trailer of an `aws-chunked` body is missing, unreadable, or was not announced.
    MalformedTrailer: Integrity, 400, "MalformedTrailerError", "BLOB_UPLOAD_INVALID", false, "malformed_trailer", "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    /// The body ended early.
    IncompleteBody: Integrity, 400, "IncompleteBody", "BLOB_UPLOAD_INVALID", false, "incomplete_body", "You did not provide the number of bytes specified by the Content-Length HTTP header.";

    // --- supply chain
    /// A gate that the artifact does not pass.
    GateNotMet: SupplyChain, 403, "AccessDenied", "DENIED", false, "gate_not_met", "The artifact does not meet a supply-chain rule.";

    /// A verification that took longer than is waited for.
    VerificationPending: SupplyChain, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "verification_pending", "The verification takes longer than is waited for. Ask for it with async, and come back for the answer.";

    /// A bill of materials that breaks its schema or the rules of its specification.
    SbomInvalid: SupplyChain, 400, "InvalidRequest", "MANIFEST_INVALID", false, "sbom_invalid", "The SBOM is not valid.";
    /// A bill of materials in a format or version that is not read.
    SbomUnsupported: SupplyChain, 415, "InvalidRequest", "UNSUPPORTED", false, "sbom_unsupported", "The SBOM is in no format that is read here.";
    /// A bill of materials above a limit.
    SbomTooLarge: SupplyChain, 413, "EntityTooLarge", "SIZE_INVALID", false, "sbom_too_large", "The SBOM exceeds a limit on what is read.";

    // --- storage
    /// The upstream registry did not do its part in time.
    UpstreamUnavailable: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "upstream_unavailable", "The storage behind this service is not available. Please try again.";
    /// The index did not do its part in time.
    IndexUnavailable: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "index_unavailable", "The index behind this service is not available. Please try again.";
    /// The policies are not known well enough to decide by them.
    PoliciesUnavailable: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "policies_unavailable", "The policies of this service are not known at the moment. Please try again.";
    /// Whose signatures are believed is not known well enough to decide by it.
    TrustUnavailable: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "trust_unavailable", "Whose signatures are believed is not known at the moment. Please try again.";
    /// The keys of a token's issuer cannot be had.
    IssuerUnavailable: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "issuer_unavailable", "The keys of the token's issuer are not available at the moment. Please try again.";
    /// The digest of an object that came in parts is being computed.
    DigestPending: Storage, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "digest_pending", "The digest of this object is being computed. Please try again.";
    /// S3 writes are refused because the upstream's configuration would lose them.
    WritesRefused: Storage, 503, "ServiceUnavailable", "DENIED", true, "writes_refused", "Writes are refused until the registry's configuration is safe for them.";

    // --- internal
    /// Too much at once.
    SlowDown: Validation, 503, "SlowDown", "TOOMANYREQUESTS", true, "slow_down", "Please reduce your request rate.";
    /// More than one address or one principal may ask for; 429 but for S3, which has 503.
    RateExceeded: Validation, 503, "SlowDown", "TOOMANYREQUESTS", true, "rate_exceeded", "Please reduce your request rate.";
    /// More refusals than one principal may cause: beyond them not each can have its record; 429 but for S3, which has 503.
    DeniedTooOften: Validation, 503, "SlowDown", "TOOMANYREQUESTS", true, "denied_too_often", "You ask too often for what you may not do. Please reduce your request rate.";
    /// The process is about to end.
    ShuttingDown: Validation, 503, "ServiceUnavailable", "TOOMANYREQUESTS", true, "shutting_down", "The service is shutting down. Please try again.";
    /// A fault of ours.
    InternalError: Internal, 500, "InternalError", "UNKNOWN", true, "internal_error", "We encountered an internal error. Please try again.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn metric_labels_are_unique() {
        let labels: HashSet<_> = Code::ALL.iter().map(|code| code.row().label).collect();
        assert_eq!(labels.len(), Code::ALL.len());
    }

    #[test]
    fn every_status_is_a_redirection_or_an_error() {
        for code in Code::ALL {
            assert!((300..600).contains(&code.row().status), "{code:?}");
        }
    }
}
