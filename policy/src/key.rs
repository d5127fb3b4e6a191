//! Condition keys: every key that a policy may name, where its value comes from, and how many values it has.
//!
//! Names are compared without regard to case, as AWS does; what follows the slash of a tag, and the claim of `jwt:`, is compared
//! exactly. What does not live here: finding the values ([`crate::context`]).

use std::fmt;

/// Where a key's value comes from. A request can never write what comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The authenticated principal.
    Principal,
    /// The request.
    Request,
    /// What is stored: tags of an object, signatures of an artifact. May have to be looked up.
    Artifact,
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal, $source:ident $(, $flag:ident)*;)+) => {
        /// A condition key, without the part that `…/<tag>` keys have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum KeyName { $($(#[doc = $doc])+ $variant),+ }

        impl KeyName {
            /// Every key that exists.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as policies write it; keys with a part end in `/` or `:`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What its value is, in a line.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// Where its value comes from.
            #[must_use]
            pub const fn source(self) -> Source {
                match self { $(Self::$variant => Source::$source),+ }
            }

            /// Whether it is about what is said of an artifact: signatures, reports, attestations.
            #[must_use]
            pub const fn is_evidence(self) -> bool {
                matches!(self.source(), Source::Artifact) && !matches!(self, Self::ExistingObjectTag)
            }

            const fn flags(self) -> &'static [Flag] {
                match self { $(Self::$variant => &[$(Flag::$flag),*]),+ }
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    /// A list.
    Several,
    /// Goes on with a tag's or claim's name.
    Part,
}

keys! {
    /// The user's name, with the issuer's prefix.
    Username => "aws:username", Principal;
    /// The principal's id, unique for all time: `<issuer>/<subject>`.
    UserId => "aws:userid", Principal;
    /// `arn:aws:iam:::user/<name>`, or `arn:aws:iam:::role/<role>` in a session.
    PrincipalArn => "aws:PrincipalArn", Principal;
    /// `Account` (root), `User`, `AssumedRole` or `Anonymous`.
    PrincipalType => "aws:PrincipalType", Principal;
    /// An attribute of the principal.
    PrincipalTag => "aws:PrincipalTag/", Principal, Part;
    /// The groups of the principal.
    Groups => "aws:groups", Principal, Several;
    /// When the session's first credential was issued.
    TokenIssueTime => "aws:TokenIssueTime", Principal;
    /// A claim of the principal's token: `sub`, or one that the configuration maps.
    Jwt => "jwt:", Principal, Part;
    /// The roles of the principal.
    Roles => "zas:Roles", Principal, Several;
    /// The issuer's name in the configuration.
    Issuer => "zas:Issuer", Principal;
    /// The client's address.
    SourceIp => "aws:SourceIp", Request;
    /// Whether the request came over TLS.
    SecureTransport => "aws:SecureTransport", Request;
    /// The time of the request.
    CurrentTime => "aws:CurrentTime", Request;
    /// The time of the request in seconds since 1970.
    EpochTime => "aws:EpochTime", Request;
    /// The client's `User-Agent`; the client may say anything.
    UserAgent => "aws:UserAgent", Request;
    /// The page that the request came from; the client may say anything.
    Referer => "aws:Referer", Request;
    /// The `prefix` of a listing.
    Prefix => "s3:prefix", Request;
    /// The `delimiter` of a listing.
    Delimiter => "s3:delimiter", Request;
    /// The `max-keys` of a listing.
    MaxKeys => "s3:max-keys", Request;
    /// The version that is asked for.
    VersionId => "s3:VersionId", Request;
    /// `GOVERNANCE` or `COMPLIANCE`: how an object shall be locked.
    ObjectLockMode => "s3:object-lock-mode", Request;
    /// Until when an object shall be locked.
    ObjectLockRetainUntilDate => "s3:object-lock-retain-until-date", Request;
    /// For how many days from now on an object shall be locked.
    ObjectLockRemainingRetentionDays => "s3:object-lock-remaining-retention-days", Request;
    /// `ON` or `OFF`: whether an object shall be locked until somebody says otherwise.
    ObjectLockLegalHold => "s3:object-lock-legal-hold", Request;
    /// What is copied: `bucket/key`.
    CopySource => "s3:x-amz-copy-source", Request;
    /// The SHA-256 of the payload as the request declares it.
    ContentSha256 => "s3:x-amz-content-sha256", Request;
    /// The canned access control list that is asked for.
    Acl => "s3:x-amz-acl", Request;
    /// To whom the request grants READ, as its header says it.
    GrantRead => "s3:x-amz-grant-read", Request;
    /// To whom the request grants WRITE, as its header says it.
    GrantWrite => "s3:x-amz-grant-write", Request;
    /// To whom the request grants READ_ACP, as its header says it.
    GrantReadAcp => "s3:x-amz-grant-read-acp", Request;
    /// To whom the request grants WRITE_ACP, as its header says it.
    GrantWriteAcp => "s3:x-amz-grant-write-acp", Request;
    /// To whom the request grants FULL_CONTROL, as its header says it.
    GrantFullControl => "s3:x-amz-grant-full-control", Request;
    /// The storage class that is asked for.
    StorageClass => "s3:x-amz-storage-class", Request;
    /// `COPY` or `REPLACE`.
    MetadataDirective => "s3:x-amz-metadata-directive", Request;
    /// The encryption that is asked for.
    ServerSideEncryption => "s3:x-amz-server-side-encryption", Request;
    /// `REST-HEADER`, `REST-QUERY-STRING` or `POST`.
    AuthType => "s3:authType", Request;
    /// `AWS4-HMAC-SHA256`.
    SignatureVersion => "s3:signatureversion", Request;
    /// How old a presigned URL is, in milliseconds.
    SignatureAge => "s3:signatureAge", Request;
    /// A tag that the request gives an object.
    RequestObjectTag => "s3:RequestObjectTag/", Request, Part;
    /// The names of the tags that the request gives an object.
    RequestObjectTagKeys => "s3:RequestObjectTagKeys", Request, Several;
    /// How long a session shall last, in seconds.
    DurationSeconds => "sts:DurationSeconds", Request;
    /// The session's name.
    RoleSessionName => "sts:RoleSessionName", Request;
    /// `tag` or `digest`: by what a manifest is asked for.
    ReferenceType => "zas:ReferenceType", Request;
    /// The tag that is asked for.
    Tag => "zas:Tag", Request;
    /// The media type of what is pushed.
    MediaType => "zas:MediaType", Request;
    /// A tag of the object as it is stored.
    ExistingObjectTag => "s3:ExistingObjectTag/", Artifact, Part;
    /// Whether the artifact has a valid signature.
    Signed => "zas:Signed", Artifact;
    /// By whom the artifact is signed.
    SignedBy => "zas:SignedBy", Artifact, Several;
    /// Who vouched for the signers' identities.
    SignatureIssuer => "zas:SignatureIssuer", Artifact, Several;
    /// Whether the artifact has a bill of materials.
    HasSbom => "zas:HasSBOM", Artifact;
    /// The predicate types of the artifact's attestations.
    AttestationTypes => "zas:AttestationTypes", Artifact, Several;
    /// The SLSA build level that the artifact's provenance shows.
    ProvenanceLevel => "zas:ProvenanceLevel", Artifact;
    /// How many critical vulnerabilities are known.
    VulnCritical => "zas:VulnCritical", Artifact;
    /// How many days old the newest scan is.
    VulnAgeDays => "zas:VulnAgeDays", Artifact;
    /// The verification policies that the artifact passes by a verdict that counts.
    PassedPolicies => "zas:PassedPolicies", Artifact, Several;
    /// Whether the tag can no longer be moved.
    Immutable => "zas:Immutable", Artifact;
}

/// A condition key as a policy names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which.
    pub name: KeyName,
    /// The tag's or claim's name; empty for keys without one.
    pub part: Box<str>,
}

impl Key {
    /// A key without a part.
    #[must_use]
    pub fn plain(name: KeyName) -> Self {
        Self { name, part: "".into() }
    }

    /// Reads a key's name.
    ///
    /// # Errors
    /// Which key is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let named = KeyName::ALL.iter().copied().find_map(|name| {
            let known = name.as_str();
            let part = text.get(known.len()..)?;
            let same = text.get(..known.len())?.eq_ignore_ascii_case(known);
            (same && name.flags().contains(&Flag::Part) != part.is_empty()).then(|| Self { name, part: part.into() })
        });
        named.ok_or_else(|| format!("There is no condition key {text:?}."))
    }

    /// Whether it always stands for a list. (A claim or an attribute may hold several values too: as a variable it then has none.)
    #[must_use]
    pub fn is_multivalued(&self) -> bool {
        self.name.flags().contains(&Flag::Several)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name.as_str(), self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_back_from_its_name_in_any_case() {
        for name in KeyName::ALL {
            let part = if name.flags().contains(&Flag::Part) { "Team" } else { "" };
            let text = format!("{}{part}", name.as_str());
            assert_eq!(Key::parse(&text).unwrap(), Key { name: *name, part: part.into() });
            let shouted = format!("{}{part}", name.as_str().to_uppercase());
            assert_eq!(Key::parse(&shouted).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_that_does_not_exist_or_lacks_its_part_is_refused() {
        for text in ["aws:user", "jwt:", "s3:ExistingObjectTag/", "aws:usernames", "", "groups", "é"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }
}
