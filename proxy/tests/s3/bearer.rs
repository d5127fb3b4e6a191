//! S3 requests with a bearer token in place of a signature.

use http::{Method, Request};
use serde_json::{Value, json};
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::index::{Attachment, RevocationKind};

use super::support::{Ask, World};

/// A world that believes an issuer whose people have no prefix.
pub(crate) async fn world_with_issuer() -> (World, MockIssuer) {
    let issuer = MockIssuer::start().await.unwrap();
    let world = World::with(|config| config.identity.issuers = vec![issuer.config("kc", "")]).await;
    world.put("/bucket").send().await.expect(200);
    (world, issuer)
}

/// Attaches a policy that the program brings along.
pub(crate) async fn attach(world: &World, policy: &str, kind: &str, target: &str) {
    let attachment = Attachment { policy: policy.into(), target_kind: kind.into(), target: target.into() };
    world.app.index.attach_policy(&attachment, "test", &[]).await.unwrap();
    world.app.authority.policies().refresh(&world.app.index).await.unwrap();
}

fn with_token(ask: Ask<'_>, token: &str) -> Request<zas_proxy::gateway::Body> {
    ask.late_header("authorization", format!("Bearer {token}")).anonymous()
}

#[tokio::test]
async fn a_token_does_what_the_policies_of_its_user_roles_and_groups_say() {
    let (world, issuer) = world_with_issuer().await;
    let alice = issuer.token("alice", &Value::Null).unwrap();
    world.send(with_token(world.put("/bucket/a").body("a"), &alice)).await.expect_error(403, "AccessDenied");
    attach(&world, "read-write", "group", "/staff").await;
    world.send(with_token(world.put("/bucket/a").body("a"), &alice)).await.expect(200);
    assert_eq!(world.send(with_token(world.get("/bucket/a"), &alice)).await.expect(200).text(), "a");
    let bob = issuer.token("bob", &json!({"groups": []})).unwrap();
    world.send(with_token(world.get("/bucket/a"), &bob)).await.expect_error(403, "AccessDenied");
    // Overrides of an answer's headers need somebody who is known; that is so.
    let answer = world.send(with_token(world.get("/bucket/a?response-content-type=text/x"), &alice)).await.expect(200);
    assert_eq!(answer.header("content-type"), "text/x");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_opens_nothing_and_nothing_is_read_without_one() {
    let (world, issuer) = world_with_issuer().await;
    attach(&world, "admin", "group", "/staff").await;
    let token = issuer.token("alice", &json!({"aud": "other"})).unwrap();
    let answer = world.send(with_token(world.get("/bucket/a"), &token)).await.expect_error(401, "InvalidToken");
    assert!(answer.text().contains("audience mapper"), "{}", answer.text());
    world.send(with_token(world.get("/bucket/a"), "e.e.e")).await.expect_error(401, "InvalidToken");
    world.send(with_token(world.get("/bucket/a"), "")).await.expect_error(400, "AuthorizationHeaderMalformed");
    let good = issuer.token("alice", &Value::Null).unwrap();
    world.send(with_token(world.get("/bucket?list-type=2"), &good)).await.expect(200);
    let twice = world.get("/bucket").late_header("authorization", "Bearer x");
    world.send(with_token(twice, &good)).await.expect_error(400, "AuthorizationHeaderMalformed");
    let presigned = world.get("/bucket/a").presigned(std::time::Duration::from_secs(60)).signed();
    let uri = presigned.uri().to_string();
    world.send(with_token(world.get(&uri), &good)).await.expect_error(400, "InvalidArgument");
    let with_session_token = world.get("/bucket").late_header("x-amz-security-token", "x");
    world.send(with_token(with_session_token, &good)).await.expect_error(400, "InvalidToken");
}

#[tokio::test]
async fn a_token_that_was_revoked_or_whose_owner_was_is_refused() {
    let (world, issuer) = world_with_issuer().await;
    attach(&world, "admin", "group", "/staff").await;
    let one = issuer.token("alice", &json!({"jti": "one"})).unwrap();
    let two = issuer.token("alice", &json!({"jti": "two"})).unwrap();
    let list =
        async |token: &str| world.send(with_token(world.ask(Method::GET, "/bucket?list-type=2"), token)).await.status;
    assert_eq!((list(&one).await.as_u16(), list(&two).await.as_u16()), (200, 200));
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    let revocations = world.app.identity.revocations().unwrap();
    world.app.index.revoke(RevocationKind::Token, "kc/one", later, "", "root", &[]).await.unwrap();
    revocations.refresh(&world.app.index).await.unwrap();
    assert_eq!((list(&one).await.as_u16(), list(&two).await.as_u16()), (401, 200));
    world.app.index.revoke(RevocationKind::Subject, "kc/id-of-alice", later, "", "root", &[]).await.unwrap();
    revocations.refresh(&world.app.index).await.unwrap();
    assert_eq!(list(&two).await.as_u16(), 401);
    let bob = issuer.token("bob", &Value::Null).unwrap();
    assert_eq!(list(&bob).await.as_u16(), 200);
}
