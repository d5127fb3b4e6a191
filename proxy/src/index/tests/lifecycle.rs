//! Passes over buckets by their lifecycle rules: who has one, how far it has come, and what it looks at.

use serde_json::json;

use super::*;
use crate::index::lifecycle::{UPLOADS, VERSIONS};

impl World {
    /// Sets rules; what they say is nothing to the index.
    async fn lifecycle(&self, rules: &str) {
        let document = json!({ "rules": [rules] });
        let kind = ConfigurationKind::Lifecycle;
        let new = NewConfiguration { bucket: "b", kind, document: &document, by: "root", audit: &[] };
        self.index.put_bucket_configuration(new).await.unwrap();
    }

    async fn claim_pass(&self, lease: Duration) -> Option<LifecyclePass> {
        self.index.claim_lifecycle(lease, NOW).await.unwrap()
    }

    async fn advance(&self, pass: &LifecyclePass, place: &LifecyclePlace, done: LifecycleCounts) -> bool {
        self.index.advance_lifecycle(pass, place, done, LATER).await.unwrap()
    }

    async fn keep_versions(&self) {
        self.index.put_bucket_versioning("b", Versioning::Enabled, &[]).await.unwrap();
    }

    /// Hides an object.
    async fn hide(&self, key: &str) {
        let wanted = [Deletion::of(key)];
        self.index.delete_versions("b", &wanted, BY, &[]).await.unwrap().pop().unwrap().unwrap();
    }

    async fn delete_by_rule(&self, wanted: Deletion<'_>) -> Result<Deleted, Error> {
        let by = DeleteBy { cause: DeleteCause::Lifecycle, ..BY };
        self.index.delete_versions("b", &[wanted], by, &[]).await.unwrap().pop().unwrap()
    }

    async fn tag(&self, key: &str, value: &str) -> Tags {
        let tags = Tags::from([("a".to_owned(), value.to_owned())]);
        self.index.put_object_tags(("b", key, None), &tags, "root", &[]).await.unwrap();
        tags
    }

    async fn bucket_id(&self) -> i64 {
        self.count("SELECT id FROM buckets WHERE name = 'b'").await
    }
}

/// A version that is to go for good if it is yet what was found, the latest or not.
fn gone(found: &LifecycleVersion, only_latest: bool) -> Deletion<'_> {
    let version = Some(found.version_id.as_str());
    Deletion { version, only_row: Some(found.id), only_latest: Some(only_latest), ..Deletion::of(&found.key) }
}

fn place(stage: LifecycleStage, key: &str, id: &str) -> LifecyclePlace {
    LifecyclePlace { stage, key: key.to_owned(), id: id.to_owned() }
}

#[tokio::test]
async fn a_pass_is_one_holders_who_leaves_it_where_it_is() {
    let world = World::new().await;
    assert!(world.claim_pass(LATER).await.is_none(), "a bucket without rules");
    assert_eq!(world.index.lifecycle_status("b").await.unwrap(), None);
    assert_code(world.index.lifecycle_status("none").await, Code::NoSuchBucket);
    world.lifecycle("one").await;
    let pass = world.claim_pass(LATER).await.unwrap();
    assert_eq!((pass.bucket.as_str(), &pass.document), ("b", &json!({"rules": ["one"]})));
    assert_eq!(pass.place, place(LifecycleStage::Versions, "", ""));
    assert!(world.claim_pass(LATER).await.is_none());

    let (there, done) = (place(LifecycleStage::Objects, "k", "7"), LifecycleCounts { looked: 5, ..Default::default() });
    assert!(world.advance(&pass, &there, done).await);
    assert!(world.advance(&pass, &there, LifecycleCounts { objects: 2, ..done }).await);
    world.index.interrupt_lifecycle(&pass, NOW, Some("late")).await.unwrap();
    assert!(!world.advance(&pass, &there, done).await, "it is nobody's");
    let status = world.index.lifecycle_status("b").await.unwrap().unwrap();
    assert_eq!(status.counts, LifecycleCounts { looked: 10, objects: 2, ..Default::default() });
    assert_eq!((status.ended_at, status.error.as_deref()), (None, Some("late")));

    let next = world.claim_pass(LATER).await.unwrap();
    assert_eq!((&next.place, next.begun_at), (&there, pass.begun_at));
    world.index.end_lifecycle(&next, next.now + LATER).await.unwrap();
    assert!(world.claim_pass(LATER).await.is_none());
    let status = world.index.lifecycle_status("b").await.unwrap().unwrap();
    assert_eq!((status.error, status.counts.looked), (None, 10));
    assert!(status.ended_at.is_some() && status.due_at > next.now);

    let again = world.index.claim_lifecycle(LATER, LATER * 2).await.unwrap().unwrap();
    assert_eq!(again.place, place(LifecycleStage::Versions, "", ""));
    assert_eq!(world.index.lifecycle_status("b").await.unwrap().unwrap().counts, LifecycleCounts::default());
}

#[tokio::test]
async fn whoever_goes_on_with_nothing_loses_its_pass_to_others() {
    let world = World::new().await;
    world.lifecycle("one").await;
    let killed = world.claim_pass(NOW).await.unwrap();
    let heir = world.claim_pass(LATER).await.unwrap();
    assert!(!world.advance(&killed, &killed.place, LifecycleCounts::default()).await);
    assert!(world.advance(&heir, &heir.place, LifecycleCounts::default()).await);
}

#[tokio::test]
async fn other_rules_begin_anew_and_no_rules_end_it() {
    let world = World::new().await;
    world.lifecycle("one").await;
    let old = world.claim_pass(LATER).await.unwrap();
    let there = place(LifecycleStage::Uploads, "k", "u");
    assert!(world.advance(&old, &there, LifecycleCounts::default()).await);
    world.lifecycle("two").await;
    assert!(!world.advance(&old, &there, LifecycleCounts::default()).await);
    let new = world.claim_pass(LATER).await.unwrap();
    assert_eq!((new.place, new.document), (place(LifecycleStage::Versions, "", ""), json!({"rules": ["two"]})));
    world.index.delete_bucket_configuration("b", ConfigurationKind::Lifecycle, &[]).await.unwrap();
    assert_eq!(world.index.lifecycle_status("b").await.unwrap(), None);
    world.lifecycle("three").await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM lifecycle_passes").await, 0);
}

#[tokio::test]
async fn rules_come_with_the_policies_and_count_as_a_change_of_them() {
    let world = World::new().await;
    let before = world.index.policy_revision().await.unwrap();
    world.lifecycle("one").await;
    let data = world.index.policy_data().await.unwrap();
    assert!(data.revision > before);
    assert!(data.configurations.iter().any(|known| known.kind == ConfigurationKind::Lifecycle && known.bucket == "b"));
    world.index.delete_bucket_configuration("b", ConfigurationKind::Lifecycle, &[]).await.unwrap();
    assert!(world.index.policy_revision().await.unwrap() > data.revision);
}

#[tokio::test]
async fn older_versions_tell_since_when_and_how_many_came_later() {
    let world = World::new().await;
    world.keep_versions().await;
    for etag in ["1", "2", "3", "4"] {
        world.put("k", etag).await;
    }
    world.put("other", "1").await;
    world.put("other", "2").await;
    world.lifecycle("one").await;
    let mut pass = world.claim_pass(LATER).await.unwrap();
    let all = world.index.lifecycle_versions(&pass, "", 10, 10).await.unwrap();
    let told: Vec<_> = all.iter().map(|version| (version.key.as_str(), version.others)).collect();
    assert_eq!(told, [("k", 0), ("k", 1), ("k", 2), ("other", 0)]);
    // Since the next one came.
    let next =
        "SELECT (SELECT min(n.id) FROM objects n WHERE n.key = o.key AND n.id > o.id) FROM objects o WHERE o.id = $1";
    for version in &all {
        let pool = world.database.pool().unwrap();
        let next: i64 = sqlx::query_scalar(next).bind(version.id).fetch_one(&pool).await.unwrap();
        let written = "SELECT last_modified FROM objects WHERE id = $1";
        let written: time::OffsetDateTime = sqlx::query_scalar(written).bind(next).fetch_one(&pool).await.unwrap();
        assert_eq!(version.since, written, "{version:?}");
    }
    let few = world.index.lifecycle_versions(&pass, "k", 10, 1).await.unwrap();
    assert_eq!(few.iter().map(|version| version.others).collect::<Vec<_>>(), [0, 1, 1]);
    let none = world.index.lifecycle_versions(&pass, "k", 10, 0).await.unwrap();
    assert!(none.len() == 3 && none.iter().all(|version| version.others == 0));

    let mut walked = Vec::new();
    while let Some(version) = world.index.lifecycle_versions(&pass, "", 1, 10).await.unwrap().pop() {
        pass.place = place(LifecycleStage::Versions, &version.key, &version.id.to_string());
        walked.push(version);
    }
    assert_eq!(walked, all);
    pass.place = place(LifecycleStage::Versions, "k", "1");
    assert_eq!(world.index.lifecycle_versions(&pass, "other", 10, 10).await.unwrap(), all[3..], "a later prefix");
}

#[tokio::test]
async fn current_versions_tell_whether_a_marker_hides_anything() {
    let world = World::new().await;
    world.keep_versions().await;
    world.put("hidden", "x").await;
    world.hide("hidden").await;
    world.hide("nothing").await;
    world.put("shown", "x").await;
    world.lifecycle("one").await;
    let mut pass = world.claim_pass(LATER).await.unwrap();
    let mut walked = Vec::new();
    while let Some(found) = world.index.lifecycle_objects(&pass, "", 1).await.unwrap().pop() {
        pass.place = place(LifecycleStage::Objects, &found.key, &found.id.to_string());
        walked.push((found.key, found.is_delete_marker, found.others));
    }
    let expected = [("hidden", true, 1), ("nothing", true, 0), ("shown", false, 0)];
    assert_eq!(walked, expected.map(|(key, is_marker, others)| (key.to_owned(), is_marker, others)));
    pass.place = place(LifecycleStage::Objects, "", "");
    assert_eq!(world.index.lifecycle_objects(&pass, "s", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn uploads_of_one_key_are_gone_over_one_by_one() {
    let world = World::new().await;
    for key in ["a", "k", "k", "k", "z"] {
        world.begin_upload(key).await;
    }
    world.lifecycle("one").await;
    let mut pass = world.claim_pass(LATER).await.unwrap();
    let mut walked = Vec::new();
    while let Some(upload) = world.index.lifecycle_uploads(&pass, "k", 1).await.unwrap().pop() {
        pass.place = place(LifecycleStage::Uploads, &upload.key, &upload.id);
        walked.push(upload);
    }
    assert_eq!(walked.len(), 3);
    pass.place = place(LifecycleStage::Uploads, "a", "~");
    assert_eq!(world.index.lifecycle_uploads(&pass, "k", 10).await.unwrap(), walked, "a later prefix");
    pass.place = place(LifecycleStage::Uploads, "", "");
    assert_eq!(world.index.lifecycle_uploads(&pass, "k", 10).await.unwrap(), walked);
    assert_eq!(world.index.lifecycle_uploads(&pass, "", 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn an_older_version_that_is_the_latest_again_is_not_deleted_as_an_older_one() {
    let world = World::new().await;
    world.keep_versions().await;
    world.put("k", "old").await;
    world.hide("k").await;
    world.lifecycle("one").await;
    let pass = world.claim_pass(LATER).await.unwrap();
    let old = world.index.lifecycle_versions(&pass, "", 10, 0).await.unwrap().pop().unwrap();
    let marker = world.index.lifecycle_objects(&pass, "", 10).await.unwrap().pop().unwrap();
    world.delete_by_rule(gone(&marker, true)).await.unwrap();
    assert_code(world.delete_by_rule(gone(&old, false)).await, Code::OperationAborted);
    assert_eq!(world.index.object("b", "k").await.unwrap().head.id, old.id);
    world.put("k", "new").await;
    assert!(world.delete_by_rule(gone(&old, false)).await.unwrap().existed);
    assert!(world.index.lifecycle_versions(&pass, "", 10, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_delete_marker_that_another_version_has_followed_is_not_deleted_as_the_latest() {
    let world = World::new().await;
    world.keep_versions().await;
    world.hide("k").await;
    world.lifecycle("one").await;
    let pass = world.claim_pass(LATER).await.unwrap();
    let marker = world.index.lifecycle_objects(&pass, "", 10).await.unwrap().pop().unwrap();
    world.put("k", "new").await;
    assert_code(world.delete_by_rule(gone(&marker, true)).await, Code::OperationAborted);
    assert!(world.delete_by_rule(gone(&marker, false)).await.unwrap().delete_marker);
}

#[tokio::test]
async fn a_version_whose_tags_have_changed_is_not_deleted_for_those_that_it_had() {
    let world = World::new().await;
    world.keep_versions().await;
    world.put("k", "one").await;
    let asked = world.tag("k", "1").await;
    world.lifecycle("one").await;
    let pass = world.claim_pass(LATER).await.unwrap();
    let found = world.index.lifecycle_objects(&pass, "", 10).await.unwrap().pop().unwrap();
    assert_eq!(found.tags, asked);
    let hidden = Deletion { only_row: Some(found.id), only_tags: Some(&found.tags), ..Deletion::of("k") };
    world.tag("k", "2").await;
    assert_code(world.delete_by_rule(hidden).await, Code::OperationAborted);
    assert_eq!(world.index.object("b", "k").await.unwrap().head.id, found.id);

    // The same of an older version.
    world.put("k", "two").await;
    assert_code(
        world.delete_by_rule(Deletion { only_tags: Some(&asked), ..gone(&found, false) }).await,
        Code::OperationAborted,
    );
    let found = world.index.lifecycle_versions(&pass, "", 10, 0).await.unwrap().pop().unwrap();
    let removed = world.delete_by_rule(Deletion { only_tags: Some(&found.tags), ..gone(&found, false) }).await;
    assert!(removed.unwrap().existed);
}

#[tokio::test]
async fn a_page_of_a_key_with_very_many_versions_reads_no_version_before_it() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    sqlx::raw_sql(
        "INSERT INTO objects (bucket_id, key, version_id, is_latest, size, etag, segment_count, owner)
         SELECT id, 'k', 'v' || n, n = 5000, 0, 'e', 0, 'root' FROM buckets, generate_series(1, 5000) AS n WHERE name = 'b';
         ANALYZE objects",
    )
    .execute(&pool)
    .await
    .unwrap();
    let middle = world.count("SELECT id FROM objects WHERE version_id = 'v1000'").await;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON) {VERSIONS}"));
    let plan = sqlx::query_scalar::<_, serde_json::Value>(explain).bind(world.bucket_id().await).bind("k").bind("l");
    let plan = plan.bind(middle).bind(50_i64).bind(0_i64).fetch_one(&pool).await.unwrap();
    let read = rows_of_plan(&plan, "objects");
    // Each of them, and what may have followed it: the next older one, and the latest.
    assert!(read <= 200.0, "{read} rows: {plan:#}");
}

#[tokio::test]
async fn a_page_of_a_key_with_very_many_uploads_reads_no_upload_before_it() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    sqlx::raw_sql(
        "INSERT INTO uploads (id, bucket_id, key, owner)
         SELECT 'id' || lpad(n::text, 6, '0'), id, 'k', 'root' FROM buckets, generate_series(1, 5000) AS n WHERE name = 'b';
         ANALYZE uploads",
    )
    .execute(&pool)
    .await
    .unwrap();
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON) {UPLOADS}"));
    let plan = sqlx::query_scalar::<_, serde_json::Value>(explain).bind(world.bucket_id().await).bind("k").bind("l");
    let plan = plan.bind("id004000").bind(50_i64).fetch_one(&pool).await.unwrap();
    let read = rows_of_plan(&plan, "uploads");
    assert!(read <= 50.0, "{read} rows: {plan:#}");
}
