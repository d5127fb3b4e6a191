//! [`Sessions`]: credentials of sessions that roles were assumed for. They are stateless: everything stands in the session token, which
//! only the key ring opens, so that any replica serves them without asking anybody.
//!
//! A token reads `ZAS1.<ring key>.<sealed>`. What is sealed is bound to the ring's key and to the access key id, so that a token
//! serves no other. Whoever sees a token, in a presigned URL perhaps, cannot sign with it: the secret is sealed too.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zas_policy::{Identity, Principal, Session};

use super::{KeyRing, Seal};
use crate::config::Secret;
use crate::error::{Code, Error, Result};

/// What tokens begin with: the version of what is sealed.
const VERSION: &str = "ZAS1";

/// What access key ids of sessions begin with (AWS: temporary credentials).
const PREFIX: &str = "ASIA";

/// Bytes of a token: it must go into a header beside all others.
const LONGEST: usize = 4096;

/// The longest session, and the longest chain of sessions that were assumed from each other (AWS STS, "AssumeRole").
pub const LONGEST_SESSION: Duration = Duration::hours(12);

/// A session that shall begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Who assumes the role.
    pub identity: Identity,
    /// The role.
    pub role: String,
    /// The name that they give the session.
    pub name: String,
    /// The policy that narrows it.
    pub policy: Option<String>,
    /// The policies that narrowed the credentials that it is begun with.
    pub inherited: Vec<String>,
    /// Seconds since 1970 at which the first credential of the chain was issued.
    pub issued_at: i64,
    /// When the chain ends, whatever is assumed from it.
    pub chain_ends: OffsetDateTime,
    /// The token that it was begun with, as it is revoked.
    pub token_id: Option<String>,
    /// The login that the token was issued for, as it is revoked.
    pub login_id: Option<String>,
    /// The access key that the chain was begun with: it ends with it.
    pub access_key: Option<String>,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// The credentials of a session. The only time that they are shown.
#[derive(Debug, Clone)]
pub struct SessionCredentials {
    /// The session.
    pub id: Uuid,
    /// The access key id; public.
    pub access_key_id: String,
    /// The secret.
    pub secret: Secret,
    /// The token that goes with every request.
    pub token: Secret,
}

/// A session that was opened.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// What its requests are signed with.
    pub secret: Secret,
    /// Who it speaks as.
    pub principal: Principal,
    /// The session's id.
    pub id: String,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// When the chain ends.
    pub chain_ends: OffsetDateTime,
    /// The token that the chain was begun with.
    pub token_id: Option<String>,
    /// The login that the token was issued for.
    pub login_id: Option<String>,
    /// The access key that the chain was begun with.
    pub access_key: Option<String>,
}

/// What is sealed, as CBOR.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(rename = "j")]
    id: Uuid,
    #[serde(rename = "k")]
    secret: String,
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "u")]
    user: String,
    #[serde(rename = "i")]
    issuer: String,
    #[serde(rename = "r")]
    role: String,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    inherited: Vec<String>,
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    login_id: Option<String>,
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    access_key: Option<String>,
    #[serde(rename = "b")]
    issued_at: i64,
    #[serde(rename = "c")]
    chain_ends: i64,
    #[serde(rename = "e")]
    expires_at: i64,
}

/// Seals and opens sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    ring: Arc<KeyRing>,
}

impl Sessions {
    /// Sealed by a ring of their own purpose.
    #[must_use]
    pub fn new(ring: Arc<KeyRing>) -> Self {
        Self { ring }
    }

    /// Makes the credentials of a session.
    ///
    /// # Errors
    /// `PackedPolicyTooLarge`: what its token must hold does not fit.
    pub fn begin(&self, new: NewSession) -> Result<SessionCredentials> {
        let id = Uuid::now_v7();
        let access_key_id = super::stored_keys::generate_id(PREFIX);
        let secret = super::stored_keys::generate_secret();
        let sealed = Sealed {
            id,
            secret: secret.expose().to_owned(),
            subject: new.identity.id,
            user: new.identity.name,
            issuer: new.identity.issuer,
            role: new.role,
            name: new.name,
            policy: new.policy,
            inherited: new.inherited,
            attributes: new.identity.attributes,
            token_id: new.token_id,
            login_id: new.login_id,
            access_key: new.access_key,
            issued_at: new.issued_at,
            chain_ends: new.chain_ends.unix_timestamp(),
            expires_at: new.expires_at.unix_timestamp(),
        };
        let mut bytes = Vec::new();
        ciborium::into_writer(&sealed, &mut bytes).map_err(Error::internal)?;
        let ring_key = self.ring.current();
        let sealed = self.ring.seal(&bound_to(&ring_key, &access_key_id), &bytes)?;
        let token = format!("{VERSION}.{ring_key}.{}", URL_SAFE_NO_PAD.encode(sealed.bytes));
        if token.len() > LONGEST {
            return Err(Error::from(Code::PackedPolicyTooLarge));
        }
        Ok(SessionCredentials { id, access_key_id, secret, token: Secret::new(token) })
    }

    /// Opens the token of a session, for its access key id.
    ///
    /// # Errors
    /// `InvalidToken`: it is not ours, not for this id, or was changed; `ExpiredToken`.
    pub fn open(&self, access_key_id: &str, token: &str, now: OffsetDateTime) -> Result<OpenSession> {
        let invalid = || Error::from(Code::InvalidToken);
        let rest =
            token.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.')).filter(|_| token.len() <= LONGEST);
        let (ring_key, sealed) = rest.and_then(|rest| rest.rsplit_once('.')).ok_or_else(invalid)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| invalid())?;
        let bytes = self.ring.open(&bound_to(ring_key, access_key_id), &sealed).map_err(|_| invalid())?;
        let sealed: Sealed = ciborium::from_reader(bytes.as_slice()).map_err(|_| invalid())?;
        if sealed.expires_at <= now.unix_timestamp() {
            return Err(Code::ExpiredToken.into());
        }
        sealed.opened(access_key_id)
    }
}

impl Sealed {
    fn opened(self, access_key_id: &str) -> Result<OpenSession> {
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(Error::internal);
        let Self { name, policy, inherited, issued_at, .. } = self;
        let session = Session { name, policy, inherited, issued_at };
        let identity = Identity {
            id: self.subject,
            name: self.user,
            issuer: self.issuer,
            roles: vec![self.role],
            attributes: self.attributes,
            access_key_id: Some(access_key_id.to_owned()),
            session: Some(session),
            ..Identity::default()
        };
        Ok(OpenSession {
            secret: Secret::new(self.secret),
            principal: Principal::identity(identity),
            id: self.id.to_string(),
            expires_at: time(self.expires_at)?,
            chain_ends: time(self.chain_ends)?,
            token_id: self.token_id,
            login_id: self.login_id,
            access_key: self.access_key,
        })
    }
}

/// What a sealed session is bound to.
fn bound_to(ring_key: &str, access_key_id: &str) -> String {
    format!("{VERSION}.{ring_key}.{access_key_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RingKey;
    use crate::identity::Purpose;
    use base64::engine::general_purpose::STANDARD;

    fn ring(ids: &[(&str, u8)]) -> Sessions {
        let key = |(id, byte): &(&str, u8)| RingKey {
            id: (*id).to_owned(),
            secret: Some(Secret::new(STANDARD.encode([*byte; 32]))),
            secret_file: None,
        };
        let keys: Vec<RingKey> = ids.iter().map(key).collect();
        Sessions::new(Arc::new(KeyRing::new(&keys, Purpose::SessionToken).unwrap()))
    }

    fn new(now: OffsetDateTime) -> NewSession {
        let attributes = [("team".to_owned(), vec!["build".to_owned()])].into();
        NewSession {
            identity: Identity {
                id: "kc/1".into(),
                name: "alice".into(),
                issuer: "kc".into(),
                attributes,
                ..Identity::default()
            },
            role: "deploy".into(),
            name: "job-7".into(),
            policy: Some("{}".into()),
            inherited: vec!["[]".into()],
            issued_at: now.unix_timestamp(),
            chain_ends: now + LONGEST_SESSION,
            token_id: Some("kc/jti".into()),
            login_id: Some("kc/sid".into()),
            access_key: Some("ZASK".into()),
            expires_at: now + Duration::hours(1),
        }
    }

    #[test]
    fn a_session_opens_for_its_key_and_speaks_as_its_role_alone() {
        let (sessions, now) = (ring(&[("a", 1)]), OffsetDateTime::now_utc());
        let made = sessions.begin(new(now)).unwrap();
        let opened = sessions.open(&made.access_key_id, made.token.expose(), now).unwrap();
        assert_eq!(opened.secret, made.secret);
        assert_eq!(opened.principal.to_string(), "role/deploy/job-7");
        let Principal::Identity(identity) = &opened.principal else { panic!() };
        assert_eq!((identity.id.as_str(), identity.name.as_str(), identity.groups.len()), ("kc/1", "alice", 0));
        assert_eq!(identity.attributes["team"], ["build"]);
        assert_eq!((opened.token_id.as_deref(), opened.login_id.as_deref()), (Some("kc/jti"), Some("kc/sid")));
        assert_eq!(opened.access_key.as_deref(), Some("ZASK"));
        let session = identity.session.as_ref().unwrap();
        assert_eq!((session.policy.as_deref(), session.inherited.as_slice()), (Some("{}"), &["[]".to_owned()][..]));
        assert!(!made.token.expose().contains(made.secret.expose()));
        let late = sessions.open(&made.access_key_id, made.token.expose(), now + Duration::hours(1)).unwrap_err();
        assert_eq!(late.code(), Code::ExpiredToken);
    }

    #[test]
    fn a_changed_byte_another_key_id_or_another_ring_key_opens_nothing() {
        let (sessions, now) = (ring(&[("a", 1), ("b", 2)]), OffsetDateTime::now_utc());
        let made = sessions.begin(new(now)).unwrap();
        let token = made.token.expose();
        let code = |id: &str, token: &str| sessions.open(id, token, now).unwrap_err().code();
        for at in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                code(&made.access_key_id, std::str::from_utf8(&bytes).unwrap()),
                Code::InvalidToken,
                "byte {at}"
            );
            assert_eq!(code(&made.access_key_id, &token[..at]), Code::InvalidToken, "cut at {at}");
        }
        let other = sessions.begin(new(now)).unwrap();
        assert_eq!(code(&other.access_key_id, token), Code::InvalidToken);
        assert_eq!(code(&made.access_key_id, &token.replace("ZAS1.a.", "ZAS1.b.")), Code::InvalidToken);
        assert_eq!(code(&made.access_key_id, &token.replace("ZAS1.", "ZAS2.")), Code::InvalidToken);
        assert_eq!(code(&made.access_key_id, &"A".repeat(5000)), Code::InvalidToken);
    }

    #[test]
    fn a_rotated_ring_opens_what_the_old_one_sealed() {
        let now = OffsetDateTime::now_utc();
        let made = ring(&[("a", 1)]).begin(new(now)).unwrap();
        ring(&[("b", 2), ("a", 1)]).open(&made.access_key_id, made.token.expose(), now).unwrap();
        assert!(ring(&[("b", 2)]).open(&made.access_key_id, made.token.expose(), now).is_err());
    }

    #[test]
    fn what_does_not_fit_into_a_header_is_refused() {
        let mut large = new(OffsetDateTime::now_utc());
        large.identity.attributes = [("team".to_owned(), vec!["x".repeat(256); 20])].into();
        assert_eq!(ring(&[("a", 1)]).begin(large).unwrap_err().code(), Code::PackedPolicyTooLarge);
    }
}
