//! `x-amz-expected-bucket-owner`.

use http::Method;

use crate::support::World;

const EXPECTED: &str = "x-amz-expected-bucket-owner";
const OF_SOURCE: &str = "x-amz-source-expected-bucket-owner";

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_that_list_buckets_shows_is_expected_rightly_and_any_other_wrongly() {
    let world = World::with_bucket().await;
    let owner = world.get("/").send().await.expect(200).element("ID");
    world.put("/bucket/key").header(EXPECTED, &owner).body("x").send().await.expect(200);
    for (method, uri, success) in [
        (Method::HEAD, "/bucket", 200),
        (Method::GET, "/bucket", 200),
        (Method::GET, "/bucket?list-type=2", 200),
        (Method::GET, "/bucket?location", 200),
        (Method::GET, "/bucket?uploads", 200),
        (Method::GET, "/bucket/key", 200),
        (Method::PUT, "/bucket/other", 200),
        (Method::POST, "/bucket/key?uploads", 200),
        (Method::DELETE, "/bucket/key", 204),
    ] {
        for wrong in ["123456789012", "user/root", &owner[1..]] {
            let answer = world.ask(method.clone(), uri).header(EXPECTED, wrong).send().await;
            assert_eq!(answer.status, 403, "{method} {uri} {wrong}: {}", answer.text());
        }
        world.ask(method, uri).header(EXPECTED, &owner).send().await.expect(success);
    }
    world.get("/none/key").header(EXPECTED, &owner).send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_in_a_bucket_of_somebody_else() {
    let world = World::with_bucket().await;
    let owner = world.get("/").send().await.expect(200).element("ID");
    world.put("/bucket/key").body("x").send().await.expect(200);
    let document = "<Delete><Object><Key>key</Key></Object></Delete>";
    let delete = |owner: &str| world.post("/bucket?delete").header(EXPECTED, owner).body(document);
    delete("user/bob").send().await.expect_error(403, "AccessDenied");
    world.put("/bucket/key").header(EXPECTED, "user/bob").body("y").send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket/key").header(EXPECTED, "user/bob").send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket").header(EXPECTED, "user/bob").send().await.expect_error(403, "AccessDenied");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "x");
    delete(&owner).send().await.expect(200);
    world.head("/bucket/key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_source_is_expected_apart() {
    let world = World::with_bucket().await;
    let owner = world.get("/").send().await.expect(200).element("ID");
    world.put("/bucket/key").body("x").send().await.expect(200);
    let copy =
        |owner: &str| world.put("/bucket/copy").header("x-amz-copy-source", "bucket/key").header(OF_SOURCE, owner);
    copy("user/bob").send().await.expect_error(403, "AccessDenied");
    world.head("/bucket/copy").send().await.expect(404);
    copy(&owner).header(EXPECTED, "user/bob").send().await.expect_error(403, "AccessDenied");
    copy(&owner).header(EXPECTED, &owner).send().await.expect(200);
}
