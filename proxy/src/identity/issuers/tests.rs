//! List of attacks on tokens, and what issuers do at their worst; and workloads (`tests/ci.rs`).

mod ci;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use zas_policy::Identity;

use super::*;
use crate::identity::testing::MockIssuer;

async fn issuer() -> (MockIssuer, Issuers) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let issuer = MockIssuer::start().await.unwrap();
    let issuers = Issuers::new(&[issuer.config("kc", "")]).unwrap();
    (issuer, issuers)
}

async fn identity(issuers: &Issuers, token: &str) -> Identity {
    match &issuers.verify(token).await.unwrap().principal {
        Principal::Identity(identity) => (**identity).clone(),
        other => panic!("{other}"),
    }
}

async fn refusal(issuers: &Issuers, token: &str) -> Error {
    let error = issuers.verify(token).await.unwrap_err();
    let is_refused = matches!(error.code(), Code::BearerTokenRejected | Code::BearerTokenExpired);
    assert!(is_refused, "{}", error.for_log());
    error
}

/// Refused before anything was proven: the text is the table's.
async fn is_unproven(issuers: &Issuers, token: &str) {
    let error = refusal(issuers, token).await;
    assert_eq!(error.message(), Code::BearerTokenRejected.row().message, "{}", error.for_log());
}

#[tokio::test]
async fn a_good_token_speaks_of_its_user_with_roles_groups_and_attributes() {
    let (issuer, issuers) = issuer().await;
    let further =
        json!({"resource_access": {"zas": {"roles": ["pusher"]}, "other": {"roles": ["root"]}}, "team": "build"});
    let found = identity(&issuers, &issuer.token("alice", &further).unwrap()).await;
    assert_eq!((found.id.as_str(), found.name.as_str(), found.issuer.as_str()), ("kc/id-of-alice", "alice", "kc"));
    assert_eq!((found.roles, found.groups), (vec!["user".to_owned(), "pusher".into()], vec!["/staff".to_owned()]));
    assert_eq!(found.attributes["team"], ["build"]);
    assert_eq!(found.attributes["aud"], ["zas", "account"]);
}

#[tokio::test]
async fn names_of_one_issuer_cannot_be_those_of_another() {
    let (issuer, _) = issuer().await;
    let other = MockIssuer::start().await.unwrap();
    let issuers = Issuers::new(&[issuer.config("kc", ""), other.config("gh", "gh:")]).unwrap();
    let bob = identity(&issuers, &other.token("bob", &Value::Null).unwrap()).await;
    assert_eq!(
        (bob.name.as_str(), bob.roles, bob.groups),
        ("gh:bob", vec!["gh:user".to_owned()], vec!["gh:/staff".to_owned()])
    );
    for name in ["gh:bob", "service/ci", "system/signing-rules"] {
        let error = refusal(&issuers, &issuer.token("x", &json!({ "preferred_username": name })).unwrap()).await;
        assert!(error.message().contains("another issuer"), "{error:?}");
    }
    let roles = json!({"realm_access": {"roles": ["gh:user", "plain", "a\nb"]}, "groups": ["service/x", "/a"]});
    let alice = identity(&issuers, &issuer.token("alice", &roles).unwrap()).await;
    assert_eq!((alice.roles, alice.groups), (vec!["plain".to_owned()], vec!["/a".to_owned()]));
}

#[tokio::test]
async fn rules_give_roles_to_whoever_has_their_claims() {
    let (issuer, _) = issuer().await;
    let mut config = issuer.config("gh", "gh:");
    config.role_rules = vec![config::RoleRule {
        role: "ci-push".into(),
        claims: [
            ("/repository_id".to_owned(), vec!["42".to_owned()]),
            ("/sub".to_owned(), vec!["repo:acme/app:*".to_owned(), "repo:acme@1/app@42:*".to_owned()]),
        ]
        .into(),
    }];
    let issuers = Issuers::new(&[config]).unwrap();
    let roles = async |further: Value| identity(&issuers, &issuer.token("x", &further).unwrap()).await.roles;
    for sub in ["repo:acme/app:ref:refs/heads/main", "repo:acme@1/app@42:ref:refs/heads/main"] {
        assert!(roles(json!({"repository_id": "42", "sub": sub})).await.contains(&"ci-push".to_owned()), "{sub}");
    }
    assert_eq!(roles(json!({"repository_id": "42", "sub": "repo:evil/app:ref"})).await, ["gh:user"]);
    assert_eq!(roles(json!({"sub": "repo:acme/app:ref"})).await, ["gh:user"]);
}

#[tokio::test]
async fn no_key_but_the_issuers_own_proves_anything() {
    let (issuer, issuers) = issuer().await;
    issuer.rotate(Algorithm::RS256).unwrap();
    let claims = issuer.claims("alice");
    issuers.verify(&issuer.sign(&claims, &Value::Null).unwrap()).await.unwrap();
    let kid = issuer.public_key()["kid"].clone();

    let none = |alg: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "kid": kid}).to_string());
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    for alg in ["none", "None", "NONE", ""] {
        is_unproven(&issuers, &none(alg)).await;
        is_unproven(&issuers, &format!("{}AA", none(alg))).await;
    }
    // The public key, or a client's secret, as that of a symmetric signature (CVE-2026-33322).
    let modulus = URL_SAFE_NO_PAD.decode(issuer.public_key()["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, issuer.public_key().to_string().into_bytes(), b"client-secret".to_vec()] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": kid}).to_string());
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = EncodingKey::from_secret(&secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        is_unproven(&issuers, &format!("{message}.{signature}")).await;
    }
    // Keys that the token brings along or points to.
    let attacker = MockIssuer::start().await.unwrap();
    attacker.rotate(Algorithm::RS256).unwrap();
    for header in [
        json!({"kid": kid, "jwk": attacker.public_key()}),
        json!({"kid": kid, "jku": format!("{}/keys", attacker.url())}),
        json!({"kid": kid, "x5u": format!("{}/keys", attacker.url())}),
        json!({"kid": kid, "x5c": ["AAAA"]}),
        json!({"kid": kid}),
    ] {
        is_unproven(&issuers, &attacker.sign(&claims, &header).unwrap()).await;
    }
    assert_eq!(attacker.shared().asked.load(Ordering::Relaxed), 0, "nobody looked where the token points");
    for header in
        [json!({"kid": null}), json!({"kid": ""}), json!({"kid": 7}), json!({"crit": ["exp"]}), json!({"alg": "PS512"})]
    {
        is_unproven(&issuers, &issuer.sign(&claims, &header).unwrap()).await;
    }
}

#[tokio::test]
async fn a_key_of_one_issuer_does_not_sign_for_another() {
    let (one, _) = issuer().await;
    let two = MockIssuer::start().await.unwrap();
    let issuers = Issuers::new(&[one.config("one", "one:"), two.config("two", "two:")]).unwrap();
    // Both have a key of this id.
    assert_eq!(one.public_key()["kid"], two.public_key()["kid"]);
    is_unproven(&issuers, &two.sign(&one.claims("alice"), &Value::Null).unwrap()).await;
    issuers.verify(&two.sign(&two.claims("alice"), &Value::Null).unwrap()).await.unwrap();
    is_unproven(&issuers, &two.token("x", &json!({"iss": "https://unknown.example"})).unwrap()).await;
}

#[tokio::test]
async fn claims_that_are_missing_wrong_or_of_the_wrong_type_are_named() {
    let (issuer, issuers) = issuer().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    for (further, says) in [
        (json!({"exp": (now + 300).to_string()}), "exp claim is not a number"),
        (json!({"exp": null}), "no exp claim"),
        (json!({"exp": now - 31}), "expired"),
        (json!({"nbf": (now).to_string()}), "nbf claim is not a number"),
        (json!({"nbf": now + 60}), "not good yet"),
        (json!({"iat": now + 60}), "not good yet"),
        (json!({"iat": null}), "no iat claim"),
        (json!({"iat": now - 25 * 3600}), "longer ago"),
        (json!({"aud": null}), "audience mapper"),
        (json!({"aud": "other"}), "audience mapper"),
        (json!({"aud": ["zas2", 7]}), "audience mapper"),
        (json!({"aud": null, "azp": "zas"}), "audience mapper"),
        (json!({"sub": null}), "no usable sub"),
        (json!({"sub": "a\nb"}), "no usable sub"),
        (json!({"typ": "ID"}), "not an access token"),
        (json!({"typ": "Refresh"}), "not an access token"),
        (json!({"typ": "Offline"}), "not an access token"),
        (
            json!({"typ": "Logout", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            "not an access token",
        ),
        (json!({"typ": null, "nonce": "n"}), "not an access token"),
        (json!({"typ": null, "events": {}}), "not an access token"),
        (json!({"preferred_username": "a\u{0}b"}), "no usable user name"),
    ] {
        let error = refusal(&issuers, &issuer.token("alice", &further).unwrap()).await;
        assert!(error.message().contains(says), "{further} {}", error.message());
    }
    for typ in ["refresh+jwt", "logout+jwt", "dpop+jwt"] {
        let token = issuer.sign(&issuer.claims("alice"), &json!({ "typ": typ })).unwrap();
        assert!(refusal(&issuers, &token).await.message().contains("not an access token"), "{typ}");
    }
    for (further, header) in
        [(json!({"exp": now as f64 + 60.5}), Value::Null), (json!({"aud": "zas"}), json!({"typ": "at+JWT"}))]
    {
        let mut claims = issuer.claims("alice");
        claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        issuers.verify(&issuer.sign(&claims, &header).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn id_tokens_and_clients_are_accepted_where_that_is_configured() {
    let (issuer, _) = issuer().await;
    let mut config = issuer.config("ci", "ci:");
    config.id_tokens = true;
    config.authorized_parties = vec!["cli".into()];
    let issuers = Issuers::new(&[config]).unwrap();
    issuers.verify(&issuer.token("x", &json!({"typ": "ID", "nonce": "n"})).unwrap()).await.unwrap();
    for azp in [json!({"azp": "other"}), json!({"azp": null})] {
        let error = refusal(&issuers, &issuer.token("x", &azp).unwrap()).await;
        assert!(error.message().contains("azp"), "{error:?}");
    }
    assert!(
        refusal(&issuers, &issuer.token("x", &json!({"typ": "Refresh"})).unwrap())
            .await
            .message()
            .contains("access token")
    );
}

#[tokio::test]
async fn a_token_that_two_parsers_read_differently_is_refused() {
    let (issuer, issuers) = issuer().await;
    let claims = issuer.claims("alice").to_string();
    let twice = claims.replacen('{', "{\"sub\":\"root\",", 1);
    let deep = claims.replacen('{', &format!("{{\"x\":{}1{},", "[".repeat(5000), "]".repeat(5000)), 1);
    for claims in [twice, deep, "[]".into(), "1".into(), String::new(), format!("{claims} {{}}")] {
        is_unproven(&issuers, &issuer.sign_raw(None, &claims).unwrap()).await;
    }
    let kid = issuer.public_key()["kid"].clone();
    let header = format!(r#"{{"alg":"none","alg":"ES256","kid":{kid}}}"#);
    is_unproven(&issuers, &issuer.sign_raw(Some(&header), &claims).unwrap()).await;
    let large = issuer.token("alice", &json!({"x": "a".repeat(1024 * 1024)})).unwrap();
    for text in ["", ".", "..", "...", "a.b.c", "a.b.c.d", large.as_str(), "ey.ey.ey", "\u{1F600}.\u{1F600}.\u{1F600}"]
    {
        is_unproven(&issuers, text).await;
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let (issuer, issuers) = issuer().await;
    let token = issuer.token("alice", &Value::Null).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(issuers.verify(&changed).await.is_err(), "byte {at}");
    }
    issuers.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once() {
    let (issuer, issuers) = issuer().await;
    issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap();
    let flood = (0..1000).map(|i| {
        let (issuers, token) =
            (&issuers, issuer.sign(&issuer.claims("x"), &json!({"kid": format!("made-up-{i}")})).unwrap());
        async move { issuers.verify(&token).await.unwrap_err().code() }
    });
    let answers = futures::future::join_all(flood).await;
    assert!(answers.iter().all(|code| *code == Code::TokenKeyUnknown));
    assert_eq!(issuer.shared().asked.load(Ordering::Relaxed), 1);
    issuers.verify(&issuer.token("bob", &Value::Null).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_may_be_new_waits_and_one_that_the_issuer_does_not_have_is_refused() {
    let (issuer, issuers) = issuer().await;
    let made_up = issuer.sign(&issuer.claims("x"), &json!({"kid": "made-up"})).unwrap();
    // Nobody was asked before: now the issuer is, and does not have it.
    is_unproven(&issuers, &made_up).await;
    let old = issuer.token("old", &Value::Null).unwrap();
    issuer.rotate(Algorithm::ES256).unwrap();
    let new = issuer.token("alice", &Value::Null).unwrap();
    let other = issuer.sign(&issuer.claims("x"), &json!({"kid": "made-up-too"})).unwrap();
    for token in [&new, &other] {
        let error = issuers.verify(token).await.unwrap_err();
        assert_eq!((error.code(), error.row().status), (Code::TokenKeyUnknown, 503), "{}", error.for_log());
        assert!((1..=10).contains(&error.retry_after_seconds().unwrap()), "{:?}", error.retry_after_seconds());
        assert!(!error.row().kind.is_our_fault(), "made-up keys are nothing that an operator must hear of");
    }
    is_unproven(&issuers, &made_up).await;
    assert_eq!(issuer.shared().asked.load(Ordering::Relaxed), 1, "the pause is kept");
    issuers.issuers[0].warm_up().await;
    issuers.verify(&new).await.unwrap();
    // What was named before the issuer was asked is refused at once, and so is what it has withdrawn.
    for token in [&other, &made_up, &old] {
        is_unproven(&issuers, token).await;
    }
    assert_eq!(issuer.shared().asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_at_a_thousand_a_second_leaves_others_alone() {
    const SECONDS: u64 = 3;
    let (issuer, issuers) = issuer().await;
    issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap();
    let asked = issuer.shared().asked.load(Ordering::Relaxed);
    let made_up = |i: u64| issuer.sign(&issuer.claims("x"), &json!({ "kid": format!("made-up-{i}") })).unwrap();
    let tokens: Vec<String> = (0..1000 * SECONDS).map(made_up).collect();
    let issuers = Arc::new(issuers);
    let flood = tokio::spawn({
        let issuers = Arc::clone(&issuers);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            let mut refused = 0;
            for wave in tokens.chunks(10) {
                ticks.tick().await;
                let answers = futures::future::join_all(wave.iter().map(|token| issuers.verify(token))).await;
                refused += answers.iter().filter(|answer| answer.is_err()).count();
            }
            refused
        }
    });
    let mut served = 0;
    while !flood.is_finished() {
        issuers.verify(&issuer.token(&format!("user-{served}"), &Value::Null).unwrap()).await.unwrap();
        served += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(flood.await.unwrap(), 3000);
    assert!(served > 10, "{served}");
    let asked = issuer.shared().asked.load(Ordering::Relaxed) - asked;
    assert!(asked <= 1, "the issuer was asked {asked} times in {SECONDS} seconds");
}

#[tokio::test]
async fn known_keys_go_on_while_the_issuer_is_down_and_new_ones_wait() {
    let (issuer, issuers) = issuer().await;
    issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap();
    issuer.shared().is_down.store(true, Ordering::Relaxed);
    issuers.issuers[0].warm_up().await;
    issuers.verify(&issuer.token("bob", &Value::Null).unwrap()).await.unwrap();
    issuer.add(Algorithm::ES256).unwrap();
    let error = issuers.verify(&issuer.token("carol", &Value::Null).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.row().status), (Code::IssuerUnavailable, 503));
    assert_eq!(error.retry_after_seconds(), Some(10));
    issuer.shared().is_down.store(false, Ordering::Relaxed);
    issuers.issuers[0].warm_up().await;
    issuers.verify(&issuer.token("carol", &Value::Null).unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_names_another_is_not_believed() {
    let (issuer, issuers) = issuer().await;
    issuer.shared().names_another.store(true, Ordering::Relaxed);
    let error = issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::IssuerUnavailable);
    assert_eq!(issuer.shared().asked.load(Ordering::Relaxed), 0, "its keys were not even asked for");
}

#[tokio::test]
async fn an_issuer_at_an_address_that_is_not_listed_is_not_asked() {
    let (issuer, _) = issuer().await;
    let mut config = issuer.config("kc", "");
    config.allowed_networks.clear();
    let issuers = Issuers::new(&[config.clone()]).unwrap();
    let error = issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::IssuerUnavailable);
    // By name too, at the moment of connecting.
    config.url = config.url.replace("127.0.0.1", "localhost");
    let issuers = Issuers::new(&[config.clone()]).unwrap();
    let token = issuer.token("alice", &json!({"iss": config.url})).unwrap();
    assert_eq!(issuers.verify(&token).await.unwrap_err().code(), Code::IssuerUnavailable);
    assert_eq!(issuer.shared().asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn keys_may_stand_in_a_file_or_at_an_address() {
    let (issuer, _) = issuer().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(
        &path,
        json!({"keys": [issuer.public_key(), {"kty": "oct", "k": "AAAA", "kid": "hmac"}]}).to_string(),
    )
    .unwrap();
    let mut from_file = issuer.config("kc", "");
    from_file.jwks_file = Some(path);
    let mut from_url = issuer.config("kc", "");
    from_url.jwks_url = Some(format!("{}/keys", issuer.url()));
    for config in [from_file, from_url] {
        let issuers = Issuers::new(&[config]).unwrap();
        issuers.verify(&issuer.token("alice", &Value::Null).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_seen_before_is_not_good_for_longer_than_it_says() {
    let (issuer, issuers) = issuer().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let token = issuer.token("alice", &json!({"exp": now - SKEW + 1})).unwrap();
    issuers.verify(&token).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert!(refusal(&issuers, &token).await.message().contains("expired"));
}
