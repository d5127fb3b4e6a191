//! Records that commit with their change, and what becomes of them.

use uuid::Uuid;

use super::*;
use crate::audit::{Kind, Record};

pub(super) fn record(reference: &str) -> [Record; 1] {
    [Record::new(Kind::Operation)
        .action("s3:PutObject")
        .on(&zas_policy::Resource::object("b", reference))
        .answered(200, None)]
}

impl World {
    async fn recorded(&self) -> Vec<(Uuid, String)> {
        sqlx::query_as("SELECT id, reference FROM audit_event, json_to_record(record::json) AS r (reference text) ORDER BY time, id")
            .fetch_all(&self.database.pool().unwrap())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn every_change_commits_with_its_record_exactly_once() {
    let world = World::new().await;
    let (index, none) = (&world.index, &world.none);
    let mut wanted = Vec::new();
    let mut expect = |name: &str| {
        let record = record(name);
        wanted.push((record[0].id(), name.to_owned()));
        record
    };
    let made = expect("create-bucket");
    index.create_bucket(NewBucket { audit: &made, ..new_bucket("c") }).await.unwrap();
    let put = expect("put");
    let object = index.commit_object(NewObject { audit: &put, ..world.new_object("k", None) }).await.unwrap();
    let copied = expect("copy");
    index.copy_object(CopySource { audit: &copied, ..world.copy(object.id, "k2") }).await.unwrap();
    let begun = expect("begin");
    let upload = index
        .create_upload(NewUpload {
            bucket: "b",
            key: "m",
            checksum_algorithm: None,
            checksum_type: None,
            headers: none,
            metadata: none,
            tags: none,
            storage_class: "STANDARD",
            lock: NewLock::default(),
            owner: "root",
            audit: &begun,
        })
        .await
        .unwrap();
    let pinned = world.pin("part", LATER).await;
    let segment = [whole(&pinned)];
    let part = expect("part");
    let new_part = NewPart { audit: &part, ..world.new_part(&upload, 1, "part", &segment, Some(&pinned)) };
    index.put_part(new_part).await.unwrap();
    let completed = expect("complete");
    let parts = [CompletedPart { part_number: 1, etag: "part".to_owned() }];
    let completion = CompleteUpload {
        bucket: "b",
        key: "m",
        upload_id: &upload.id,
        parts: &parts,
        etag: "e-1",
        checksums: none,
        checksum_type: None,
        conditions: WriteConditions::default(),
        grace: NOW,
        audit: &completed,
    };
    index.complete_upload(completion).await.unwrap();
    let upload = world.begin_upload("n").await;
    let aborted = expect("abort");
    index.abort_upload("b", "n", &upload.id, NOW, &aborted).await.unwrap();
    let deleted = expect("delete");
    index.delete_object("b", "k", NOW, &deleted).await.unwrap();
    let tagged = expect("tag");
    index.put_object_tags(("b", "k2", None), none, "root", &tagged).await.unwrap();
    let batch = [expect("batch-1"), expect("batch-2")].concat();
    index.delete_objects("b", &["k2".to_owned(), "nothing".to_owned()], NOW, &batch).await.unwrap();
    // The records of what is found are made when it is.
    let emptied = index.empty_bucket("b", 10, "root", NOW, &record("each key")).await.unwrap();
    assert_eq!((emptied.objects, emptied.uploads), (1, 0));
    assert!(index.empty_bucket("b", 10, "root", NOW, &record("nothing left")).await.unwrap().is_nothing());
    let gone = expect("delete-bucket");
    index.delete_bucket("b", &gone).await.unwrap();
    let mut recorded = world.recorded().await;
    let of_key = recorded.iter().position(|(_, reference)| reference == "m").unwrap();
    recorded.remove(of_key);
    assert_eq!(recorded, wanted);
    assert_eq!(world.count("SELECT count(*) FROM audit_unsealed").await, wanted.len() as i64 + 1);
}

#[tokio::test]
async fn what_is_refused_leaves_no_record() {
    let world = World::new().await;
    world.put("k", "x").await;
    let index = &world.index;
    let absent = WriteConditions { absent: true, etag: None };
    let audit = record("refused");
    let object = NewObject { conditions: absent, audit: &audit, ..world.new_object("k", None) };
    assert_code(index.commit_object(object).await, Code::PreconditionFailed);
    assert_code(
        index.create_bucket(NewBucket { audit: &audit, ..new_bucket("b") }).await,
        Code::BucketAlreadyOwnedByYou,
    );
    assert_code(index.delete_bucket("b", &audit).await, Code::BucketNotEmpty);
    assert_code(index.abort_upload("b", "k", "none", NOW, &audit).await, Code::NoSuchUpload);
    assert_code(index.delete_object("none", "k", NOW, &audit).await, Code::NoSuchBucket);
    assert_code(index.empty_bucket("none", 1, "root", NOW, &audit).await, Code::NoSuchBucket);
    assert_eq!(world.recorded().await, []);
}

#[tokio::test]
async fn of_a_delete_only_what_is_deleted_is_recorded() {
    let world = World::new().await;
    for key in ["a", "b"] {
        world.put(key, key).await;
    }
    let audit = [record("a"), record("b"), record("c")].concat();
    let wanted = [("a", Some("another")), ("b", Some("b")), ("c", Some("*"))];
    let wanted = wanted.map(|(key, etag)| Deletion { etag, ..Deletion::of(key) });
    world.index.delete_versions("b", &wanted, BY, &audit).await.unwrap();
    let recorded: Vec<String> = world.recorded().await.into_iter().map(|(_, reference)| reference).collect();
    assert_eq!(recorded, ["b"]);
}

#[tokio::test]
async fn a_change_whose_record_cannot_be_written_does_not_happen() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let broken = "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$";
    sqlx::query(broken).execute(&pool).await.unwrap();
    sqlx::query("CREATE TRIGGER broken BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION broken()")
        .execute(&pool)
        .await
        .unwrap();
    let audit = record("k");
    let object = NewObject { audit: &audit, ..world.new_object("k", None) };
    assert_code(world.index.commit_object(object).await, Code::IndexUnavailable);
    assert_code(world.index.object("b", "k").await, Code::NoSuchKey);
    assert_code(
        world.index.create_bucket(NewBucket { audit: &audit, ..new_bucket("c") }).await,
        Code::IndexUnavailable,
    );
    assert_code(world.index.bucket("c").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn records_cannot_be_changed_deleted_or_truncated_by_sql() {
    let world = World::new().await;
    world.index.append_audit(&record("k")).await.unwrap();
    world.index.seal_audit(None, 10).await.unwrap();
    let pool = world.database.pool().unwrap();
    let day = format!("audit_event_{}", time::OffsetDateTime::now_utc().date().to_string().replace('-', ""));
    let attacks = [
        "UPDATE audit_event SET status = 500".to_owned(),
        "DELETE FROM audit_event".to_owned(),
        "TRUNCATE audit_event".to_owned(),
        format!("UPDATE {day} SET status = 500"),
        format!("DELETE FROM {day}"),
        format!("TRUNCATE {day}"),
        "UPDATE audit_seal SET number = 2".to_owned(),
        "DELETE FROM audit_seal".to_owned(),
        "TRUNCATE audit_seal".to_owned(),
        "TRUNCATE audit_checkpoint".to_owned(),
    ];
    for attack in attacks {
        let refused = sqlx::query(sqlx::AssertSqlSafe(attack.clone())).execute(&pool).await;
        let message = refused.expect_err(&attack).to_string();
        assert!(message.contains("only ever inserted"), "{attack}: {message}");
    }
    assert_eq!(world.recorded().await.len(), 1);
}

#[tokio::test]
async fn the_writers_role_inserts_and_does_nothing_else() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query("SET ROLE zas_audit_writer").execute(&mut *connection).await.unwrap();
    let text = record("k")[0].canonical(Uuid::nil());
    sqlx::query("SELECT audit_append_batch(ARRAY[$1], '{}', '{}')").bind(text).execute(&mut *connection).await.unwrap();
    sqlx::query("SELECT audit_seal_next($1, NULL, 10)").bind(Uuid::nil()).execute(&mut *connection).await.unwrap();
    for refused in
        ["SELECT record FROM audit_event", "DELETE FROM audit_event", "SELECT audit_retire('2020-01-01', '{}', '')"]
    {
        let error = sqlx::query(refused).execute(&mut *connection).await.expect_err(refused).to_string();
        assert!(error.contains("permission denied"), "{refused}: {error}");
    }
    sqlx::query("SET ROLE zas_audit_reader").execute(&mut *connection).await.unwrap();
    let read: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_read").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(read, 1);
    let error = sqlx::query("INSERT INTO audit_event DEFAULT VALUES").execute(&mut *connection).await;
    assert!(error.expect_err("read only").to_string().contains("permission denied"));
}

#[tokio::test]
async fn a_batch_that_comes_again_is_not_written_twice() {
    let world = World::new().await;
    let records = [record("a"), record("b")].concat();
    assert_eq!(world.index.append_audit(&records).await.unwrap(), 2);
    assert_eq!(world.index.seal_audit(None, 10).await.unwrap(), 2);
    assert_eq!(world.index.append_audit(&records).await.unwrap(), 0);
    assert_eq!(world.index.seal_audit(None, 10).await.unwrap(), 0);
    assert_eq!(world.recorded().await.len(), 2);
}

#[tokio::test]
async fn seals_are_numbered_without_a_gap_and_name_the_one_before() {
    let world = World::new().await;
    for i in 0..5 {
        world.index.append_audit(&record(&i.to_string())).await.unwrap();
    }
    let mut sealed = Vec::new();
    while sealed.last() != Some(&0) {
        sealed.push(world.index.seal_audit(None, 2).await.unwrap());
    }
    assert_eq!(sealed, [2, 2, 1, 0]);
    let linked = "SELECT count(*) FROM audit_seal a JOIN audit_seal b ON b.writer = a.writer AND b.number = a.number + 1 AND b.previous = a.hash";
    assert_eq!(world.count(linked).await, 2);
    assert_eq!(world.count("SELECT max(number) FROM audit_seal").await, 3);
}

#[tokio::test]
async fn events_of_a_writer_that_is_gone_are_taken_over_under_its_name() {
    let world = World::new().await;
    world.index.append_audit(&record("left behind")).await.unwrap();
    let heir = world.database.index().unwrap();
    assert!(heir.audit_orphans(LATER).await.unwrap().is_empty(), "it was heard of just now");
    assert_eq!(heir.audit_orphans(NOW).await.unwrap(), [world.index.writer()]);
    assert_eq!(heir.seal_audit(Some(world.index.writer()), 10).await.unwrap(), 1);
    let named = "SELECT count(*) FROM audit_seal s JOIN audit_event e ON e.id = s.ids[1] WHERE s.origin = e.writer AND s.writer <> e.writer";
    assert_eq!(world.count(named).await, 1);
    assert_eq!(world.index.seal_audit(None, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn many_who_seal_at_once_seal_each_event_once() {
    let world = World::new().await;
    for i in 0..60 {
        world.index.append_audit(&record(&i.to_string())).await.unwrap();
    }
    let origin = Some(world.index.writer());
    let heirs: Vec<Index> = (0..4).map(|_| world.database.index().unwrap()).collect();
    let mut left = 60;
    while left > 0 {
        let sealed = futures::future::join_all(heirs.iter().map(|heir| heir.seal_audit(origin, 7))).await;
        left -= sealed.into_iter().map(Result::unwrap).sum::<u64>();
    }
    let ids = "SELECT count(DISTINCT id) FROM audit_seal, unnest(ids) AS id";
    assert_eq!(world.count(ids).await, 60);
    assert_eq!(world.count("SELECT count(*) FROM audit_seal, unnest(ids) AS id").await, 60);
}

#[tokio::test]
async fn a_record_of_a_day_without_a_partition_is_kept_and_goes_into_one() {
    let world = World::new().await;
    let text = record("k")[0].canonical(Uuid::nil());
    let old = text.replace(&text[text.find("\"time\":\"").unwrap() + 8..][..10].to_owned(), "2001-02-03");
    let pool = world.database.pool().unwrap();
    sqlx::query("SELECT audit_append(ARRAY[$1])").bind(&old).execute(&pool).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM audit_event_default").await, 1);
    let day = time::Date::from_calendar_date(2001, time::Month::February, 3).unwrap();
    assert_eq!(world.index.stray_audit_days().await.unwrap(), [day]);
    assert!(world.index.prepare_audit_day(day).await.unwrap());
    assert_eq!(world.count("SELECT count(*) FROM audit_event_default").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM audit_event_20010203").await, 1);
    let kept: String =
        sqlx::query_scalar("SELECT record FROM audit_event WHERE time < '2002-01-01'").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, old);
    assert!(world.index.audit_days().await.unwrap().contains(&day), "retention sees it");
    assert_eq!(world.index.stray_audit_days().await.unwrap(), []);
    assert!(!world.index.prepare_audit_day(day).await.unwrap());
    for table in ["audit_event_default", "audit_event_20010203"] {
        sqlx::query("SELECT audit_append(ARRAY[$1])").bind(old.replace("2001", "2003")).execute(&pool).await.unwrap();
        let delete = format!("DELETE FROM {table}");
        sqlx::query(sqlx::AssertSqlSafe(delete)).execute(&pool).await.expect_err("insert-only, as before");
    }
}

#[tokio::test]
async fn records_that_are_written_while_their_day_gets_its_partition_are_all_kept_in_it() {
    let world = World::new().await;
    let today = time::OffsetDateTime::now_utc().date();
    let drop = format!("DROP TABLE audit_event_{}", today.to_string().replace('-', ""));
    sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&world.database.pool().unwrap()).await.unwrap();
    world.index.append_audit(&record("before")).await.unwrap();
    let records: Vec<_> = (0..100).map(|i| record(&i.to_string())).collect();
    let appended = futures::future::join_all(records.iter().map(|record| world.index.append_audit(record)));
    let (appended, made) = futures::future::join(appended, world.index.prepare_audit_day(today)).await;
    assert!(made.unwrap());
    appended.into_iter().for_each(|written| assert_eq!(written.unwrap(), 1));
    assert_eq!(world.count("SELECT count(*) FROM audit_event").await, 101);
    assert_eq!(world.count("SELECT count(*) FROM audit_event_default").await, 0);
}

#[tokio::test]
async fn many_who_prepare_one_day_make_it_once() {
    let world = World::new().await;
    let day = time::OffsetDateTime::now_utc().date() + time::Duration::days(100);
    let made = futures::future::join_all((0..8).map(|_| world.index.prepare_audit_day(day))).await;
    assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
}
