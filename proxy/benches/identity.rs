//! What it costs to know who asks: a token that was seen before, a new one, a session.
#![expect(clippy::unwrap_used, reason = "a benchmark that panics has failed")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jsonwebtoken::Algorithm;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::runtime::Runtime;
use zas_policy::Identity;
use zas_proxy::config::{RingKey, Secret};
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::identity::{Issuers, KeyRing, LONGEST_SESSION, NewSession, Purpose, Sessions, generate_ring_key};

fn tokens(c: &mut Criterion) {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = Runtime::new().unwrap();
    let issuer = runtime.block_on(MockIssuer::start()).unwrap();
    // As Keycloak signs.
    issuer.rotate(Algorithm::RS256).unwrap();
    let issuers = Issuers::new(&[issuer.config("kc", "")]).unwrap();
    let token = issuer.token("alice", &Value::Null).unwrap();
    runtime.block_on(issuers.verify(&token)).unwrap();
    c.bench_function("a token that was seen before", |b| {
        b.to_async(&runtime).iter(|| async { black_box(issuers.verify(&token).await.unwrap()) });
    });
    c.bench_function("a token that was not", |b| {
        b.to_async(&runtime).iter_batched(
            || issuer.token("alice", &Value::Null).unwrap(),
            |token| {
                let issuers = &issuers;
                async move { black_box(issuers.verify(&token).await.unwrap()) }
            },
            BatchSize::SmallInput,
        );
    });
}

fn sessions(c: &mut Criterion) {
    let key = RingKey { id: "a".into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None };
    let sessions = Sessions::new(Arc::new(KeyRing::new(&[key], Purpose::SessionToken).unwrap()));
    let now = OffsetDateTime::now_utc();
    let new = NewSession {
        identity: Identity { id: "kc/1".into(), name: "alice".into(), issuer: "kc".into(), ..Identity::default() },
        role: "deploy".into(),
        name: "job-7".into(),
        policy: None,
        inherited: Vec::new(),
        issued_at: now.unix_timestamp(),
        chain_ends: now + LONGEST_SESSION,
        token_id: None,
        login_id: None,
        access_key: None,
        expires_at: now + Duration::hours(1),
    };
    let made = sessions.begin(new).unwrap();
    c.bench_function("a session token", |b| {
        b.iter(|| black_box(sessions.open(&made.access_key_id, made.token.expose(), now).unwrap()));
    });
}

criterion_group!(benches, tokens, sessions);
criterion_main!(benches);
