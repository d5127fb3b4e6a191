//! [`Introspector`]: what the issuer itself says of a token of its own (RFC 7662): whether it is still good, and claims that it does
//! not hold. Keycloak's lightweight access tokens hold next to none.
//!
//! An answer holds for a few seconds, a refusal too, and is asked for once however many wait for it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use moka::future::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::guarded::{FetchError, Guarded};
use super::{rejected, token_key};
use crate::config::{self, IssuerClient};
use crate::error::{Code, Error, Result};

/// Answers that are remembered.
const REMEMBERED: u64 = 10_000;

/// When to try again where the issuer is away.
const PAUSE: Duration = Duration::from_secs(5);

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct Introspector {
    guarded: Guarded,
    url: String,
    client: IssuerClient,
    answers: Cache<[u8; 32], Option<Arc<Map<String, Value>>>>,
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl Introspector {
    /// Of an issuer that is configured so; nobody is asked yet.
    ///
    /// # Errors
    /// The issuer's certificates cannot be read.
    pub(super) fn new(issuer: &config::Issuer) -> Result<Option<Self>> {
        let (Some(config), Some(client)) = (&issuer.introspection, &issuer.client) else { return Ok(None) };
        let wrong = |error| Error::internal(format!("identity.issuers {}: ca_file: {error}", issuer.name));
        Ok(Some(Self {
            guarded: Guarded::new(issuer).map_err(wrong)?,
            url: config.url(issuer),
            client: client.clone(),
            answers: Cache::builder().max_capacity(REMEMBERED).time_to_live(config.fresh).build(),
        }))
    }

    /// The claims of a token whose signature was found good.
    ///
    /// # Errors
    /// `BearerTokenRejected`: it is no longer good; `IssuerUnavailable`.
    pub(super) async fn claims(&self, text: &str) -> Result<Arc<Map<String, Value>>> {
        let away = |error: Arc<FetchError>| Error::from(Code::IssuerUnavailable).detail(error).retry_after(PAUSE);
        let answer = self.answers.try_get_with(token_key(text), self.ask(text)).await.map_err(away)?;
        answer.ok_or_else(|| {
            rejected(
                "The issuer says that the token is not active: it has ended, or is not meant for the client that asks. In Keycloak, \
                 that client must be in the token's aud claim.",
            )
        })
    }

    async fn ask(&self, text: &str) -> Result<Option<Arc<Map<String, Value>>>, FetchError> {
        let form = [("token", text), ("token_type_hint", "access_token")];
        let answer = self.guarded.post(&self.url, &self.client, &form).await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError(format!("introspection is answered {}", answer.status())));
        }
        let answer: Answer = serde_json::from_slice(answer.body()).map_err(|error| FetchError::new(&error))?;
        Ok(answer.active.then(|| Arc::new(answer.claims)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use serde_json::json;
    use zas_policy::{Identity, Principal};

    use super::*;
    use crate::identity::Issuers;
    use crate::identity::testing::MockIssuer;

    /// An issuer that is asked, and what is left of a token of alice's when it is a light one.
    async fn issuer(fresh: Duration) -> (MockIssuer, Issuers, String) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issuer = MockIssuer::start().await.unwrap();
        let mut config = issuer.config_with_directory("kc", "");
        config.introspection = Some(config::Introspection { fresh, ..config::Introspection::default() });
        let issuers = Issuers::new(&[config]).unwrap();
        let light = json!({"aud": null, "sub": null, "preferred_username": null, "groups": null, "realm_access": null});
        let token = issuer.token("alice", &light).unwrap();
        (issuer, issuers, token)
    }

    fn identity(principal: &Principal) -> Identity {
        match principal {
            Principal::Identity(identity) => (**identity).clone(),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn what_a_light_token_does_not_hold_its_issuer_tells() {
        let (issuer, issuers, token) = issuer(Duration::from_secs(15)).await;
        issuer.shared().tells(Some(issuer.claims("alice")));
        for _ in 0..3 {
            let bearer = issuers.verify(&token).await.unwrap();
            let alice = identity(&bearer.principal);
            assert_eq!((alice.id.as_str(), alice.name.as_str()), ("kc/id-of-alice", "alice"));
            assert_eq!((alice.roles, alice.groups), (vec!["user".to_owned()], vec!["/staff".to_owned()]));
        }
        assert_eq!(issuer.shared().introspected.load(Ordering::Relaxed), 1, "an answer holds");
    }

    #[tokio::test]
    async fn what_the_token_holds_is_not_told_otherwise() {
        let (issuer, issuers, _) = issuer(Duration::from_secs(15)).await;
        let mut told = issuer.claims("mallory");
        told["exp"] = json!(9_999_999_999_i64);
        issuer.shared().tells(Some(told));
        let token = issuer.token("alice", &json!({"groups": []})).unwrap();
        let bearer = issuers.verify(&token).await.unwrap();
        let alice = identity(&bearer.principal);
        assert_eq!((alice.name.as_str(), alice.groups.len()), ("alice", 0));
        assert!(bearer.expires_at < 9_999_999_999);
    }

    #[tokio::test]
    async fn a_token_that_has_ended_at_the_issuer_is_dead_when_the_last_answer_is_old() {
        let (issuer, issuers, token) = issuer(Duration::from_millis(200)).await;
        issuer.shared().tells(Some(issuer.claims("alice")));
        issuers.verify(&token).await.unwrap();
        issuer.shared().tells(None);
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            let error = issuers.verify(&token).await.unwrap_err();
            assert_eq!(error.code(), Code::BearerTokenRejected);
            assert!(error.message().contains("not active"), "{error:?}");
        }
        assert!(issuer.shared().introspected.load(Ordering::Relaxed) <= 3, "a refusal holds too");
    }

    #[tokio::test]
    async fn while_the_issuer_is_away_nobody_is_taken_for_somebody_or_refused_for_good() {
        let (issuer, issuers, token) = issuer(Duration::from_secs(15)).await;
        issuers.warm_up().await;
        issuer.shared().is_down.store(true, Ordering::Relaxed);
        let error = issuers.verify(&token).await.unwrap_err();
        assert_eq!((error.code(), error.retry_after_seconds()), (Code::IssuerUnavailable, Some(5)));
        issuer.shared().is_down.store(false, Ordering::Relaxed);
        issuer.shared().tells(Some(issuer.claims("alice")));
        issuers.verify(&token).await.unwrap();
        // A token that nothing proves is not worth a question.
        let asked = issuer.shared().introspected.load(Ordering::Relaxed);
        let forged = MockIssuer::start().await.unwrap().token("alice", &json!({"iss": issuer.url()})).unwrap();
        assert!(issuers.verify(&forged).await.is_err());
        assert_eq!(issuer.shared().introspected.load(Ordering::Relaxed), asked);
    }
}
