//! RenameObject.

use crate::support::World;

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
    let rename = world.put("/bucket/new?renameObject").header("x-amz-rename-source", "old");
    rename.send().await.expect_error(501, "NotImplemented");
    world.get("/bucket/old").send().await.expect(200);
    world.get("/bucket/new").send().await.expect_error(404, "NoSuchKey");
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
