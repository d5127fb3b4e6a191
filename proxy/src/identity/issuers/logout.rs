//! [`Logout`]: what a logout token says (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6).

use super::token::Token;
use super::{SKEW, rejected};
use crate::config::Issuer;
use crate::error::Result;

/// The event that a logout token tells of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long ago a logout token may have been issued, in seconds: issuers send them at once.
const MAX_AGE: i64 = 300;

/// Somebody who has logged out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The identity id of whoever has logged out, where the token names somebody.
    pub subject: Option<String>,
    /// The login that was ended, after the issuer's name and a slash, where the token names one.
    pub login: Option<String>,
    /// Seconds since 1970 at which that was so, by the issuer's clock: what was issued later is of a later login.
    pub issued_at: i64,
    /// The token's `jti`.
    pub token_id: String,
}

impl Logout {
    /// What a token says whose signature was found good, at `now` in seconds since 1970.
    pub(super) fn read(token: &Token<'_>, config: &Issuer, now: i64) -> Result<Self> {
        check_kind(token)?;
        if !token.is_for(config.logout_audiences()) {
            return Err(rejected("The token's aud claim holds none of identity.issuers.logout_audiences."));
        }
        let issued_at = check_times(token, now)?;
        let named = |claim: &str| token.id(claim).map(|id| format!("{}/{id}", config.name));
        let (subject, login) = (named("sub"), named("sid"));
        if subject.is_none() && login.is_none() {
            return Err(rejected("The token has no usable sub claim, and no usable sid claim."));
        }
        let token_id = token.id("jti").ok_or_else(|| rejected("The token has no usable jti claim."))?.to_owned();
        Ok(Self { issuer: config.name.clone(), subject, login, issued_at, token_id })
    }
}

/// A logout token, and nothing that could be taken for another kind.
fn check_kind(token: &Token<'_>) -> Result<()> {
    let is_typed = matches!(token.media_type().as_deref(), None | Some("jwt" | "logout+jwt"));
    let is_keycloaks = token.claim("typ").is_none_or(|typ| typ.as_str() == Some("Logout"));
    let tells = token.claim("events").and_then(|events| events.get(EVENT)).is_some_and(serde_json::Value::is_object);
    if is_typed && is_keycloaks && tells && token.claim("nonce").is_none() {
        return Ok(());
    }
    Err(rejected("The token is not a logout token."))
}

/// When the token was issued, where that was now and not in the past.
fn check_times(token: &Token<'_>, now: i64) -> Result<i64> {
    let issued_at = token.seconds("iat")?.ok_or_else(|| rejected("The token has no iat claim."))?;
    if issued_at > now.saturating_add(SKEW) {
        return Err(rejected("The token is not good yet: its iat claim is in the future."));
    }
    // Older issuers leave exp out: then the age alone bounds it.
    let has_expired = token.seconds("exp")?.is_some_and(|end| end.saturating_add(SKEW) <= now);
    if has_expired || issued_at.saturating_add(MAX_AGE).saturating_add(SKEW) < now {
        return Err(rejected("The token has expired."));
    }
    Ok(issued_at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::OffsetDateTime;

    use super::*;
    use crate::identity::Issuers;
    use crate::identity::testing::MockIssuer;

    async fn issuer() -> (MockIssuer, Issuers) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issuer = MockIssuer::start().await.unwrap();
        let mut config = issuer.config("kc", "");
        config.logout_audiences = Some(vec!["cli".to_owned()]);
        let issuers = Issuers::new(&[config]).unwrap();
        (issuer, issuers)
    }

    #[tokio::test]
    async fn a_logout_token_names_somebody_or_a_login_and_when() {
        let (issuer, issuers) = issuer().await;
        let token = issuer.logout_token("alice", &Value::Null, &json!({"typ": "logout+jwt"})).unwrap();
        let read = issuers.verify_logout(&token).await.unwrap();
        assert_eq!((read.issuer.as_str(), read.subject.as_deref()), ("kc", Some("kc/id-of-alice")));
        assert_eq!(read.login.as_deref(), Some("kc/login-of-alice"));
        assert!((OffsetDateTime::now_utc().unix_timestamp() - read.issued_at).abs() <= 5);
        for (claim, other) in [("sub", "sid"), ("sid", "sub")] {
            let token = issuer.logout_token("alice", &json!({ claim: null }), &Value::Null).unwrap();
            let read = issuers.verify_logout(&token).await.unwrap();
            assert!(read.subject.is_some() != read.login.is_some(), "{other} alone");
        }
    }

    #[tokio::test]
    async fn what_is_no_logout_token_for_us_of_this_moment_is_refused() {
        let (issuer, issuers) = issuer().await;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = [
            json!({"events": null}),
            json!({"events": {}}),
            json!({"events": {EVENT: true}}),
            json!({"events": EVENT}),
            json!({"nonce": "n"}),
            json!({"typ": "Bearer"}),
            json!({"aud": "zas"}),
            json!({"aud": null}),
            json!({"sub": null, "sid": null}),
            json!({"sub": "", "sid": 7}),
            json!({"jti": null}),
            json!({"iat": null}),
            json!({"iat": "now"}),
            json!({"iat": now + 120}),
            json!({"iat": now - 400}),
            json!({"exp": now - 60}),
            json!({"exp": "never"}),
            json!({"iss": "https://other.example"}),
        ];
        for further in claims {
            let token = issuer.logout_token("alice", &further, &Value::Null).unwrap();
            assert!(issuers.verify_logout(&token).await.is_err(), "{further}");
        }
        let typed = issuer.logout_token("alice", &Value::Null, &json!({"typ": "at+jwt"})).unwrap();
        assert!(issuers.verify_logout(&typed).await.is_err());
        let access_token = issuer.token("alice", &json!({"aud": "cli"})).unwrap();
        assert!(issuers.verify_logout(&access_token).await.is_err());
        let forged = MockIssuer::start().await.unwrap();
        let token = forged.logout_token("alice", &json!({"iss": issuer.url()}), &Value::Null).unwrap();
        assert!(issuers.verify_logout(&token).await.is_err());
        // And a logout token opens nothing.
        let token = issuer.logout_token("alice", &json!({"aud": "zas"}), &Value::Null).unwrap();
        assert!(issuers.verify(&token).await.is_err());
    }
}
