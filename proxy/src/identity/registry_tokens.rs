//! [`RegistryTokens`]: what clients of the registry get at `/-/token` and show at `/v2/`. Sealed, so that only we read them, and
//! stateless.
//!
//! A token of an access key names the key alone: it is looked up again with each request, so that a key that was disabled is dead
//! with all its tokens. A token of a person holds what the issuer said, and lapses with the issuer's own token.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use zas_policy::{Identity, Principal};

use super::{Bearer, KeyRing, Seal};
use crate::config::{Issuer, Secret};
use crate::error::{Code, Error, Result};

/// How long an access token is good.
const LIFETIME: Duration = Duration::minutes(5);

/// The shortest that one is: older clients rely on a minute (distribution, "Token Authentication Specification", `expires_in`).
const SHORTEST: Duration = Duration::minutes(1);

/// How long a refresh token is.
const REFRESH_LIFETIME: Duration = Duration::days(30);

/// What tokens begin with: the version of what is sealed, and which kind it is.
const ACCESS: &str = "ZAT1";
const REFRESH: &str = "ZAF1";

/// Bytes of a token: larger ones go into no header.
const LONGEST: usize = 12 * 1024;

/// What one repository, or the registry, may be used for (distribution, "Token Authentication Specification").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "t")]
    pub kind: String,
    /// The repository's name, or `catalog`.
    #[serde(rename = "n")]
    pub name: String,
    /// `pull`, `push`, `delete`; or `*` for the catalog.
    #[serde(rename = "a")]
    pub actions: Vec<String>,
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The holder of an access key, by its id.
    Key(String),
    /// A person or a CI job, by the issuer's word.
    Person(Bearer),
}

/// A token that was opened.
#[derive(Debug, Clone)]
pub struct OpenToken {
    /// Who shows it.
    pub holder: Holder,
    /// What it is good for.
    pub access: Vec<Access>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    person: Option<Person>,
    #[serde(rename = "a", default)]
    access: Vec<Access>,
    #[serde(rename = "e")]
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Person {
    #[serde(rename = "s")]
    id: String,
    #[serde(rename = "u")]
    name: String,
    #[serde(rename = "i")]
    issuer: String,
    #[serde(rename = "r")]
    roles: Vec<String>,
    #[serde(rename = "g")]
    groups: Vec<String>,
    #[serde(rename = "a")]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(rename = "t")]
    token_id: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    login_id: Option<String>,
    #[serde(rename = "b")]
    issued_at: i64,
    #[serde(rename = "e")]
    expires_at: i64,
}

/// Seals and opens tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RegistryTokens {
    ring: Arc<KeyRing>,
    /// Names of issuers that are asked about each of their tokens.
    asked: Arc<[String]>,
}

impl RegistryTokens {
    /// Sealed by a ring of their own purpose.
    #[must_use]
    pub fn new(ring: Arc<KeyRing>) -> Self {
        Self { ring, asked: Arc::new([]) }
    }

    /// People of those of these issuers that are asked about each token get tokens for the shortest time: nobody asks about these again.
    #[must_use]
    pub fn with_issuers(mut self, issuers: &[Issuer]) -> Self {
        let asked = issuers.iter().filter(|issuer| issuer.introspection.is_some());
        self.asked = asked.map(|issuer| issuer.name.clone()).collect();
        self
    }

    /// Whether a text is one of ours by its looks.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.strip_prefix(ACCESS).is_some_and(|rest| rest.starts_with('.'))
    }

    /// An access token, and for how long it is good: from one to five minutes.
    ///
    /// # Errors
    /// `LoginEndsSoon`: the person's own token is good for less. `PackedPolicyTooLarge`: what it must hold goes into no header.
    pub fn issue(&self, holder: &Holder, access: Vec<Access>, now: OffsetDateTime) -> Result<(Secret, Duration)> {
        let (key, person, lifetime) = match holder {
            Holder::Key(id) => (Some(id.clone()), None, LIFETIME),
            Holder::Person(bearer) => {
                let left = Duration::seconds(bearer.expires_at.saturating_sub(now.unix_timestamp()));
                if left < SHORTEST {
                    return Err(Code::LoginEndsSoon.into());
                }
                (None, Some(Person::of(bearer)?), self.longest(bearer).min(left))
            }
        };
        let expires_at = (now + lifetime).unix_timestamp();
        Ok((self.seal(ACCESS, &Sealed { key, person, access, expires_at })?, lifetime))
    }

    fn longest(&self, bearer: &Bearer) -> Duration {
        match &bearer.principal {
            Principal::Identity(identity) if self.asked.contains(&identity.issuer) => SHORTEST,
            _ => LIFETIME,
        }
    }

    /// Opens an access token.
    ///
    /// # Errors
    /// `BearerTokenRejected`: it is not ours, was changed, or has lapsed.
    pub fn open(&self, token: &str, now: OffsetDateTime) -> Result<OpenToken> {
        let sealed = self.unseal(ACCESS, token, now)?;
        let holder = match (sealed.key, sealed.person) {
            (Some(key), None) => Holder::Key(key),
            (None, Some(person)) => Holder::Person(person.bearer()),
            _ => return Err(Code::BearerTokenRejected.into()),
        };
        Ok(OpenToken { holder, access: sealed.access })
    }

    /// A refresh token for the holder of an access key: it is good while the key is, for thirty days at the most.
    ///
    /// # Errors
    /// A fault of the key ring.
    pub fn issue_refresh(&self, key: &str, now: OffsetDateTime) -> Result<Secret> {
        let expires_at = (now + REFRESH_LIFETIME).unix_timestamp();
        self.seal(REFRESH, &Sealed { key: Some(key.to_owned()), person: None, access: Vec::new(), expires_at })
    }

    /// The access key id of a refresh token.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_refresh(&self, token: &str, now: OffsetDateTime) -> Result<String> {
        self.unseal(REFRESH, token, now)?.key.ok_or_else(|| Code::BearerTokenRejected.into())
    }

    fn seal(&self, kind: &str, content: &Sealed) -> Result<Secret> {
        let mut bytes = Vec::new();
        ciborium::into_writer(content, &mut bytes).map_err(Error::internal)?;
        let start = format!("{kind}.{}", self.ring.current());
        let sealed = self.ring.seal(&start, &bytes)?;
        let token = format!("{start}.{}", URL_SAFE_NO_PAD.encode(sealed.bytes));
        if token.len() > LONGEST {
            let text = "You have more roles, groups and attributes than go into a token: show the issuer's token at /v2/ itself.";
            return Err(Error::new(Code::PackedPolicyTooLarge, text));
        }
        Ok(Secret::new(token))
    }

    fn unseal(&self, kind: &str, token: &str, now: OffsetDateTime) -> Result<Sealed> {
        let rejected = || Error::from(Code::BearerTokenRejected);
        let (start, sealed) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST).ok_or_else(rejected)?;
        if start.split('.').next() != Some(kind) {
            return Err(rejected());
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| rejected())?;
        let bytes = self.ring.open(start, &sealed).map_err(|_| rejected())?;
        let content: Sealed = ciborium::from_reader(bytes.as_slice()).map_err(|_| rejected())?;
        if content.expires_at <= now.unix_timestamp() {
            return Err(Code::BearerTokenExpired.into());
        }
        Ok(content)
    }
}

impl Person {
    fn of(bearer: &Bearer) -> Result<Self> {
        let Principal::Identity(identity) = &bearer.principal else {
            return Err(Error::internal("a token speaks of somebody"));
        };
        let identity = Identity::clone(identity);
        Ok(Self {
            id: identity.id,
            name: identity.name,
            issuer: identity.issuer,
            roles: identity.roles,
            groups: identity.groups,
            attributes: identity.attributes,
            token_id: bearer.token_id.clone(),
            login_id: bearer.login_id.clone(),
            issued_at: bearer.issued_at,
            expires_at: bearer.expires_at,
        })
    }

    fn bearer(self) -> Bearer {
        let identity = Identity {
            id: self.id,
            name: self.name,
            issuer: self.issuer,
            roles: self.roles,
            groups: self.groups,
            attributes: self.attributes,
            ..Identity::default()
        };
        let principal = Principal::identity(identity);
        Bearer {
            principal,
            token_id: self.token_id,
            login_id: self.login_id,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RingKey;
    use crate::identity::{Purpose, generate_ring_key};

    fn tokens() -> RegistryTokens {
        let key = RingKey { id: "a".into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None };
        RegistryTokens::new(Arc::new(KeyRing::new(&[key], Purpose::RegistryToken).unwrap()))
    }

    /// Of a person whose token is good for so many seconds more.
    fn bearer(now: OffsetDateTime, left: i64) -> Bearer {
        let identity =
            Identity { id: "kc/1".into(), name: "alice".into(), groups: vec!["/a".into()], ..Identity::default() };
        Bearer {
            principal: Principal::identity(identity),
            token_id: Some("kc/j".into()),
            login_id: Some("kc/s".into()),
            issued_at: now.unix_timestamp(),
            expires_at: now.unix_timestamp() + left,
        }
    }

    fn access() -> Vec<Access> {
        vec![Access { kind: "repository".into(), name: "team/app".into(), actions: vec!["pull".into()] }]
    }

    #[test]
    fn a_token_holds_who_and_for_what_until_it_lapses() {
        let (tokens, now) = (tokens(), OffsetDateTime::now_utc());
        let (token, lifetime) = tokens.issue(&Holder::Key("AKIA".into()), access(), now).unwrap();
        let open = tokens.open(token.expose(), now).unwrap();
        assert_eq!((open.holder, open.access, lifetime), (Holder::Key("AKIA".into()), access(), LIFETIME));
        assert!(tokens.open(token.expose(), now + LIFETIME).unwrap_err().message().contains("expired"));
        let bearer = bearer(now, 90);
        let (token, lifetime) = tokens.issue(&Holder::Person(bearer.clone()), Vec::new(), now).unwrap();
        assert_eq!(lifetime, Duration::seconds(90), "no longer than the issuer's own");
        assert_eq!(tokens.open(token.expose(), now).unwrap().holder, Holder::Person(bearer));
    }

    #[test]
    fn a_login_that_ends_within_a_minute_gets_no_token() {
        let (tokens, now) = (tokens(), OffsetDateTime::now_utc());
        for left in [59, 1, 0, -29] {
            let error = tokens.issue(&Holder::Person(bearer(now, left)), access(), now).unwrap_err();
            assert_eq!((error.code(), error.row().status), (Code::LoginEndsSoon, 401), "{left}");
            assert!(error.message().contains("log in again"), "{error}");
        }
        for (left, good) in [(60, 60), (61, 61), (300, 300), (3600, 300)] {
            let (_, lifetime) = tokens.issue(&Holder::Person(bearer(now, left)), access(), now).unwrap();
            assert_eq!(lifetime, Duration::seconds(good), "{left}");
        }
    }

    #[test]
    fn a_token_of_somebody_whose_issuer_is_asked_about_each_is_good_for_a_minute() {
        let issuer = |name: &str, rest: &str| {
            let text = format!("name = \"{name}\"\nurl = \"https://{name}.example\"\naudiences = [\"zas\"]\n{rest}");
            toml::from_str::<Issuer>(&text).unwrap()
        };
        let issuers = [issuer("kc", "introspection = {}"), issuer("other", "")];
        let (tokens, now) = (tokens().with_issuers(&issuers), OffsetDateTime::now_utc());
        for (issuer, good) in [("kc", 60), ("other", 300)] {
            let identity = Identity { id: format!("{issuer}/1"), issuer: issuer.into(), ..Identity::default() };
            let bearer = Bearer { principal: Principal::identity(identity), ..bearer(now, 3600) };
            let (_, lifetime) = tokens.issue(&Holder::Person(bearer), access(), now).unwrap();
            assert_eq!(lifetime, Duration::seconds(good), "{issuer}");
        }
        let (_, lifetime) = tokens.issue(&Holder::Key("AKIA".into()), access(), now).unwrap();
        assert_eq!(lifetime, LIFETIME);
    }

    #[test]
    fn a_changed_byte_and_the_other_kind_are_refused() {
        let (tokens, now) = (tokens(), OffsetDateTime::now_utc());
        let (token, _) = tokens.issue(&Holder::Key("AKIA".into()), access(), now).unwrap();
        let refresh = tokens.issue_refresh("AKIA", now).unwrap();
        assert_eq!(tokens.open_refresh(refresh.expose(), now).unwrap(), "AKIA");
        assert!(tokens.open_refresh(token.expose(), now).is_err() && tokens.open(refresh.expose(), now).is_err());
        assert!(tokens.open(&refresh.expose().replace(REFRESH, ACCESS), now).is_err());
        for at in 0..token.expose().len() {
            let mut bytes = token.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(tokens.open(std::str::from_utf8(&bytes).unwrap(), now).is_err(), "byte {at}");
        }
    }
}
