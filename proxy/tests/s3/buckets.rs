//! Buckets.

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_found_listed_and_deleted() {
    let world = World::new().await;
    let made = world.put("/bucket").send().await.expect(200);
    assert_eq!(made.header("location"), "/bucket");
    let found = world.head("/bucket").send().await.expect(200);
    assert_eq!(found.header("x-amz-bucket-region"), "us-east-1");
    let listed = world.get("/").send().await.expect(200);
    assert_eq!(listed.elements("Name"), ["bucket"]);
    assert_eq!(listed.element("ID"), "root/AKIATEST");
    world.delete("/bucket").send().await.expect(204);
    world.head("/bucket").send().await.expect(404);
    world.delete("/bucket").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_exists_is_ours() {
    let world = World::with(|config| config.s3.region = "eu-west-1".into()).await;
    world.put("/bucket").region("eu-west-1").send().await.expect(200);
    world.put("/bucket").region("eu-west-1").send().await.expect_error(409, "BucketAlreadyOwnedByYou");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_first_region_a_bucket_is_made_again_by_its_owner_and_stays_as_it_is() {
    let world = World::with_bucket().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    assert_eq!(world.put("/bucket").send().await.expect(200).header("location"), "/bucket");
    assert_eq!(world.get("/bucket/key").send().await.expect(200).text(), "x");
    for (name, value) in [("x-amz-bucket-object-lock-enabled", "true"), ("x-amz-object-ownership", "ObjectWriter")] {
        world.put("/bucket").header(name, value).send().await.expect_error(409, "BucketAlreadyOwnedByYou");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_in_our_region_only() {
    let world = World::with(|config| config.s3.region = "eu-west-1".into()).await;
    let document = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let wrong = world.put("/bucket").region("eu-west-1").body(document("us-west-2"));
    wrong.send().await.expect_error(400, "InvalidLocationConstraint");
    world.put("/bucket").region("eu-west-1").body(document("eu-west-1")).send().await.expect(200);
    let location = world.get("/bucket?location").region("eu-west-1").send().await.expect(200);
    assert!(location.text().contains("eu-west-1</LocationConstraint>"), "{}", location.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_region_is_answered_with_nothing() {
    let world = World::with_bucket().await;
    let location = world.get("/bucket?location").send().await.expect(200);
    assert!(
        location.text().contains("LocationConstraint") && !location.text().contains("us-east-1"),
        "{}",
        location.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_holds_something_is_only_deleted_by_force() {
    let world = World::with_bucket().await;
    for i in 0..3 {
        world.put(&format!("/bucket/key-{i}")).body("x").send().await.expect(200);
    }
    world.post("/bucket/upload?uploads").send().await.expect(200);
    world.delete("/bucket").send().await.expect_error(409, "BucketNotEmpty");
    // The header must be signed.
    world.delete("/bucket").late_header("x-zas-force-delete", "true").send().await.expect_error(403, "AccessDenied");
    world.delete("/bucket").header("x-zas-force-delete", "false").send().await.expect_error(409, "BucketNotEmpty");
    world.delete("/bucket").header("x-zas-force-delete", "true").send().await.expect(204);
    world.get("/bucket/key-0").send().await.expect_error(404, "NoSuchBucket");
    world.expect_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_under_way_keeps_no_bucket() {
    let world = World::with_bucket().await;
    let begun = world.post("/bucket/upload?uploads").send().await.expect(200);
    let part = format!("/bucket/upload?uploadId={}&partNumber=1", begun.element("UploadId"));
    world.put(&part).body("x").send().await.expect(200);
    world.delete("/bucket").send().await.expect(204);
    world.head("/bucket").send().await.expect(404);
    assert_eq!((world.count("uploads").await, world.count("upload_parts").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_listed_in_pages() {
    let world = World::new().await;
    for name in ["alpha", "beta-1", "beta-2", "beta-3", "gamma"] {
        world.put(&format!("/{name}")).send().await.expect(200);
    }
    let first = world.get("/?prefix=beta&max-buckets=2").send().await.expect(200);
    assert_eq!(first.elements("Name"), ["beta-1", "beta-2"]);
    let token = first.element("ContinuationToken");
    let second = world.get(&format!("/?continuation-token={token}&max-buckets=2&prefix=beta")).send().await.expect(200);
    assert_eq!(second.elements("Name"), ["beta-3"]);
    assert_eq!(second.element("ContinuationToken"), "");
    // A token is of its listing alone.
    let other = world.get(&format!("/?continuation-token={token}&max-buckets=2&prefix=alpha")).send().await;
    other.expect_error(400, "InvalidArgument");
    let here = world.get("/?bucket-region=us-east-1&prefix=gamma").send().await.expect(200);
    assert_eq!(
        (here.elements("Name"), here.element("BucketRegion")),
        (vec!["gamma".to_owned()], "us-east-1".to_owned())
    );
    let long = format!("/?continuation-token={}", "A".repeat(1_500));
    for uri in
        ["/?continuation-token=nonsense", long.as_str(), "/?max-buckets=0", "/?max-buckets=10001", "/?bucket-region=x"]
    {
        world.get(uri).send().await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_s3_forbids_are_refused() {
    let world = World::new().await;
    for name in ["ab", "Upper", "192.168.1.1", "xn--a", "sthree-a", "a-s3alias", "a--ol-s3", "a..b"] {
        world.put(&format!("/{name}")).send().await.expect_error(400, "InvalidBucketName");
    }
    assert_eq!(world.count("buckets").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_under_a_configured_domain_name_the_bucket() {
    let world = World::with(|config| config.s3.domains = vec!["localhost".into()]).await;
    // The host of these tests is the domain itself: path style goes on working.
    world.put("/bucket").send().await.expect(200);
    world.head("/bucket").send().await.expect(200);
}
