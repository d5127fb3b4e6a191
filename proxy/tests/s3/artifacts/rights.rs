//! Who may pull, attach and remove.

use http::Method;
use zas_proxy::digest::Digest;
use zas_proxy::identity::{Issued, NewKey, ServiceAccount};
use zas_proxy::index::{Attachment, DocumentKind, NewDocument};

use super::{Door, Note, Reply, note, put};
use crate::support::{KEY, SECRET, World};

/// A service account of the group `/build` that may do what `statement` says.
pub(super) async fn account(world: &World, statement: &str) -> Issued {
    let index = &world.app.index;
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
    let new = NewDocument {
        kind: DocumentKind::Policy,
        name: "build",
        document: &document,
        description: "",
        max_session: None,
        expected: None,
        by: "test",
        audit: &[],
    };
    index.put_policy_document(new).await.unwrap();
    let attachment = Attachment { policy: "build".into(), target_kind: "group".into(), target: "/build".into() };
    index.attach_policy(&attachment, "test", &[]).await.unwrap();
    world.app.authority.policies().refresh(index).await.unwrap();
    let new = NewKey {
        owner: "root/test".into(),
        service_account: Some(ServiceAccount::New),
        name: "service/ci".into(),
        groups: vec!["/build".into()],
        created_by: "root/test".into(),
        ..NewKey::default()
    };
    world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap()
}

async fn ask(door: &Door, key: &Issued, method: Method, path: &str) -> Reply {
    Reply::of(door.ask(method, path).basic_auth(&key.key.id, Some(key.secret.expose()))).await
}

/// Pushes blob and manifest as somebody; the answers to both.
async fn attach(door: &Door, key: &Issued, repository: &str, note: &Note<'_>) -> (u16, u16) {
    let (text, manifest) = (note.text.to_owned(), note.manifest());
    let path = format!("{repository}/blobs/uploads/?digest={}", Digest::of(text.as_bytes()));
    let who = |ask: reqwest::RequestBuilder| ask.basic_auth(&key.key.id, Some(key.secret.expose()));
    let push = door.ask(Method::POST, &path).header("content-type", "application/octet-stream").body(text);
    let blob = Reply::of(who(push)).await.status;
    let path = format!("{repository}/manifests/{}", Digest::of(manifest.as_bytes()));
    let push = door.ask(Method::PUT, &path).header("content-type", super::IMAGE).body(manifest);
    (blob, Reply::of(who(push)).await.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_get_an_object_may_pull_it_and_nothing_else() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key =
        account(&world, r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/public/*"}"#)
            .await;
    let public = put(&world, "public/app", "public").await;
    let secret = put(&world, "secret/app", "secret").await;
    let get = async |path: String| ask(&door, &key, Method::GET, &path).await;
    get("s3/bucket/public/manifests/app".into()).await.expect(200);
    get(format!("s3/bucket/manifests/{public}")).await.expect(200);
    get(format!("s3/bucket/blobs/{}", Digest::of(b"public"))).await.expect(200);
    get("s3/bucket/secret/manifests/app".into()).await.expect_error(403, "DENIED");
    get("s3/bucket/secret/manifests/none".into()).await.expect_error(403, "DENIED");
    // Whether a digest exists that one may not read is not told.
    for digest in [secret.clone(), Digest::of(b"nothing").to_string()] {
        get(format!("s3/bucket/manifests/{digest}")).await.expect_error(404, "MANIFEST_UNKNOWN");
        get(format!("s3/bucket/referrers/{digest}")).await.expect(200);
    }
    for bytes in [&b"secret"[..], b"nothing"] {
        get(format!("s3/bucket/blobs/{}", Digest::of(bytes))).await.expect_error(404, "BLOB_UNKNOWN");
    }
    get("s3/bucket/public/tags/list".into()).await.expect_error(403, "DENIED");
    // The same bytes under the same name, where one may read them.
    assert_eq!(put(&world, "public/app", "secret").await, secret);
    get(format!("s3/bucket/manifests/{secret}")).await.expect(200);
    get(format!("s3/bucket/blobs/{}", Digest::of(b"secret"))).await.expect(200);
    get(format!("s3/bucket/secret/manifests/{secret}")).await.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pull_is_on_record() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key = account(&world, r#"{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}"#).await;
    let digest = put(&world, "secret/app", "secret").await;
    ask(&door, &key, Method::GET, &format!("s3/bucket/manifests/{digest}")).await.expect(404);
    let query = "SELECT count(*) FROM audit_event WHERE kind = 'denial' AND record LIKE '%secret/app%' AND action = 's3:GetObject'";
    let pool = world.database.pool().unwrap();
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await.unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_for_those_who_may_list_and_show_what_they_may_read() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key = account(
        &world,
        r#"[{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket",
             "Condition": {"StringEquals": {"s3:prefix": "linux/"}}},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/linux/open-*"}]"#,
    )
    .await;
    for name in ["linux/open-a", "linux/closed-b", "linux/open-c", "top"] {
        put(&world, name, "x").await;
    }
    let tags = ask(&door, &key, Method::GET, "s3/bucket/linux/tags/list").await.expect(200).json();
    assert_eq!(tags["tags"], serde_json::json!(["open-a", "open-c"]));
    ask(&door, &key, Method::GET, "s3/bucket/tags/list").await.expect_error(403, "DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_pulls_what_the_bucket_gives_to_everybody_and_is_asked_to_log_in_elsewhere() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let public = put(&world, "public/app", "public").await;
    let secret = put(&world, "secret/app", "secret").await;
    let signed = door.attach("s3/bucket/public", &note(&public, "signed")).await;
    let get = async |path: &str| Reply::of(door.ask(Method::GET, path)).await;
    let by_digest = format!("s3/bucket/manifests/{public}");
    for path in ["s3/bucket/public/manifests/app", &by_digest] {
        let reply = get(path).await.expect_error(401, "UNAUTHORIZED");
        let challenge = reply.header("www-authenticate");
        assert!(challenge.contains("Bearer realm=") && challenge.contains("repository:s3/bucket"), "{challenge}");
    }
    let policy = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                     "Resource": "arn:aws:s3:::bucket/public/*"}}"#;
    world.put("/bucket?policy").body(policy).send().await.expect(204);
    get("s3/bucket/public/manifests/app").await.expect(200);
    get(&by_digest).await.expect(200);
    get(&format!("s3/bucket/blobs/{}", Digest::of(b"public"))).await.expect(200);
    let list = get(&format!("s3/bucket/referrers/{public}")).await.expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], signed);
    get(&format!("s3/bucket/manifests/{signed}")).await.expect(200);
    get(&format!("s3/bucket/blobs/{}", Digest::of(b"signed"))).await.expect(200);
    get("s3/bucket/secret/manifests/app").await.expect_error(401, "UNAUTHORIZED");
    get(&format!("s3/bucket/manifests/{secret}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    get(&format!("s3/bucket/public/manifests/{}.sig", public.replace(':', "-")))
        .await
        .expect_error(404, "MANIFEST_UNKNOWN");
    Reply::of(door.ask(Method::POST, "s3/bucket/blobs/uploads/")).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_thing_that_is_attached_has_a_right_of_its_own() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key = account(
        &world,
        r#"[{"Effect": "Allow", "Action": ["s3:GetObject", "supply:AttachSBOM"], "Resource": "arn:aws:s3:::bucket/linux/*"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/windows/*"}]"#,
    )
    .await;
    let subject = put(&world, "linux/app", "bytes").await;
    let elsewhere = put(&world, "windows/setup", "bytes").await;
    let sbom = |subject, text| Note { artifact_type: "application/spdx+json", ..note(subject, text) };
    assert_eq!(attach(&door, &key, "s3/bucket/linux", &sbom(&subject, "sbom")).await, (201, 201));
    assert_eq!(attach(&door, &key, "s3/bucket", &sbom(&subject, "another")).await, (201, 201));
    assert_eq!(attach(&door, &key, "s3/bucket", &note(&subject, "note")).await.1, 403);
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let disguised = Note { layer_type: bundle, ..sbom(&subject, "disguised") };
    assert_eq!(attach(&door, &key, "s3/bucket", &disguised).await.1, 403);
    assert_eq!(attach(&door, &key, "s3/bucket", &sbom(&elsewhere, "sbom")).await.1, 403);
    assert_eq!(door.referrers("s3/bucket", &subject).await.len(), 2);
    let mine = door.referrers("s3/bucket", &subject).await.remove(0);
    ask(&door, &key, Method::DELETE, &format!("s3/bucket/manifests/{mine}")).await.expect_error(403, "DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_attach_nothing_sends_no_bytes_and_learns_nothing() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key =
        account(&world, r#"{"Effect": "Allow", "Action": ["s3:*", "oci:*", "supply:Get*"], "Resource": "*"}"#).await;
    let subject = put(&world, "app", "bytes").await;
    let before = world.faults.requests(zas_registry::Route::UploadStart);
    assert_eq!(attach(&door, &key, "s3/bucket", &note(&subject, "x")).await, (403, 403));
    assert_eq!(attach(&door, &key, "s3/bucket", &note(&Digest::of(b"nobody").to_string(), "x")).await, (403, 403));
    assert_eq!(attach(&door, &key, "s3/no-such-bucket", &note(&subject, "x")).await, (403, 403));
    assert_eq!(world.faults.requests(zas_registry::Route::UploadStart), before);
    // Whoever takes it for a registry like others is told what it is.
    let push = door.ask(Method::PUT, "s3/bucket/manifests/latest").header("content-type", super::IMAGE).body("{}");
    let reply =
        Reply::of(push.basic_auth(&key.key.id, Some(key.secret.expose()))).await.expect_error(405, "UNSUPPORTED");
    assert!(reply.json()["errors"][0]["message"].as_str().unwrap().contains("put and deleted by S3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_may_be_read_by_who_may_pull_from_the_name_though_not_the_object() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key =
        account(&world, r#"{"Effect": "Allow", "Action": "oci:Pull", "Resource": "arn:zas:oci:::s3/bucket/*"}"#).await;
    let subject = put(&world, "linux/app", "bytes").await;
    let signed = door.attach("s3/bucket/linux", &note(&subject, "signed")).await;
    let list = ask(&door, &key, Method::GET, &format!("s3/bucket/linux/referrers/{subject}")).await.expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], signed);
    ask(&door, &key, Method::GET, &format!("s3/bucket/linux/manifests/{signed}")).await.expect(200);
    ask(&door, &key, Method::GET, &format!("s3/bucket/linux/blobs/{}", Digest::of(b"signed"))).await.expect(200);
    ask(&door, &key, Method::GET, "s3/bucket/linux/manifests/app").await.expect_error(403, "DENIED");
    ask(&door, &key, Method::GET, &format!("s3/bucket/linux/blobs/{}", Digest::of(b"bytes"))).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_it_was_asked_for() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "linux/app", "bytes").await;
    let token = async |scope: &str| {
        let ask = door.ask(Method::GET, &format!("../-/token?scope={scope}"));
        let reply = Reply::of(ask.basic_auth(KEY, Some(SECRET))).await.expect(200).json();
        reply["token"].as_str().unwrap().to_owned()
    };
    let pull = token("repository:s3/bucket/linux:pull").await;
    let with =
        async |token: &str, method: Method, path: &str| Reply::of(door.ask(method, path).bearer_auth(token)).await;
    with(&pull, Method::GET, "s3/bucket/linux/manifests/app").await.expect(200);
    with(&pull, Method::GET, "s3/bucket/manifests/linux").await.expect_error(401, "UNAUTHORIZED");
    with(&pull, Method::GET, &format!("s3/bucket/manifests/{subject}")).await.expect_error(401, "UNAUTHORIZED");
    let refused = with(&pull, Method::POST, "s3/bucket/linux/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    assert!(refused.header("www-authenticate").contains("repository:s3/bucket/linux:pull,push"));
    let push = token("repository:s3/bucket/linux:pull,push").await;
    with(&push, Method::POST, "s3/bucket/linux/blobs/uploads/").await.expect(202);
    let digest = door.attach("s3/bucket/linux", &note(&subject, "x")).await;
    with(&push, Method::DELETE, &format!("s3/bucket/linux/manifests/{digest}")).await.expect_error(401, "UNAUTHORIZED");
    let delete = token("repository:s3/bucket/linux:delete").await;
    with(&delete, Method::DELETE, &format!("s3/bucket/linux/manifests/{digest}")).await.expect(202);
}
