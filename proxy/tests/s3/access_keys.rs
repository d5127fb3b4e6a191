//! Requests signed with access keys of service accounts: they may do what policies say.

use zas_proxy::identity::{Issued, NewKey, ServiceAccount};
use zas_proxy::index::{AccessKeyChange, Attachment, DocumentKind, NewDocument};

use super::support::World;

/// A service account of the group `/build`, with a policy of the key's own where one is given.
pub(crate) async fn service_account(world: &World, policy: Option<&str>) -> Issued {
    let new = NewKey {
        owner: "root/test".into(),
        service_account: Some(ServiceAccount::New),
        name: "service/ci".into(),
        groups: vec!["/build".into()],
        policy: policy.map(str::to_owned),
        created_by: "root/test".into(),
        ..NewKey::default()
    };
    world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap()
}

/// Attaches a policy of one statement to the group `/build`.
async fn attach(world: &World, name: &str, statement: &str) {
    let index = &world.app.index;
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
    let new = NewDocument {
        kind: DocumentKind::Policy,
        name,
        document: &document,
        description: "",
        max_session: None,
        expected: None,
        by: "test",
        audit: &[],
    };
    index.put_policy_document(new).await.unwrap();
    let attachment = Attachment { policy: name.into(), target_kind: "group".into(), target: "/build".into() };
    index.attach_policy(&attachment, "test", &[]).await.unwrap();
    world.app.authority.policies().refresh(index).await.unwrap();
}

#[tokio::test]
async fn a_service_account_may_do_what_its_groups_policies_say() {
    let world = World::with_bucket().await;
    let key = service_account(&world, None).await;
    attach(
        &world,
        "home",
        r#"{"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "bucket/${aws:username}/*"}"#,
    )
    .await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    world.put("/bucket/service/ci/a").body("a").key(id, secret).send().await.expect(200);
    assert_eq!(world.get("/bucket/service/ci/a").key(id, secret).send().await.expect(200).text(), "a");
    world.put("/bucket/service/other/a").body("a").key(id, secret).send().await.expect_error(403, "AccessDenied");
    world.get("/bucket?list-type=2").key(id, secret).send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket/service/ci/a").key(id, secret).send().await.expect_error(403, "AccessDenied");
    world.get("/").key(id, secret).send().await.expect_error(403, "AccessDenied");
    attach(&world, "never", r#"{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "bucket/*"}"#).await;
    world.get("/bucket/service/ci/a").key(id, secret).send().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_list_of_the_buckets_that_one_may_list_counts_as_a_list() {
    let world = World::with(|config| config.rates.lists_per_second = 1).await;
    world.put("/bucket").send().await.expect(200);
    let key = service_account(&world, None).await;
    attach(&world, "some", r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "bucket"}"#).await;
    let list = async || world.get("/").key(&key.key.id, key.secret.expose()).send().await;
    assert_eq!(list().await.expect(200).element("Name"), "bucket");
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(list().await.status.as_u16());
    }
    assert!(answers.contains(&503), "{answers:?}");
}

#[tokio::test]
async fn a_keys_own_policy_narrows_and_never_adds() {
    let world = World::with_bucket().await;
    let own = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "bucket/a/*"}}"#;
    let key = service_account(&world, Some(own)).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    world.app.authority.policies().refresh(&world.app.index).await.unwrap();
    world.put("/bucket/a/x").body("x").key(id, secret).send().await.expect_error(403, "AccessDenied");
    attach(&world, "put", r#"{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "bucket/*"}"#).await;
    world.put("/bucket/a/x").body("x").key(id, secret).send().await.expect(200);
    world.put("/bucket/b/x").body("x").key(id, secret).send().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_bucket_policy_names_service_accounts_and_their_groups() {
    let world = World::with_bucket().await;
    let key = service_account(&world, None).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "user/service/ci"}, "Action": "s3:PutObject", "Resource": "bucket/*"},
        {"Effect": "Deny", "Principal": {"AWS": "group//build"}, "Action": "s3:PutObject", "Resource": "bucket/locked/*"}]}"#;
    world.put("/bucket?policy").body(policy).send().await.expect(204);
    world.put("/bucket/a").body("a").key(id, secret).send().await.expect(200);
    world.put("/bucket/locked/a").body("a").key(id, secret).send().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_wrong_secret_and_a_key_that_is_disabled_or_gone_open_nothing() {
    let world = World::with_bucket().await;
    let key = service_account(&world, None).await;
    attach(&world, "all", r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    world.get("/bucket").key(id, secret).send().await.expect(200);
    world
        .get("/bucket")
        .key(id, "a-secret-that-it-is-not-at-all-000000000")
        .send()
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    let keys = world.app.identity.stored().unwrap();
    for (change, code) in
        [(AccessKeyChange::Disable, "InvalidAccessKeyId"), (AccessKeyChange::Delete, "InvalidAccessKeyId")]
    {
        world.app.index.change_access_key(id, change, None, &[]).await.unwrap();
        keys.forget(id).await;
        world.get("/bucket").key(id, secret).send().await.expect_error(403, code);
    }
}

#[tokio::test]
async fn who_may_not_list_all_buckets_is_shown_those_that_they_may_list() {
    let world = World::with_bucket().await;
    for name in ["aaa", "team-a", "team-b", "zzz"] {
        world.put(&format!("/{name}")).send().await.expect(200);
    }
    let key = service_account(&world, None).await;
    let (id, secret) = (key.key.id.as_str(), key.secret.expose());
    world.get("/").key(id, secret).send().await.expect_error(403, "AccessDenied");
    attach(&world, "teams", r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "team-*"}"#).await;
    let names = async |uri: &str| {
        let text = world.get(uri).key(id, secret).send().await.expect(200).text();
        let buckets: Vec<String> =
            text.split("<Name>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
        (buckets, text.contains("<ContinuationToken>"))
    };
    assert_eq!(names("/").await, (vec!["team-a".to_owned(), "team-b".to_owned()], false));
    assert_eq!(names("/?max-buckets=1").await, (vec!["team-a".to_owned()], true));
    attach(&world, "all", r#"{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}"#).await;
    assert_eq!(names("/").await.0.len(), 5);
}
