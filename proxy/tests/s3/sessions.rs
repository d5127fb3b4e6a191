//! STS as SDKs call it, and requests that are signed with what it gives.

use std::time::Duration;

use serde_json::{Value, json};
use zas_proxy::identity::testing::MockIssuer;
use zas_proxy::index::{AccessKeyChange, DocumentKind, NewDocument, RevocationKind};

use super::access_keys::service_account;
use super::bearer::{attach, world_with_issuer};
use super::support::{Answer, World};

const ROLE: &str = "arn:aws:iam:::role/deploy";

async fn role(world: &World, name: &str, trust: &str, max_session: i32) {
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": {trust}}}"#);
    let new = NewDocument {
        kind: DocumentKind::Role,
        name,
        document: &document,
        description: "",
        max_session: Some(max_session),
        expected: None,
        by: "test",
        audit: &[],
    };
    world.app.index.put_policy_document(new).await.unwrap();
    world.app.authority.policies().refresh(&world.app.index).await.unwrap();
}

/// A role for Alice's tokens, that may read and write.
pub(crate) async fn world_with_role() -> (World, MockIssuer) {
    let (world, issuer) = world_with_issuer().await;
    let trust = r#"[
        {"Effect": "Allow", "Principal": {"Federated": "kc"}, "Action": "sts:AssumeRoleWithWebIdentity",
         "Condition": {"StringEquals": {"jwt:sub": "id-of-alice"}}},
        {"Effect": "Allow", "Principal": {"AWS": ["user/alice", "role/deploy"]}, "Action": "sts:AssumeRole"}]"#;
    role(&world, "deploy", trust, 7200).await;
    attach(&world, "read-write", "role", "deploy").await;
    (world, issuer)
}

fn credentials(answer: &Answer) -> (String, String, String) {
    (answer.element("AccessKeyId"), answer.element("SecretAccessKey"), answer.element("SessionToken"))
}

async fn with_token(world: &World, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut form =
        vec![("Action", "AssumeRoleWithWebIdentity"), ("WebIdentityToken", token), ("RoleSessionName", "job-7")];
    form.extend(more);
    world.send_to_sts(world.sts(&form).anonymous()).await
}

pub(crate) async fn session(world: &World, issuer: &MockIssuer, more: &[(&str, &str)]) -> (String, String, String) {
    let token = issuer.token("alice", &Value::Null).unwrap();
    let mut form = vec![("RoleArn", ROLE)];
    form.extend(more);
    credentials(&with_token(world, &token, &form).await.expect(200))
}

#[tokio::test]
async fn a_token_becomes_credentials_that_sign_headers_and_urls() {
    let (world, issuer) = world_with_role().await;
    let token = issuer.token("alice", &Value::Null).unwrap();
    let answer = with_token(&world, &token, &[("RoleArn", ROLE), ("DurationSeconds", "900")]).await.expect(200);
    assert_eq!(answer.element("Arn"), "arn:aws:sts:::assumed-role/deploy/job-7");
    assert_eq!((answer.element("Provider"), answer.element("Audience")), ("kc".to_owned(), "zas".to_owned()));
    assert!(answer.element("Expiration").ends_with('Z'), "{}", answer.text());
    let session = credentials(&answer);
    assert!(session.0.starts_with("ASIA") && session.2.starts_with("ZAS1."));
    world.put("/bucket/a").body("a").session(&session).send().await.expect(200);
    assert_eq!(world.get("/bucket/a").session(&session).send().await.expect(200).text(), "a");
    let url = world.get("/bucket/a").session(&session).presigned(Duration::from_secs(60));
    assert_eq!(url.send().await.expect(200).text(), "a");
    let who = world.sts(&[("Action", "GetCallerIdentity")]).session(&session).signed();
    let who = world.send_to_sts(who).await.expect(200);
    assert_eq!(who.element("Arn"), "arn:aws:sts:::assumed-role/deploy/job-7");
    assert!(who.element("UserId").ends_with(":job-7"));
}

#[tokio::test]
async fn a_session_is_on_record_before_anybody_has_its_credentials() {
    let (world, issuer) = world_with_role().await;
    let made = session(&world, &issuer, &[]).await;
    let (sessions, _) = world.app.index.role_sessions(None, 10).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].access_key_id.as_str()), (1, made.0.as_str()));
    assert_eq!((sessions[0].subject.as_str(), sessions[0].role.as_str()), ("kc/id-of-alice", "deploy"));
}

#[tokio::test]
async fn only_those_whom_the_trust_policy_names_get_a_role() {
    let (world, issuer) = world_with_role().await;
    let bob = issuer.token("bob", &Value::Null).unwrap();
    for arn in [ROLE, "arn:aws:iam::123456789012:role/nothing", "deploy"] {
        with_token(&world, &bob, &[("RoleArn", arn)]).await.expect_code(403, "AccessDenied");
    }
    let alice = issuer.token("alice", &Value::Null).unwrap();
    with_token(&world, &alice, &[("RoleArn", "arn:aws:iam:::user/x")]).await.expect_code(400, "ValidationError");
    with_token(&world, "e.e.e", &[("RoleArn", ROLE)]).await.expect_code(400, "InvalidIdentityToken");
    let other = issuer.token("alice", &json!({"aud": "x"})).unwrap();
    with_token(&world, &other, &[("RoleArn", ROLE)]).await.expect_code(400, "InvalidIdentityToken");
    // A role that trusts another issuer.
    let trust = r#"{"Effect": "Allow", "Principal": {"Federated": "gh"}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"jwt:sub": "id-of-alice"}}}"#;
    role(&world, "ci", trust, 3600).await;
    with_token(&world, &alice, &[("RoleArn", "arn:aws:iam:::role/ci")]).await.expect_code(403, "AccessDenied");
    assert!(world.app.index.role_sessions(None, 10).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn without_a_role_the_only_one_that_may_be_taken_is_taken() {
    let (world, issuer) = world_with_role().await;
    let alice = issuer.token("alice", &Value::Null).unwrap();
    let answer = with_token(&world, &alice, &[]).await.expect(200);
    assert!(answer.element("Arn").contains("/deploy/"));
    let trust = r#"{"Effect": "Allow", "Principal": {"Federated": "kc"}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"jwt:sub": ["id-of-alice", "x"]}}}"#;
    role(&world, "second", trust, 3600).await;
    with_token(&world, &alice, &[]).await.expect_code(400, "ValidationError");
    let bob = issuer.token("bob", &Value::Null).unwrap();
    with_token(&world, &bob, &[]).await.expect_code(403, "AccessDenied");
}

#[tokio::test]
async fn a_duration_out_of_bounds_is_refused() {
    let (world, issuer) = world_with_role().await;
    let token = issuer.token("alice", &Value::Null).unwrap();
    for seconds in ["0", "-1", "899", "+900", "7201", "x", "99999999999999999999", "9e2"] {
        let answer = with_token(&world, &token, &[("RoleArn", ROLE), ("DurationSeconds", seconds)]).await;
        answer.expect_code(400, "ValidationError");
    }
    with_token(&world, &token, &[("RoleArn", ROLE), ("DurationSeconds", "7200")]).await.expect(200);
}

#[tokio::test]
async fn a_sessions_policy_narrows_and_never_adds() {
    let (world, issuer) = world_with_role().await;
    world.put("/bucket/a/x").body("x").send().await.expect(200);
    let narrow = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "bucket/a/*"}}"#;
    let made = session(&world, &issuer, &[("Policy", narrow)]).await;
    world.get("/bucket/a/x").session(&made).send().await.expect(200);
    world.put("/bucket/b").body("b").session(&made).send().await.expect_error(403, "AccessDenied");
    // The role may not delete buckets, whatever the session says of itself.
    world.delete("/bucket").session(&made).send().await.expect_error(403, "AccessDenied");
    let deny_only = r#"{"Statement": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}}"#;
    let made = session(&world, &issuer, &[("Policy", deny_only)]).await;
    world.get("/bucket/a/x").session(&made).send().await.expect_error(403, "AccessDenied");
    let empty = session(&world, &issuer, &[("Policy", "")]).await;
    world.get("/bucket/a/x").session(&empty).send().await.expect(200);
    let token = issuer.token("alice", &Value::Null).unwrap();
    let long = format!("{narrow}{}", " ".repeat(2048));
    for policy in [
        "{",
        "[]",
        r#"{"Statement": []}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "s3:Nope", "Resource": "*"}}"#,
    ] {
        let answer = with_token(&world, &token, &[("RoleArn", ROLE), ("Policy", policy)]).await;
        answer.expect_code(400, "MalformedPolicyDocument");
    }
    with_token(&world, &token, &[("RoleArn", ROLE), ("Policy", &long)]).await.expect_code(400, "ValidationError");
}

#[tokio::test]
async fn a_session_token_serves_its_own_key_alone() {
    let (world, issuer) = world_with_role().await;
    let (one, two) = (session(&world, &issuer, &[]).await, session(&world, &issuer, &[]).await);
    let list = async |id: &str, secret: &str, token: &str| {
        let session = (id.to_owned(), secret.to_owned(), token.to_owned());
        world.get("/bucket?list-type=2").session(&session).send().await
    };
    list(&one.0, &one.1, &one.2).await.expect(200);
    list(&two.0, &two.1, &one.2).await.expect_error(400, "InvalidToken");
    list(&one.0, &two.1, &one.2).await.expect_error(403, "SignatureDoesNotMatch");
    let mut flipped = one.2.clone().into_bytes();
    *flipped.last_mut().unwrap() ^= 1;
    list(&one.0, &one.1, &String::from_utf8(flipped).unwrap()).await.expect_error(400, "InvalidToken");
    list(super::support::KEY, super::support::SECRET, &one.2).await.expect_error(400, "InvalidToken");
    world.get("/bucket").key(&one.0, &one.1).send().await.expect_error(403, "InvalidAccessKeyId");
    // Not covered by the signature: it could be anybody's.
    let unsigned = world.get("/bucket").key(&one.0, &one.1).late_header("x-amz-security-token", &one.2);
    unsigned.send().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_session_that_was_ended_or_whose_owner_was_revoked_opens_nothing_on_any_replica() {
    let (world, issuer) = world_with_role().await;
    let (one, two) = (session(&world, &issuer, &[]).await, session(&world, &issuer, &[]).await);
    let list =
        async |session: &(String, String, String)| world.get("/bucket?list-type=2").session(session).send().await;
    list(&one).await.expect(200);
    let index = &world.app.index;
    let (sessions, _) = index.role_sessions(None, 10).await.unwrap();
    let id = sessions.iter().find(|row| row.access_key_id == one.0).unwrap().id;
    index.revoke_role_session(id, "", "root", &[]).await.unwrap();
    // The other replica has told the index; this one asks.
    world.app.identity.revocations().unwrap().refresh(index).await.unwrap();
    list(&one).await.expect_error(400, "InvalidToken");
    list(&two).await.expect(200);
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    index.revoke(RevocationKind::Subject, "kc/id-of-alice", later, "", "root", &[]).await.unwrap();
    world.app.identity.revocations().unwrap().refresh(index).await.unwrap();
    list(&two).await.expect_error(400, "InvalidToken");
}

#[tokio::test]
async fn a_session_ends_with_the_login_that_its_token_was_issued_for() {
    let (world, issuer) = world_with_role().await;
    let token = issuer.token("alice", &json!({"sid": "laptop"})).unwrap();
    let one = credentials(&with_token(&world, &token, &[("RoleArn", ROLE)]).await.expect(200));
    // A session of a session too.
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "chained")];
    let chained = credentials(&world.send_to_sts(world.sts(&form).session(&one).signed()).await.expect(200));
    let other = session(&world, &issuer, &[]).await;
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    world.app.index.revoke(RevocationKind::Login, "kc/laptop", later, "", "root", &[]).await.unwrap();
    world.app.identity.revocations().unwrap().refresh(&world.app.index).await.unwrap();
    for dead in [&one, &chained] {
        world.get("/bucket?list-type=2").session(dead).send().await.expect_error(400, "InvalidToken");
    }
    world.get("/bucket?list-type=2").session(&other).send().await.expect(200);
}

/// A session that AssumeRole gives for a bearer token.
async fn taken_with_bearer(world: &World, token: &str) -> (String, String, String) {
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "by-bearer")];
    let ask = world.sts(&form).late_header("authorization", format!("Bearer {token}")).anonymous();
    credentials(&world.send_to_sts(ask).await.expect(200))
}

#[tokio::test]
async fn a_session_that_was_taken_with_a_bearer_token_ends_with_the_token_and_with_its_login() {
    let (world, issuer) = world_with_role().await;
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    let spared = issuer.token("alice", &json!({"jti": "spared", "sid": "spared"})).unwrap();
    let spared = taken_with_bearer(&world, &spared).await;
    for (kind, value) in [(RevocationKind::Token, "kc/one"), (RevocationKind::Login, "kc/laptop")] {
        let name = value.trim_start_matches("kc/");
        let token = issuer.token("alice", &json!({"jti": name, "sid": name})).unwrap();
        let taken = taken_with_bearer(&world, &token).await;
        world.get("/bucket?list-type=2").session(&taken).send().await.expect(200);
        world.app.index.revoke(kind, value, later, "", "root", &[]).await.unwrap();
        world.app.identity.revocations().unwrap().refresh(&world.app.index).await.unwrap();
        world.get("/bucket?list-type=2").session(&taken).send().await.expect_error(400, "InvalidToken");
        world.get("/bucket?list-type=2").session(&spared).send().await.expect(200);
    }
}

/// A world whose service account `service/ci` may take the role `deploy`, which may read and write.
async fn world_with_an_account_that_takes_a_role() -> World {
    let world = World::with_bucket().await;
    let trust =
        r#"{"Effect": "Allow", "Principal": {"AWS": ["user/service/ci", "role/deploy"]}, "Action": "sts:AssumeRole"}"#;
    role(&world, "deploy", trust, 7200).await;
    attach(&world, "read-write", "role", "deploy").await;
    world
}

async fn taken_with_key(world: &World, id: &str, secret: &str) -> (String, String, String) {
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "by-key")];
    credentials(&world.send_to_sts(world.sts(&form).key(id, secret).signed()).await.expect(200))
}

#[tokio::test]
async fn what_narrows_a_key_or_a_session_narrows_every_session_that_is_begun_with_it() {
    let world = world_with_an_account_that_takes_a_role().await;
    let allow = |action: &str, resource: &str| {
        format!(r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#)
    };
    let document = |statements: &[String]| format!(r#"{{"Statement": [{}]}}"#, statements.join(", "));
    let reads = document(&[allow("s3:Get*", "bucket/*"), allow("sts:AssumeRole", "*")]);
    world.put("/bucket/a/x").body("x").send().await.expect(200);
    world.put("/bucket/b").body("b").send().await.expect(200);
    let key = service_account(&world, Some(&reads)).await;
    let first = taken_with_key(&world, &key.key.id, key.secret.expose()).await;
    let in_a = document(&[allow("s3:*", "bucket/a/*"), allow("sts:AssumeRole", "*")]);
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "second"), ("Policy", in_a.as_str())];
    let second = credentials(&world.send_to_sts(world.sts(&form).session(&first).signed()).await.expect(200));
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "third")];
    let third = credentials(&world.send_to_sts(world.sts(&form).session(&second).signed()).await.expect(200));
    for session in [&first, &second, &third] {
        world.get("/bucket/a/x").session(session).send().await.expect(200);
        world.put("/bucket/a/y").body("y").session(session).send().await.expect_error(403, "AccessDenied");
    }
    world.get("/bucket/b").session(&first).send().await.expect(200);
    for session in [&second, &third] {
        world.get("/bucket/b").session(session).send().await.expect_error(403, "AccessDenied");
    }
    // What does not go into a token is refused, never left out.
    let long = document(&[allow("sts:AssumeRole", "*"), allow("s3:*", &format!("bucket/{}/*", "x".repeat(4000)))]);
    let key = service_account(&world, Some(&long)).await;
    let ask = world.sts(&form).key(&key.key.id, key.secret.expose()).signed();
    world.send_to_sts(ask).await.expect_code(400, "PackedPolicyTooLarge");
}

#[tokio::test]
async fn a_session_ends_with_the_access_key_that_it_was_begun_with_and_so_does_its_chain() {
    let world = world_with_an_account_that_takes_a_role().await;
    let past = Some(time::OffsetDateTime::now_utc() - time::Duration::SECOND);
    for change in [AccessKeyChange::Disable, AccessKeyChange::Expire(past), AccessKeyChange::Delete] {
        let (key, other) = (service_account(&world, None).await, service_account(&world, None).await);
        let taken = taken_with_key(&world, &key.key.id, key.secret.expose()).await;
        let spared = taken_with_key(&world, &other.key.id, other.secret.expose()).await;
        let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "chained")];
        let chained = credentials(&world.send_to_sts(world.sts(&form).session(&taken).signed()).await.expect(200));
        for alive in [&taken, &chained, &spared] {
            world.get("/bucket?list-type=2").session(alive).send().await.expect(200);
        }
        world.app.index.change_access_key(&key.key.id, change, None, &[]).await.unwrap();
        world.app.identity.stored().unwrap().forget(&key.key.id).await;
        for dead in [&taken, &chained] {
            world.get("/bucket?list-type=2").session(dead).send().await.expect_error(400, "InvalidToken");
        }
        world.get("/bucket?list-type=2").session(&spared).send().await.expect(200);
    }
}

#[tokio::test]
async fn a_person_who_is_revoked_takes_along_the_sessions_of_an_account_whose_keys_are_gone() {
    let world = world_with_an_account_that_takes_a_role().await;
    let key = service_account(&world, None).await;
    taken_with_key(&world, &key.key.id, key.secret.expose()).await;
    let index = &world.app.index;
    index.change_access_key(&key.key.id, AccessKeyChange::Delete, None, &[]).await.unwrap();
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    index.revoke(RevocationKind::Subject, &key.key.owner, later, "", "root", &[]).await.unwrap();
    let revoked: Vec<String> =
        index.revocations(None, 10).await.unwrap().into_iter().map(|revocation| revocation.value).collect();
    assert!(revoked.contains(&key.key.account) && revoked.contains(&key.key.owner), "{revoked:?}");
}

#[tokio::test]
async fn assume_role_needs_credentials_and_a_chain_ends_with_its_first() {
    let (world, issuer) = world_with_role().await;
    let form = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "chained")];
    world.send_to_sts(world.sts(&form).anonymous()).await.expect_code(403, "MissingAuthenticationToken");
    let first = session(&world, &issuer, &[]).await;
    let chained = world.send_to_sts(world.sts(&form).session(&first).signed()).await.expect(200);
    let chained = credentials(&chained);
    world.get("/bucket?list-type=2").session(&chained).send().await.expect(200);
    // A session that was assumed from another lasts an hour at the most.
    let mut long = form.to_vec();
    long.push(("DurationSeconds", "3601"));
    world.send_to_sts(world.sts(&long).session(&first).signed()).await.expect_code(400, "ValidationError");
    // What narrows a session keeps it from getting rid of that.
    let narrow = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    let narrowed = session(&world, &issuer, &[("Policy", narrow)]).await;
    world.send_to_sts(world.sts(&form).session(&narrowed).signed()).await.expect_code(403, "AccessDenied");
    let root = world.send_to_sts(world.sts(&form).signed()).await.expect(200);
    world.get("/bucket?list-type=2").session(&credentials(&root)).send().await.expect(200);
}

#[tokio::test]
async fn everybody_who_is_known_may_ask_who_they_are() {
    let (world, _issuer) = world_with_issuer().await;
    let form = [("Action", "GetCallerIdentity")];
    let who = world.send_to_sts(world.sts(&form).signed()).await.expect(200);
    assert_eq!((who.element("Arn"), who.element("Account").len()), ("arn:aws:iam:::root".to_owned(), 12));
    world.send_to_sts(world.sts(&form).anonymous()).await.expect_code(403, "MissingAuthenticationToken");
    let forged = world.sts(&form).key(super::support::KEY, "another-secret").signed();
    world.send_to_sts(forged).await.expect_code(403, "SignatureDoesNotMatch");
    let unknown = world.sts(&form).key("AKIANOBODY", "another-secret").signed();
    world.send_to_sts(unknown).await.expect_code(403, "InvalidClientTokenId");
}

#[tokio::test]
async fn what_sts_does_not_understand_is_refused_and_never_ignored() {
    let (world, issuer) = world_with_role().await;
    let token = issuer.token("alice", &Value::Null).unwrap();
    for (name, value) in
        [("PolicyArns.member.1.arn", "x"), ("ProviderId", "x"), ("ExternalId", "x"), ("Tags.member.1.Key", "x")]
    {
        let answer = with_token(&world, &token, &[("RoleArn", ROLE), (name, value)]).await;
        answer.expect_code(501, "NotImplemented");
    }
    for name in ["a", "a b", "a/b", &"x".repeat(65)] {
        let form = [("Action", "AssumeRoleWithWebIdentity"), ("WebIdentityToken", &token), ("RoleSessionName", name)];
        world.send_to_sts(world.sts(&form).anonymous()).await.expect_code(400, "ValidationError");
    }
    world.send_to_sts(world.sts(&[("Action", "GetFederationToken")]).signed()).await.expect_code(400, "InvalidAction");
    world.send_to_sts(world.sts(&[]).signed()).await.expect_code(400, "InvalidAction");
    let in_query = world.post(&format!("/?Action=AssumeRoleWithWebIdentity&WebIdentityToken={token}")).anonymous();
    world.send_to_sts(in_query).await.expect_code(400, "InvalidRequest");
    let large = [("Action", "GetCallerIdentity"), ("Policy", &"x".repeat(100_000)[..])];
    world.send_to_sts(world.sts(&large).anonymous()).await.expect_code(400, "InvalidRequest");
    // A signature for S3 is none for STS.
    let for_s3 = world.post("/").body("Action=GetCallerIdentity&Version=2011-06-15").signed();
    world.send_to_sts(for_s3).await.expect_code(400, "AuthorizationHeaderMalformed");
}
