//! What refers to an object: attached, found, pulled, removed.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::digest::Digest;

use super::{Door, IMAGE, Note, Reply, note, put};
use crate::support::{KEY, SECRET, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_listed_and_pulled() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "linux/app", "bytes").await;
    let other = put(&world, "linux/other", "bytes").await;
    let attached = door.attach("s3/bucket/linux", &note(&subject, "hello")).await;

    for repository in ["s3/bucket", "s3/bucket/linux"] {
        let list = door.get(&format!("{repository}/referrers/{subject}")).await.expect(200);
        assert_eq!(list.header("content-type"), "application/vnd.oci.image.index.v1+json");
        let entry = &list.json()["manifests"][0];
        assert_eq!((&entry["digest"], &entry["mediaType"]), (&attached.as_str().into(), &IMAGE.into()));
        assert_eq!(entry["artifactType"], "application/vnd.example.note");
        assert_eq!(entry["annotations"], json!({"org.example.text": "hello"}));
        let pulled = door.get(&format!("{repository}/manifests/{attached}")).await.expect(200);
        assert_eq!(Digest::of(&pulled.body).to_string(), attached);
        assert_eq!(entry["size"], pulled.body.len());
        let layer = Digest::of(b"hello");
        assert_eq!(door.get(&format!("{repository}/blobs/{layer}")).await.expect(200).body, "hello");
        let head = door.send(Method::HEAD, &format!("{repository}/blobs/{layer}")).await.expect(200);
        assert_eq!(head.header("content-length"), "5");
    }
    assert!(door.referrers("s3/bucket", &other).await.is_empty());
    // Nothing of it is in the data: neither keys nor manifests among the bytes.
    assert_eq!(world.count("objects").await, 2);
    let listed = world.get("/bucket?list-type=2").send().await.expect(200);
    assert_eq!(listed.elements("Key"), ["linux/app", "linux/other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_by_type_and_says_so() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let sbom = Note { artifact_type: "application/spdx+json", ..note(&subject, "{}") };
    let sbom = door.attach("s3/bucket", &sbom).await;
    door.attach("s3/bucket", &note(&subject, "note")).await;
    let all = door.get(&format!("s3/bucket/referrers/{subject}")).await.expect(200);
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    assert!(!all.headers.contains_key("oci-filters-applied"));
    let path = format!("s3/bucket/referrers/{subject}?artifactType=application%2Fspdx%2Bjson");
    let some = door.get(&path).await.expect(200);
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    assert_eq!(some.json()["manifests"][0]["digest"], sbom);
    assert_eq!(some.json()["manifests"].as_array().unwrap().len(), 1);
    let none = door.get(&format!("s3/bucket/referrers/{subject}?artifactType=a%2Fb")).await.expect(200);
    assert_eq!(none.json()["manifests"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_has_no_referrers() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    for digest in [Digest::of(b"nothing").to_string(), format!("sha512:{}", "0".repeat(128))] {
        for repository in ["s3/bucket", "s3/no-such-bucket"] {
            let list = door.get(&format!("{repository}/referrers/{digest}")).await.expect(200);
            assert_eq!(list.json()["manifests"], json!([]));
        }
    }
    door.get("s3/bucket/referrers/sha256:00").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_come_back_with_the_bytes() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let first = put(&world, "app", "one").await;
    let attached = door.attach("s3/bucket", &note(&first, "good")).await;
    let second = put(&world, "app", "two").await;
    assert!(door.referrers("s3/bucket", &second).await.is_empty(), "other bytes have no signature");
    assert_eq!(put(&world, "app", "one").await, first);
    assert_eq!(door.referrers("s3/bucket", &first).await, [attached.as_str()]);
    world.delete("/bucket/app").send().await.expect(204);
    assert_eq!(door.referrers("s3/bucket", &first).await, [attached.as_str()], "kept for a while");
    assert_eq!(put(&world, "app", "one").await, first);
    assert_eq!(door.referrers("s3/bucket", &first).await, [attached.as_str()]);
    // Pushing it again changes nothing.
    assert_eq!(door.attach("s3/bucket", &note(&first, "good")).await, attached);
    assert_eq!(door.referrers("s3/bucket", &first).await, [attached.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_may_refer_to_what_refers_to_an_object() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let sbom = door.attach("s3/bucket", &note(&subject, "an sbom")).await;
    let signature = door.attach("s3/bucket", &note(&sbom, "of the sbom")).await;
    assert_eq!(door.referrers("s3/bucket", &sbom).await, [signature.as_str()]);
    assert_eq!(door.referrers("s3/bucket", &subject).await, [sbom.as_str()]);
    door.get(&format!("s3/bucket/manifests/{signature}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_refers_to_an_object_of_the_folder_is_taken() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "linux/app", "bytes").await;
    let push = async |repository: &str, note: &Note<'_>| {
        let text: &'static str = note.text.to_owned().leak();
        door.push_blob(repository, text.as_bytes()).await;
        let manifest = note.manifest();
        door.put_manifest(repository, &Digest::of(manifest.as_bytes()).to_string(), &manifest).await
    };
    let stranger = Digest::of(b"nobody").to_string();
    push("s3/bucket", &note(&stranger, "x")).await.expect_error(400, "MANIFEST_INVALID");
    push("s3/bucket/windows", &note(&subject, "x")).await.expect_error(400, "MANIFEST_INVALID");
    push("s3/bucket/linux", &note(&subject, "x")).await.expect(201);
    world.put("/other").send().await.expect(200);
    push("s3/other", &note(&subject, "x")).await.expect_error(400, "MANIFEST_INVALID");
    // A name that is none, a digest that is another's, tags, and a manifest that is none.
    let manifest = note(&subject, "x").manifest();
    door.put_manifest("s3/bucket", &stranger, &manifest).await.expect_error(400, "DIGEST_INVALID");
    let digest = Digest::of(manifest.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &format!("{digest}?tag=latest"), &manifest).await.expect_error(405, "UNSUPPORTED");
    door.put_manifest("s3/bucket", "latest", &manifest).await.expect_error(405, "UNSUPPORTED");
    let nonsense = Digest::of(b"nonsense").to_string();
    door.put_manifest("s3/bucket", &nonsense, "nonsense").await.expect_error(400, "MANIFEST_INVALID");
    let no_subject = manifest.replace("\"subject\"", "\"object\"");
    let reference = Digest::of(no_subject.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &reference, &no_subject).await.expect_error(405, "UNSUPPORTED");
    let head = door.send_head("PUT", &format!("s3/bucket/manifests/{digest}"), "content-length: 5242880\r\n").await;
    assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("SIZE_INVALID"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_blob_was_not_pushed_is_refused() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let manifest = note(&subject, "never pushed").manifest();
    let digest = Digest::of(manifest.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &digest, &manifest).await.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    door.push_blob("s3/bucket", b"never pushed").await;
    let wrong = manifest.replace("\"size\":12", "\"size\":13");
    assert_ne!(wrong, manifest);
    let wrong_digest = Digest::of(wrong.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &wrong_digest, &wrong).await.expect_error(400, "MANIFEST_INVALID");
    assert!(door.referrers("s3/bucket", &subject).await.is_empty());
    assert_eq!(world.count("referrers").await, 0);
    door.put_manifest("s3/bucket", &digest, &manifest).await.expect(201);
}

/// A client asks whether a blob is there and then does not push it.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_an_objects_need_not_be_pushed() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    put(&world, "app.spdx.json", "an sbom that is an object too").await;
    let text = "an sbom that is an object too";
    door.send(Method::HEAD, &format!("s3/bucket/blobs/{}", Digest::of(text.as_bytes()))).await.expect(200);
    let manifest = note(&subject, text).manifest();
    let digest = Digest::of(manifest.as_bytes()).to_string();
    door.put_manifest("s3/bucket", &digest, &manifest).await.expect(201);
    world.delete("/bucket/app.spdx.json").send().await.expect(204);
    let blob = door.get(&format!("s3/bucket/blobs/{}", Digest::of(text.as_bytes()))).await.expect(200);
    assert_eq!(blob.body, text, "it does not go with the object");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_goes_up_in_pieces_at_an_address_of_ours() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let root = |ask: reqwest::RequestBuilder| Reply::of(ask.basic_auth(KEY, Some(SECRET)));
    let local = |reply: &Reply| reply.header("location").trim_start_matches("/v2/").to_owned();
    let mounting = format!("s3/bucket/linux/blobs/uploads/?mount={}&from=team/app", Digest::of(b"x"));
    let begun = root(door.ask(Method::POST, &mounting)).await.expect(202);
    assert!(begun.header("location").starts_with("/v2/s3/bucket/linux/blobs/uploads/"), "{:?}", begun.headers);
    let octets = |ask: reqwest::RequestBuilder| ask.header("content-type", "application/octet-stream");
    let patched = root(octets(door.ask(Method::PATCH, &local(&begun))).body("half ")).await.expect(202);
    let digest = Digest::of(b"half and half");
    let path = local(&patched);
    let separator = if path.contains('?') { '&' } else { '?' };
    let finish = door.ask(Method::PUT, &format!("{path}{separator}digest={digest}"));
    let done = root(octets(finish).body("and half")).await.expect(201);
    assert_eq!(done.header("location"), format!("/v2/s3/bucket/linux/blobs/{digest}"));
    // Nobody reads it before something that may be read names it.
    door.get(&format!("s3/bucket/linux/blobs/{digest}")).await.expect_error(404, "BLOB_UNKNOWN");
    root(door.ask(Method::POST, "s3/no-such-bucket/blobs/uploads/")).await.expect_error(404, "NAME_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_is_gone_from_the_list_and_from_the_registry() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    let gone = door.attach("s3/bucket", &note(&subject, "gone")).await;
    let kept = door.attach("s3/bucket", &note(&subject, "kept")).await;
    let home = world.app.index.referrer_repository("bucket").await.unwrap();
    assert!(world.app.store.get_manifest(&home, &gone).await.unwrap().is_some());
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{gone}")).await.expect(202);
    assert_eq!(door.referrers("s3/bucket", &subject).await, [kept.as_str()]);
    door.get(&format!("s3/bucket/manifests/{gone}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    door.get(&format!("s3/bucket/blobs/{}", Digest::of(b"gone"))).await.expect_error(404, "BLOB_UNKNOWN");
    assert!(world.app.store.get_manifest(&home, &gone).await.unwrap().is_none());
    door.send(Method::DELETE, &format!("s3/bucket/manifests/{gone}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(door.attach("s3/bucket", &note(&subject, "gone")).await, gone, "it may be attached again");
}

#[tokio::test(flavor = "multi_thread")]
async fn attaching_and_removing_are_on_record_with_the_object() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "linux/app", "bytes").await;
    let attached = door.attach("s3/bucket/linux", &note(&subject, "hello")).await;
    door.send(Method::DELETE, &format!("s3/bucket/linux/manifests/{attached}")).await.expect(202);
    let query =
        "SELECT record FROM audit_event WHERE action LIKE 'supply:%' AND record LIKE '%linux/app%' ORDER BY time, id";
    let texts: Vec<String> = sqlx::query_scalar(query).fetch_all(&world.database.pool().unwrap()).await.unwrap();
    let records: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let kinds: Vec<(&str, &str)> =
        records.iter().map(|one| (one["kind"].as_str().unwrap(), one["action"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("intent", "supply:Attach"), ("outcome", "supply:Attach"), ("operation", "supply:Detach")]);
    for record in &records {
        assert_eq!((&record["resource"], &record["reference"]), (&"bucket".into(), &"linux/app".into()));
        assert_eq!((&record["digest"], &record["api"]), (&attached.as_str().into(), &"oci".into()));
    }
    assert_eq!(records[1]["intent"], records[0]["id"]);
    assert_eq!(world.count("audit_intent").await, 0, "no intent is left open");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_whose_record_cannot_be_written() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "bytes").await;
    door.push_blob("s3/bucket", b"hello").await;
    let pool = world.database.pool().unwrap();
    let forbid = "ALTER TABLE audit_event ADD CONSTRAINT no CHECK (kind <> 'outcome') NOT VALID";
    sqlx::raw_sql(forbid).execute(&pool).await.unwrap();
    let manifest = note(&subject, "hello").manifest();
    let digest = Digest::of(manifest.as_bytes()).to_string();
    let reply = door.put_manifest("s3/bucket", &digest, &manifest).await;
    assert!(reply.status >= 500, "{reply:?}");
    assert!(door.referrers("s3/bucket", &subject).await.is_empty());
    door.get(&format!("s3/bucket/manifests/{digest}")).await.expect(404);
    sqlx::raw_sql("ALTER TABLE audit_event DROP CONSTRAINT no").execute(&pool).await.unwrap();
    door.put_manifest("s3/bucket", &digest, &manifest).await.expect(201);
    assert_eq!(door.referrers("s3/bucket", &subject).await, [digest]);
}
