//! Deletes with conditions: DeleteObject with `If-Match`, DeleteObjects with ETags.

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_goes_by_the_etag_that_it_names() {
    let world = World::with_bucket().await;
    let etag = world.put("/bucket/key").body("1").send().await.expect(200).header("etag").to_owned();
    let refused = world.delete("/bucket/key").header("if-match", "\"nope\"").send().await;
    assert_eq!(refused.expect_error(412, "PreconditionFailed").element("Condition"), "If-Match");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "1");
    world.delete("/bucket/key").header("if-match", &etag).send().await.expect(204);
    world.get("/bucket/key").send().await.expect(404);
    // Bare, as some clients send it; and of nothing no condition holds.
    let bare = world.put("/bucket/key").body("2").send().await.expect(200).etag();
    world.delete("/bucket/key").header("if-match", &bare).send().await.expect(204);
    world.delete("/bucket/key").header("if-match", &bare).send().await.expect_error(404, "NoSuchKey");
    world.delete("/bucket/key").header("if-match", "*").send().await.expect_error(404, "NoSuchKey");
    world.delete("/bucket/key").send().await.expect(204);
    world.put("/bucket/key").body("3").send().await.expect(200);
    world.delete("/bucket/key").header("if-match", "*").send().await.expect(204);
    world.delete("/none/key").header("if-match", "*").send().await.expect_error(404, "NoSuchBucket");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_only_directory_buckets_have_are_refused() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("1").send().await.expect(200);
    for (name, value) in [
        ("x-amz-if-match-size", "1"),
        ("x-amz-if-match-last-modified-time", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("if-none-match", "*"),
    ] {
        world.delete("/bucket/key").header(name, value).send().await.expect_error(501, "NotImplemented");
    }
    let document = "<Delete><Object><Key>key</Key><Size>1</Size></Object></Delete>";
    let answer = world.post("/bucket?delete").body(document).send().await.expect(200);
    assert_eq!(answer.elements("Code"), ["NotImplemented"]);
    world.head("/bucket/key").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_those_are_deleted_whose_etag_is_named() {
    let world = World::with_bucket().await;
    let mut etags = Vec::new();
    for key in ["a", "b", "c", "d"] {
        etags.push(world.put(&format!("/bucket/{key}")).body(key).send().await.expect(200).etag());
    }
    let object = |key: &str, etag: &str| format!("<Object><Key>{key}</Key>{etag}</Object>");
    let named = |etag: &str| format!("<ETag>{etag}</ETag>");
    let objects = [
        object("a", &named(&format!("\"{}\"", etags[0]))),
        object("b", &named(&etags[0])),
        object("c", &named("*")),
        object("d", ""),
        object("none", &named("*")),
        object("never", ""),
    ];
    let document = format!("<Delete>{}</Delete>", objects.concat());
    let answer = world.post("/bucket?delete").body(document).send().await.expect(200);
    assert_eq!(answer.elements("Key"), ["a", "c", "d", "never", "b", "none"]);
    assert_eq!(answer.elements("Code"), ["PreconditionFailed", "NoSuchKey"]);
    world.head("/bucket/b").send().await.expect(200);
    for key in ["a", "c", "d"] {
        world.head(&format!("/bucket/{key}")).send().await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_deletes_and_writes_through_two_sidecars_one_wins() {
    let world = World::with_bucket().await;
    let replica = world.replica();
    for round in 0..10 {
        let etag =
            world.put("/bucket/key").body(format!("round {round}")).send().await.expect(200).header("etag").to_owned();
        let attempts = (0..16).map(|turn| {
            let (world, replica, etag) = (&world, &replica, &etag);
            async move {
                let ask = match turn % 4 {
                    0 | 1 => world.delete("/bucket/key"),
                    _ => world.put("/bucket/key").body(format!("writer {turn} of {round}")),
                };
                let request = ask.header("if-match", etag).signed();
                let status = match turn % 2 {
                    0 => zas_proxy::s3::call(replica, request).await.status(),
                    _ => world.send(request).await.status,
                };
                (turn, status.as_u16())
            }
        });
        let answers = futures::future::join_all(attempts).await;
        let won: Vec<_> = answers.iter().filter(|(_, status)| matches!(status, 200 | 204)).collect();
        assert!(answers.iter().all(|(_, status)| matches!(status, 200 | 204 | 404 | 409 | 412)), "{answers:?}");
        let [(winner, status)] = won.as_slice() else { panic!("not one has won: {answers:?}") };
        let left = world.get("/bucket/key").send().await;
        match status {
            204 => assert_eq!(left.status, 404),
            _ => assert_eq!(left.text(), format!("writer {winner} of {round}")),
        }
    }
}
