//! RenameObject.

use std::pin::Pin;
use std::time::Duration;

use crate::acls::{account, by};
use crate::support::{Answer, World};

/// With a bucket named `bucket` in it where lists count.
async fn world_with_lists() -> World {
    let world = World::new().await;
    world.put("/bucket").header("x-amz-object-ownership", "ObjectWriter").send().await.expect(200);
    world
}

fn rename<'a>(world: &'a World, from: &'a str, to: &'a str) -> Pin<Box<dyn Future<Output = Answer> + 'a>> {
    let uri = format!("/bucket/{to}?renameObject");
    Box::pin(async move { world.put(&uri).header("x-amz-rename-source", from).send().await })
}

/// What a rename answers that has to wait for somebody else's transaction, which does `held` before the rename begins, and `then` once it
/// waits.
async fn waiting_for(world: &World, held: &str, then: &str, rename: impl Future<Output = Answer>) -> Answer {
    let pool = world.database.pool().unwrap();
    let mut other = pool.begin().await.unwrap();
    for statement in ["SET LOCAL lock_timeout = '2s'", held] {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *other).await.unwrap();
    }
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let end = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::query(sqlx::AssertSqlSafe(then.to_owned())).execute(&mut *other).await.unwrap();
        other.commit().await.unwrap();
    };
    let (answer, ended) = tokio::join!(rename, tokio::time::timeout(Duration::from_secs(10), end));
    // Otherwise the rename has not waited.
    ended.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_object_has_all_that_it_had_and_no_byte_moves() {
    let world = World::with_bucket().await;
    let put = world.put("/bucket/old").header("content-type", "text/plain").header("x-amz-meta-a", "1");
    put.header("x-amz-tagging", "team=a").body("hello").send().await.expect(200);
    world.faults.reset_requests();
    world.put("/bucket/new?renameObject").header("x-amz-rename-source", "old").send().await.expect(200);
    assert_eq!(world.faults.total_requests(), 0, "no byte moves");
    world.get("/bucket/old").send().await.expect_error(404, "NoSuchKey");
    let got = world.get("/bucket/new").send().await.expect(200);
    assert_eq!((got.text().as_str(), got.header("content-type")), ("hello", "text/plain"));
    assert_eq!((got.header("x-amz-meta-a"), got.header("x-amz-tagging-count")), ("1", "1"));
    world.sweep().await;
    assert_eq!(world.get("/bucket/new").send().await.expect(200).text(), "hello");
    world.delete("/bucket/new").send().await.expect(204);
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_replaces_unless_a_condition_forbids_it() {
    let world = World::with_bucket().await;
    world.put("/bucket/a").body("a").send().await.expect(200);
    world.put("/bucket/b").body("b").send().await.expect(200);
    let rename = || world.put("/bucket/b?renameObject").header("x-amz-rename-source", "/bucket/a");
    rename().header("if-none-match", "*").send().await.expect_error(412, "PreconditionFailed");
    let other = rename().header("x-amz-rename-source-if-match", "\"x\"");
    other.send().await.expect_error(412, "PreconditionFailed");
    assert_eq!(world.get("/bucket/a").send().await.expect(200).text(), "a");
    rename().send().await.expect(200);
    assert_eq!(world.get("/bucket/b").send().await.expect(200).text(), "a");
    rename().send().await.expect_error(404, "NoSuchKey");
    let onto_itself = world.put("/bucket/b?renameObject").header("x-amz-rename-source", "b");
    onto_itself.send().await.expect_error(400, "InvalidRequest");
    world.put("/bucket/c?renameObject").send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_versions_are_kept_nothing_is_renamed() {
    let world = World::with_bucket().await;
    let keep = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.put("/bucket?versioning").body(keep).send().await.expect(200);
    world.put("/bucket/old").body("x").send().await.expect(200);
    rename(&world, "old", "new").await.expect_error(501, "NotImplemented");
    world.get("/bucket/old").send().await.expect(200);
    world.get("/bucket/new").send().await.expect_error(404, "NoSuchKey");

    // Before anything is done: what the new key has is not even waited for.
    world.put("/bucket/new").body("y").send().await.expect(200);
    let mut other = world.database.pool().unwrap().begin().await.unwrap();
    sqlx::query("UPDATE objects SET tags = tags WHERE key = 'new'").execute(&mut *other).await.unwrap();
    let at_once = tokio::time::timeout(Duration::from_secs(4), rename(&world, "old", "new")).await;
    at_once.expect("nothing is waited for").expect_error(501, "NotImplemented");
    other.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_object_while_it_is_renamed_goes_with_it() {
    let world = world_with_lists().await;
    world.put("/bucket/old").header("x-amz-tagging", "team=a").body("x").send().await.expect(200);
    let tag = r#"UPDATE objects SET tags = '{"team": "b", "stage": "c"}' WHERE key = 'old'"#;
    waiting_for(&world, tag, "SELECT 1", rename(&world, "old", "new")).await.expect(200);
    let tags = world.get("/bucket/new?tagging").send().await.expect(200);
    assert_eq!(tags.elements("Value").len(), 2, "{}", tags.text());
    let grant = r#"UPDATE objects SET acl = '[{"grantee": "user/bob", "permission": "READ"}]' WHERE key = 'new'"#;
    waiting_for(&world, grant, "SELECT 1", rename(&world, "new", "newer")).await.expect(200);
    let list = world.get("/bucket/newer?acl").send().await.expect(200);
    assert_eq!(list.elements("Permission"), ["READ"], "{}", list.text());
    assert_eq!(world.count("objects").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_waits_for_its_keys_in_their_order() {
    let world = World::with_bucket().await;
    for (from, to) in [("a", "b"), ("b", "a")] {
        for key in ["a", "b"] {
            world.put(&format!("/bucket/{key}")).body(key).send().await.expect(200);
        }
        let [first, second] = ["a", "b"].map(|key| format!("UPDATE objects SET tags = tags WHERE key = '{key}'"));
        waiting_for(&world, &first, &second, rename(&world, from, to)).await.expect(200);
        assert_eq!(world.get(&format!("/bucket/{to}")).send().await.expect(200).text(), from);
        assert_eq!(world.count("objects").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_that_are_renamed_onto_each_other_are_not_in_each_others_way() {
    let world = World::with_bucket().await;
    for _ in 0..4 {
        for key in ["a", "b"] {
            world.put(&format!("/bucket/{key}")).body(key).send().await.expect(200);
        }
        let (one, other) = tokio::join!(rename(&world, "a", "b"), rename(&world, "b", "a"));
        one.expect(200);
        other.expect(200);
        assert_eq!(world.count("objects").await, 1, "the one that was first has replaced the other, and came back");
    }
}

/// Lets the mover rename what nothing is said of, and do more.
async fn allow(world: &World, more: &[&str]) {
    let mut actions = vec!["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];
    actions.extend(more);
    let policy = serde_json::json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/service/mover"},
        "Action": actions, "Resource": "bucket/*"}});
    world.put("/bucket?policy").body(policy.to_string()).send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_with_a_renamed_object_takes_the_rights_to_give_it() {
    let world = world_with_lists().await;
    let mover = account(&world, "service/mover").await;
    let rename = async |from: &str, to: &str| {
        let to = format!("/bucket/{to}?renameObject");
        by(world.put(&to).header("x-amz-rename-source", from), &mover).send().await
    };
    world.put("/bucket/plain").body("x").send().await.expect(200);
    world.put("/bucket/tagged").header("x-amz-tagging", "a=b").body("x").send().await.expect(200);
    world.put("/bucket/open").header("x-amz-acl", "public-read").body("x").send().await.expect(200);

    allow(&world, &[]).await;
    rename("plain", "plain-2").await.expect(200);
    rename("tagged", "tagged-2").await.expect_error(403, "AccessDenied");
    rename("open", "open-2").await.expect_error(403, "AccessDenied");
    // Whoever owns an object may change its list, and so takes it along.
    by(world.put("/bucket/own").header("x-amz-acl", "public-read"), &mover).send().await.expect(200);
    rename("own", "own-2").await.expect(200);
    world.send(world.get("/bucket/own-2").anonymous()).await.expect(200);

    for one in ["s3:GetObjectTagging", "s3:PutObjectTagging"] {
        allow(&world, &[one]).await;
        rename("tagged", "tagged-2").await.expect_error(403, "AccessDenied");
    }
    allow(&world, &["s3:GetObjectTagging", "s3:PutObjectTagging"]).await;
    rename("tagged", "tagged-2").await.expect(200);
    assert_eq!(world.get("/bucket/tagged-2").send().await.expect(200).header("x-amz-tagging-count"), "1");

    allow(&world, &["s3:PutObjectAcl"]).await;
    rename("open", "open-2").await.expect(200);
    world.send(world.get("/bucket/open-2").anonymous()).await.expect(200);
    let shown = world.get("/bucket/open-2?acl").send().await.expect(200);
    assert_eq!(shown.element("ID"), "root/AKIATEST", "it stays whose it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_public_lists_are_blocked_no_object_that_has_one_gets_another_name() {
    let world = world_with_lists().await;
    world.put("/bucket/open").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    let block =
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
    world.put("/bucket?publicAccessBlock").body(block).send().await.expect(200);
    rename(&world, "open", "new").await.expect_error(403, "AccessDenied");
    world.put("/bucket/open?acl").header("x-amz-acl", "private").send().await.expect(200);
    rename(&world, "open", "new").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_would_say_something_of_the_object_is_refused() {
    let world = World::with_bucket().await;
    world.put("/bucket/old").body("x").send().await.expect(200);
    for (name, value) in [
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "private"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ] {
        let asked = world.put("/bucket/new?renameObject").header("x-amz-rename-source", "old").header(name, value);
        let refused = asked.send().await.expect_error(501, "NotImplemented");
        assert!(refused.element("Message").contains(name), "{}", refused.text());
    }
    world.get("/bucket/new").send().await.expect_error(404, "NoSuchKey");
    rename(&world, "old", "new").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_rename_one_object_exactly_one_does() {
    let world = World::with_bucket().await;
    world.put("/bucket/old").body("x").send().await.expect(200);
    let names: Vec<String> = (0..8).map(|number| format!("/bucket/new-{number}?renameObject")).collect();
    let renames = names.iter().map(|name| world.put(name).header("x-amz-rename-source", "old").send());
    let answers = futures::future::join_all(renames).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(world.count("objects").await, 1);
}
