//! Lifecycle: rules are set, given back and refused, and the worker goes by them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zas_proxy::index::{LifecycleCounts, LifecycleStage};
use zas_proxy::lifecycle::LifecycleWorker;

use crate::support::{Answer, World};

const KEEPING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

/// One rule in force.
fn rule(id: &str, rest: &str) -> String {
    format!("<Rule><ID>{id}</ID><Status>Enabled</Status>{rest}</Rule>")
}

async fn set(world: &World, rules: &str) -> Answer {
    let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
    world.put("/bucket?lifecycle").body(document).send().await
}

/// With rules, and a bucket that keeps versions where it is said.
async fn with_rules(keeps: bool, rules: &str) -> World {
    let world = World::with_bucket().await;
    if keeps {
        world.put("/bucket?versioning").body(KEEPING).send().await.expect(200);
    }
    set(&world, rules).await.expect(200);
    world
}

/// Goes over the bucket as it would so many days from now; what it has done.
async fn pass_after(world: &World, days: u64) -> LifecycleCounts {
    let worker = LifecycleWorker::new(Arc::clone(&world.app));
    let ahead = Duration::from_secs(days * 24 * 3600);
    assert!(worker.work_off_one(ahead, &CancellationToken::new()).await.unwrap(), "no bucket was due");
    let status = world.app.index.lifecycle_status("bucket").await.unwrap().unwrap();
    assert!(status.ended_at.is_some() && status.error.is_none(), "{status:?}");
    status.counts
}

async fn put(world: &World, key: &str) -> Answer {
    world.put(&format!("/bucket/{key}")).body("12345").send().await.expect(200)
}

async fn status_of(world: &World, key: &str) -> u16 {
    world.head(&format!("/bucket/{key}")).send().await.status.as_u16()
}

/// Versions and markers of the bucket.
async fn versions(world: &World) -> (usize, usize) {
    let listed = world.get("/bucket?versions").send().await.expect(200).text();
    (listed.matches("<Version>").count(), listed.matches("<DeleteMarker>").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_given_back_as_they_were_set_until_they_are_deleted() {
    let world = World::with_bucket().await;
    let and = "<Filter><And><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>99</ObjectSizeLessThan>\
               <Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value></Value></Tag></And></Filter>";
    let rules = [
        format!("<Rule><Expiration><Days>30</Days></Expiration>{and}<ID>and</ID><Status>Enabled</Status></Rule>"),
        "<Rule><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration><Filter><Prefix>tmp/</Prefix></Filter><ID>date</ID>\
         <Status>Disabled</Status></Rule>"
            .to_owned(),
        "<Rule><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>\
         <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><Filter></Filter><ID>whole</ID>\
         <NoncurrentVersionExpiration><NewerNoncurrentVersions>3</NewerNoncurrentVersions><NoncurrentDays>9</NoncurrentDays>\
         </NoncurrentVersionExpiration><Status>Enabled</Status></Rule>"
            .to_owned(),
    ];
    let answer = set(&world, &rules.concat()).await.expect(200);
    assert_eq!(answer.header("x-amz-transition-default-minimum-object-size"), "all_storage_classes_128K");
    let read = world.get("/bucket?lifecycle").send().await.expect(200);
    let text = read.text().replace(".000Z", "Z").replace("<Filter/>", "<Filter></Filter>");
    let text = text.replace("<Value/>", "<Value></Value>");
    for rule in &rules {
        assert!(text.contains(rule.as_str()), "{rule}\n{text}");
    }
    set(&world, "<Rule><Prefix>old/</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>")
        .await
        .expect(200);
    let read = world.get("/bucket?lifecycle").send().await.expect(200);
    assert!(!read.element("ID").is_empty() && !read.text().contains("<Filter"), "{}", read.text());
    assert_eq!(read.element("Prefix"), "old/");
    for _ in 0..2 {
        world.delete("/bucket?lifecycle").send().await.expect(204);
        world.get("/bucket?lifecycle").send().await.expect_error(404, "NoSuchLifecycleConfiguration");
    }
    let nowhere = format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules[0]);
    world.put("/nowhere?lifecycle").body(nowhere).send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_is_refused_and_what_is_not_there_says_so() {
    let world = World::with_bucket().await;
    let (all, days) = ("<Filter/>", "<Expiration><Days>1</Days></Expiration>");
    let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
    let abort =
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    for (rules, status, code) in [
        (rule("r", &format!("{days}<Filter><Prefix>a</Prefix></Filter><Prefix>a</Prefix>")), 400, "MalformedXML"),
        (rule("r", days), 400, "MalformedXML"),
        (rule("r", &format!("{days}<Filter><Prefix>a</Prefix>{tag}</Filter>")), 400, "MalformedXML"),
        (rule("r", &format!("{days}<Filter><And/></Filter>")), 400, "MalformedXML"),
        (rule("r", &format!("{all}<Expiration/>")), 400, "MalformedXML"),
        (
            rule(
                "r",
                &format!(
                    "{all}<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
                ),
            ),
            400,
            "MalformedXML",
        ),
        (
            rule("r", &format!("{all}<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>")),
            400,
            "MalformedXML",
        ),
        (
            rule("r", &format!("{all}<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>")),
            400,
            "InvalidArgument",
        ),
        (rule("r", &format!("{all}<Expiration><Days>0</Days></Expiration>")), 400, "InvalidArgument"),
        (rule("r", &format!("{all}<Expiration><Days>soon</Days></Expiration>")), 400, "MalformedXML"),
        (
            rule(
                "r",
                &format!(
                    "{all}<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                ),
            ),
            400,
            "MalformedXML",
        ),
        (rule("r", &format!("<Filter>{tag}</Filter>{abort}")), 400, "InvalidRequest"),
        (rule("r", all), 400, "InvalidRequest"),
        (rule("r", &format!("{all}{days}")).repeat(2), 400, "InvalidArgument"),
        (rule("r", &format!("{all}{days}")).replace("Enabled", "enabled"), 400, "MalformedXML"),
        (
            rule("r", &format!("{all}<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>")),
            501,
            "NotImplemented",
        ),
        (
            rule(
                "r",
                &format!(
                    "{all}{days}<NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>"
                ),
            ),
            501,
            "NotImplemented",
        ),
    ] {
        set(&world, &rules).await.expect_error(status, code);
    }
    world.get("/bucket?lifecycle").send().await.expect_error(404, "NoSuchLifecycleConfiguration");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_when_an_object_or_an_upload_goes() {
    let rules = rule("old & gone", "<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration>")
        .replace('&', "&amp;");
    let abort = "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    let world = with_rules(false, &(rules + &rule("uploads", abort))).await;
    let written = put(&world, "logs/a").await;
    let told = written.header("x-amz-expiration").to_owned();
    assert!(
        told.starts_with("expiry-date=\"") && told.ends_with(" 00:00:00 GMT\", rule-id=\"old%20%26%20gone\""),
        "{told}"
    );
    for read in [world.get("/bucket/logs/a").send().await, world.head("/bucket/logs/a").send().await] {
        assert_eq!(read.expect(200).header("x-amz-expiration"), told);
    }
    assert!(!put(&world, "other").await.headers.contains_key("x-amz-expiration"));
    let begun = world.post("/bucket/other?uploads").send().await.expect(200);
    assert_eq!(begun.header("x-amz-abort-rule-id"), "uploads");
    let listed = world.get(&format!("/bucket/other?uploadId={}", begun.element("UploadId"))).send().await.expect(200);
    assert_eq!(listed.header("x-amz-abort-date"), begun.header("x-amz-abort-date"));
    world.delete("/bucket?lifecycle").send().await.expect(204);
    assert!(!world.head("/bucket/logs/a").send().await.expect(200).headers.contains_key("x-amz-expiration"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_enough_goes_and_nothing_else() {
    let tagged = "<Filter><And><Prefix>tagged/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>";
    let rules = rule("logs", "<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration>")
        + &rule("tagged", &format!("{tagged}<Expiration><Days>1</Days></Expiration>"))
        + &rule(
            "large",
            "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter><Expiration><Days>1</Days></Expiration>",
        )
        + &rule("off", "<Filter/><Expiration><Days>1</Days></Expiration>").replace("Enabled", "Disabled");
    let world = with_rules(false, &rules).await;
    for key in ["keep", "logs/a", "logs/b", "logz", "tagged/no"] {
        put(&world, key).await;
    }
    world.put("/bucket/tagged/yes").header("x-amz-tagging", "a=1&b=2").body("x").send().await.expect(200);
    world.put("/bucket/large").body("123456").send().await.expect(200);
    assert_eq!(pass_after(&world, 0).await.objects, 0);
    let done = pass_after(&world, 2).await;
    assert_eq!((done.objects, done.looked), (2, 7), "{done:?}");
    assert_eq!((status_of(&world, "large").await, status_of(&world, "tagged/yes").await), (404, 404));
    assert_eq!(pass_after(&world, 5).await.objects, 2);
    for (key, status) in [("keep", 200), ("logs/a", 404), ("logs/b", 404), ("logz", 200), ("tagged/no", 200)] {
        assert_eq!(status_of(&world, key).await, status, "{key}");
    }
    let recorded = "audit_event WHERE principal = 'user/system/lifecycle' AND action = 's3:DeleteObject'";
    assert_eq!(world.count(recorded).await, 4);
    assert_eq!(world.count(&format!("{recorded} AND record LIKE '%by the lifecycle rule logs%'")).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_versions_are_kept_an_object_is_hidden_then_removed_and_then_its_marker() {
    let rules = rule("current", "<Filter/><Expiration><Days>1</Days></Expiration>")
        + &rule(
            "older",
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>",
        );
    let world = with_rules(true, &rules).await;
    put(&world, "key").await;
    assert_eq!(pass_after(&world, 2).await.objects, 1);
    assert_eq!(versions(&world).await, (1, 1));
    assert_eq!(status_of(&world, "key").await, 404);
    // The marker hides something yet.
    assert_eq!(pass_after(&world, 4).await, LifecycleCounts { looked: 2, ..LifecycleCounts::default() });
    let done = pass_after(&world, 8).await;
    assert_eq!((done.versions, done.markers, done.objects), (1, 1, 0));
    assert_eq!(versions(&world).await, (0, 0));
    let recorded = "audit_event WHERE principal = 'user/system/lifecycle' AND action = 's3:DeleteObjectVersion'";
    assert_eq!(world.count(recorded).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_older_versions_stay_as_many_as_a_rule_keeps() {
    let keep = "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
                <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    let world = with_rules(true, &rule("keep", keep)).await;
    let mut written = Vec::new();
    for _ in 0..5 {
        written.push(put(&world, "key").await.header("x-amz-version-id").to_owned());
    }
    assert_eq!(pass_after(&world, 3).await.versions, 2);
    for (at, version) in written.iter().enumerate() {
        let status = if at < 2 { 404 } else { 200 };
        world.get(&format!("/bucket/key?versionId={version}")).send().await.expect(status);
    }
    assert_eq!(pass_after(&world, 6).await.versions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_version_stays_and_is_counted() {
    let world = World::new().await;
    let locking = world.put("/bucket").header("x-amz-bucket-object-lock-enabled", "true");
    locking.send().await.expect(200);
    let older =
        "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";
    set(&world, &rule("older", older)).await.expect(200);
    let held = world.put("/bucket/key").header("x-amz-object-lock-legal-hold", "ON").body("held");
    let held = held.send().await.expect(200).header("x-amz-version-id").to_owned();
    let retained = world.put("/bucket/key").header("x-amz-object-lock-mode", "GOVERNANCE");
    let retained = retained.header("x-amz-object-lock-retain-until-date", "2999-01-01T00:00:00Z").body("retained");
    let retained = retained.send().await.expect(200).header("x-amz-version-id").to_owned();
    put(&world, "key").await;
    put(&world, "key").await;
    let done = pass_after(&world, 3).await;
    assert_eq!((done.versions, done.locked), (1, 2));
    for version in [held, retained] {
        world.get(&format!("/bucket/key?versionId={version}")).send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_nobody_finishes_are_given_up() {
    let abort = "<Filter><Prefix>big/</Prefix></Filter><AbortIncompleteMultipartUpload>\
                 <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    let world = with_rules(false, &rule("uploads", abort)).await;
    for key in ["big/a", "big/b", "small"] {
        let id = world.post(&format!("/bucket/{key}?uploads")).send().await.expect(200).element("UploadId");
        world.put(&format!("/bucket/{key}?partNumber=1&uploadId={id}")).body("part").send().await.expect(200);
    }
    assert_eq!(pass_after(&world, 0).await.uploads, 0);
    assert_eq!(pass_after(&world, 3).await.uploads, 2);
    assert_eq!(world.get("/bucket?uploads").send().await.expect(200).elements("Key"), ["small"]);
    let recorded = "audit_event WHERE principal = 'user/system/lifecycle' AND action = 's3:AbortMultipartUpload'";
    assert_eq!(world.count(recorded).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pass_has_done_before_it_fails_counts_and_what_is_left_comes_again() {
    let abort = "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    let world = with_rules(false, &rule("uploads", abort)).await;
    for key in ["a", "b", "c"] {
        world.post(&format!("/bucket/{key}?uploads")).send().await.expect(200);
    }
    let pool = world.database.pool().unwrap();
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE DELETE ON uploads FOR EACH ROW WHEN (OLD.key = 'b') EXECUTE FUNCTION refuse()",
    )
    .execute(&pool)
    .await
    .unwrap();
    let worker = LifecycleWorker::new(Arc::clone(&world.app));
    let ahead = Duration::from_secs(3 * 24 * 3600);
    assert!(worker.work_off_one(ahead, &CancellationToken::new()).await.unwrap());
    let status = world.app.index.lifecycle_status("bucket").await.unwrap().unwrap();
    assert!(status.ended_at.is_none() && status.error.is_some(), "{status:?}");
    assert_eq!(status.counts, LifecycleCounts { uploads: 1, ..LifecycleCounts::default() });
    sqlx::raw_sql("DROP TRIGGER refuse ON uploads").execute(&pool).await.unwrap();
    let expected = LifecycleCounts { looked: 2, uploads: 3, ..LifecycleCounts::default() };
    assert_eq!(pass_after(&world, 3).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_of_many_pages_goes_on_where_another_replica_was_killed() {
    let world = World::with(|config| config.lifecycle.batch = 2).await;
    world.put("/bucket").send().await.expect(200);
    set(&world, &rule("all", "<Filter/><Expiration><Days>1</Days></Expiration>")).await.expect(200);
    for number in 0..7 {
        put(&world, &format!("key-{number}")).await;
    }
    let (ahead, index) = (Duration::from_secs(3 * 24 * 3600), &world.app.index);
    // It came as far as the third key, and was not heard of again: its lease has lapsed for whoever comes three days later.
    let killed = index.claim_lifecycle(Duration::from_secs(60), Duration::ZERO).await.unwrap().unwrap();
    let mut place = killed.place.clone();
    (place.stage, place.key) = (LifecycleStage::Objects, "key-2".to_owned());
    assert!(
        index.advance_lifecycle(&killed, &place, LifecycleCounts::default(), Duration::from_secs(60)).await.unwrap()
    );
    let worker = LifecycleWorker::new(Arc::clone(&world.app));
    assert!(!worker.work_off_one(Duration::ZERO, &CancellationToken::new()).await.unwrap(), "it is held");

    let stopped = CancellationToken::new();
    stopped.cancel();
    assert!(worker.work_off_one(ahead, &stopped).await.unwrap());
    assert_eq!(index.lifecycle_status("bucket").await.unwrap().unwrap().ended_at, None);
    assert_eq!(pass_after(&world, 3).await.objects, 4);
    assert_eq!((status_of(&world, "key-2").await, status_of(&world, "key-3").await), (200, 404));
    assert_eq!(pass_after(&world, 5).await.objects, 3);
}
