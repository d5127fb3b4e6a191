//! Versions: what a bucket keeps, in which order, and what becomes of it.

use futures::future::join_all;

use super::*;

mod model;

/// What a key has, the newest first: each version's ETag, or `-` for a delete marker.
async fn history(world: &World, key: &str) -> Vec<String> {
    let page = world.index.list_versions(request(key, None, "", None, 1_000)).await.unwrap();
    page.entries.iter().filter_map(told).collect()
}

fn told(entry: &VersionEntry) -> Option<String> {
    match entry {
        VersionEntry::Version(head) if head.is_delete_marker => Some("-".to_owned()),
        VersionEntry::Version(head) => Some(head.etag.clone()),
        VersionEntry::Prefix(_) => None,
    }
}

fn request<'a>(
    prefix: &'a str,
    delimiter: Option<&'a str>,
    after: &'a str,
    after_version: Option<VersionPlace>,
    limit: u32,
) -> ListVersionsRequest<'a> {
    ListVersionsRequest { bucket: "b", prefix, delimiter, after, after_version, limit }
}

async fn set(world: &World, versioning: Versioning) {
    world.index.put_bucket_versioning("b", versioning, &[]).await.unwrap();
}

async fn delete(world: &World, key: &str, version: Option<&str>) -> Deleted {
    let wanted = [Deletion { version, ..Deletion::of(key) }];
    world.index.delete_versions("b", &wanted, BY, &[]).await.unwrap().pop().unwrap().unwrap()
}

/// What holds of every key between transactions (`migrations/0031_versions.sql`).
async fn assert_sound(world: &World) {
    let broken = "
        SELECT count(*) FROM (
            SELECT key FROM objects GROUP BY bucket_id, key
            HAVING count(*) FILTER (WHERE is_latest) <> 1 OR max(id) <> max(id) FILTER (WHERE is_latest)
                OR count(*) FILTER (WHERE version_id = 'null') > 1
        ) AS broken";
    assert_eq!(world.count(broken).await, 0);
    let drift = "
        SELECT count(*) FROM usage_recounted AS r WHERE (r.bytes, r.objects) <> (
            SELECT sum(u.bytes)::bigint, sum(u.objects)::bigint FROM bucket_usage AS u WHERE u.bucket_id = r.bucket_id
        )";
    assert_eq!(world.count(drift).await, 0);
}

#[tokio::test]
async fn a_bucket_that_never_kept_versions_tells_of_none() {
    let world = World::new().await;
    assert_eq!(world.index.bucket_versioning("b").await.unwrap(), Versioning::Off);
    let put = world.put("k", "one").await;
    assert_eq!(put.version_id, None);
    assert_eq!(world.index.object("b", "k").await.unwrap().version_id(), None);
    assert_eq!(world.index.version("b", "k", Some("null")).await.unwrap().head.etag, "one");
    assert_code(world.index.version("b", "k", Some("0".repeat(32).as_str())).await, Code::NoSuchVersion);
    assert_eq!(delete(&world, "k", None).await, Deleted { existed: true, ..Deleted::default() });
    assert!(history(&world, "k").await.is_empty());
    for missing in [Versioning::Enabled, Versioning::Suspended] {
        assert_code(world.index.put_bucket_versioning("none", missing, &[]).await, Code::NoSuchBucket);
    }
    assert_code(world.index.bucket_versioning("none").await, Code::NoSuchBucket);
}

#[tokio::test]
async fn what_is_overwritten_and_deleted_is_kept() {
    let world = World::new().await;
    world.put("k", "null").await;
    set(&world, Versioning::Enabled).await;
    let first = world.put("k", "first").await.version_id.unwrap();
    let second = world.put("k", "second").await.version_id.unwrap();
    assert_ne!(first, second);
    let marker = delete(&world, "k", None).await;
    assert!(marker.existed && marker.delete_marker);
    assert_eq!(history(&world, "k").await, ["-", "second", "first", "null"]);
    for (version, etag) in [(first.as_str(), "first"), (&second, "second"), ("null", "null")] {
        assert_eq!(world.index.version("b", "k", Some(version)).await.unwrap().head.etag, etag);
    }
    let hidden = world.index.object("b", "k").await.unwrap_err();
    assert_eq!(hidden.code(), Code::NoSuchKey);
    let marker = marker.version_id.unwrap();
    assert!(hidden.details().any(|(name, value)| (name, value) == ("VersionId", marker.as_str())), "{hidden:?}");
    assert_code(world.index.version("b", "k", Some(&marker)).await, Code::MethodNotAllowed);
    let listed = ListRequest { bucket: "b", prefix: "", delimiter: None, after: "", limit: 10 };
    assert!(world.index.list_objects(listed).await.unwrap().entries.is_empty());
    assert_sound(&world).await;

    // Without its marker the object is there again; without its newest version the one before is.
    let undone = delete(&world, "k", Some(&marker)).await;
    assert_eq!(undone, Deleted { existed: true, delete_marker: true, version_id: Some(marker) });
    assert_eq!(world.index.object("b", "k").await.unwrap().head.etag, "second");
    delete(&world, "k", Some(&second)).await;
    assert_eq!(world.index.object("b", "k").await.unwrap().head.etag, "first");
    delete(&world, "k", Some("null")).await;
    assert_eq!(history(&world, "k").await, ["first"]);
    delete(&world, "k", Some(&first)).await;
    assert!(history(&world, "k").await.is_empty());
    let nothing = delete(&world, "k", Some(&first)).await;
    assert_eq!(nothing, Deleted { existed: false, delete_marker: false, version_id: Some(first) });
    assert_sound(&world).await;
}

#[tokio::test]
async fn a_bucket_that_keeps_no_more_has_one_null_version_a_key() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    world.put("k", "kept").await;
    set(&world, Versioning::Suspended).await;
    assert_eq!(world.put("k", "one").await.version_id.as_deref(), Some("null"));
    world.put("k", "two").await;
    assert_eq!(history(&world, "k").await, ["two", "kept"]);
    let marker = delete(&world, "k", None).await;
    assert_eq!(marker, Deleted { existed: true, delete_marker: true, version_id: Some("null".to_owned()) });
    assert_eq!(history(&world, "k").await, ["-", "kept"]);
    world.put("k", "three").await;
    assert_eq!(history(&world, "k").await, ["three", "kept"]);
    // An older null version goes too, where the newest one is none.
    set(&world, Versioning::Enabled).await;
    world.put("k", "newer").await;
    set(&world, Versioning::Suspended).await;
    world.put("k", "four").await;
    assert_eq!(history(&world, "k").await, ["four", "newer", "kept"]);
    assert_sound(&world).await;
}

#[tokio::test]
async fn to_a_condition_a_delete_marker_is_nothing() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    world.put("k", "one").await;
    delete(&world, "k", None).await;
    let write = |conditions| NewObject { etag: "two", conditions, ..world.new_object("k", None) };
    let matching = WriteConditions { absent: false, etag: Some("*") };
    assert_code(world.index.commit_object(write(matching)).await, Code::NoSuchKey);
    let gone = [Deletion { etag: Some("one"), ..Deletion::of("k") }];
    let outcome = world.index.delete_versions("b", &gone, BY, &[]).await.unwrap().pop().unwrap();
    assert_code(outcome, Code::NoSuchKey);
    let absent = WriteConditions { absent: true, etag: None };
    world.index.commit_object(write(absent)).await.unwrap();
    assert_code(world.index.commit_object(write(absent)).await, Code::PreconditionFailed);
    assert_eq!(history(&world, "k").await, ["two", "-", "one"]);
}

#[tokio::test]
async fn a_copy_may_be_of_an_older_version_also_onto_its_own_key() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    let old = world.put("k", "old").await;
    world.put("k", "new").await;
    world.index.copy_object(world.copy(old.id, "k")).await.unwrap();
    world.index.copy_object(world.copy(old.id, "elsewhere")).await.unwrap();
    assert_eq!(history(&world, "k").await, ["old", "new", "old"]);
    assert_eq!(world.index.object("b", "elsewhere").await.unwrap().head.etag, "old");
    assert_sound(&world).await;
}

#[tokio::test]
async fn tags_belong_to_a_version() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    let old = world.put("k", "old").await.version_id.unwrap();
    world.put("k", "new").await;
    let tags = Tags::from([("team".to_owned(), "a".to_owned())]);
    let told = world.index.put_object_tags(("b", "k", Some(&old)), &tags, "root", &[]).await.unwrap();
    assert_eq!(told.as_deref(), Some(old.as_str()));
    assert_eq!(world.index.version("b", "k", Some(&old)).await.unwrap().head.tags, tags);
    assert!(world.index.object("b", "k").await.unwrap().head.tags.is_empty());
    let marker = delete(&world, "k", None).await.version_id.unwrap();
    let on_marker = world.index.put_object_tags(("b", "k", Some(&marker)), &tags, "root", &[]).await;
    assert_code(on_marker, Code::MethodNotAllowed);
    assert_code(world.index.put_object_tags(("b", "k", None), &tags, "root", &[]).await, Code::NoSuchKey);
}

#[tokio::test]
async fn a_completed_upload_is_a_version_and_says_so_again() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    world.put("k", "old").await;
    let upload = world.begin_upload("k").await;
    world.put_part(&upload, 1, "one").await.unwrap();
    let version = world.complete(&upload, &[(1, "one")], "e-1").await.unwrap().version_id.unwrap();
    let again = world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    assert_eq!(again.version_id.as_deref(), Some(version.as_str()));
    let completed = world.index.completed_upload("b", "k", &upload.id).await.unwrap();
    assert_eq!(completed.version_id.as_deref(), Some(version.as_str()));
    assert_eq!(history(&world, "k").await, ["e-1", "old"]);
}

#[tokio::test]
async fn a_delete_of_one_row_spares_every_other() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    let old = world.put("k", "old").await;
    world.put("k", "new").await;
    let by = DeleteBy { cause: DeleteCause::Lifecycle, ..BY };
    let only = |version| Deletion { version, only_row: Some(old.id), ..Deletion::of("k") };
    let outcomes =
        world.index.delete_versions("b", &[only(None), only(old.version_id.as_deref())], by, &[]).await.unwrap();
    let outcomes: Vec<_> = outcomes.into_iter().map(|one| one.map_err(|error| error.code())).collect();
    assert!(matches!(&outcomes[..], [Err(Code::OperationAborted), Ok(gone)] if gone.existed), "{outcomes:?}");
    assert_eq!(history(&world, "k").await, ["new"]);
}

#[tokio::test]
async fn pages_of_versions_join_up_whatever_their_size_and_whatever_goes_meanwhile() {
    let world = World::new().await;
    for key in ["a", "b/1", "b/2", "c"] {
        world.put(key, &format!("{key} null")).await;
    }
    set(&world, Versioning::Enabled).await;
    for key in ["a", "a", "b/1", "c", "d"] {
        world.put(key, &format!("{key} more")).await;
    }
    delete(&world, "c", None).await;
    let all = ["a more", "a more", "a null", "b/1 more", "b/1 null", "b/2 null", "-", "c more", "c null", "d more"];
    let rolled = ["a more", "a more", "a null", "b/", "-", "c more", "c null", "d more"];
    for (delimiter, expected) in [(None, &all[..]), (Some("/"), &rolled[..])] {
        for limit in 1..=11 {
            assert_eq!(walk(&world, delimiter, limit, false).await, expected, "{delimiter:?} by {limit}");
        }
    }
    assert!(world.index.list_versions(request("", None, "", None, 0)).await.unwrap().entries.is_empty());
    assert_eq!(walk(&world, None, 3, true).await, all, "each page is deleted before the next one is asked for");
    assert_eq!(world.count("SELECT count(*) FROM objects").await, 0);
    let none = ListVersionsRequest { bucket: "none", ..request("", None, "", None, 1) };
    assert_code(world.index.list_versions(none).await, Code::NoSuchBucket);
}

async fn walk(world: &World, delimiter: Option<&str>, limit: u32, deletes: bool) -> Vec<String> {
    let (mut after, mut place, mut seen) = (String::new(), None, Vec::new());
    loop {
        let page = world.index.list_versions(request("", delimiter, &after, place, limit)).await.unwrap();
        for entry in &page.entries {
            seen.push(told(entry).unwrap_or_else(|| entry.name().to_owned()));
            if deletes && let VersionEntry::Version(head) = entry {
                delete(world, &head.key, Some(&head.version_id)).await;
            }
        }
        let Some(last) = page.entries.last().filter(|_| page.truncated) else { return seen };
        (after, place) = (last.name().to_owned(), last.place());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_deleters_of_one_key_leave_it_sound() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    for round in 0..10_u64 {
        let puts = join_all((0..6).map(|_| world.put("k", "x")));
        let deletes = join_all((0..3).map(|_| delete(&world, "k", None)));
        let purge = async {
            for version in world.index.list_versions(request("k", None, "", None, 3)).await.unwrap().entries {
                if let VersionEntry::Version(head) = version {
                    delete(&world, "k", Some(&head.version_id)).await;
                }
            }
        };
        let turn = if round % 3 == 2 { Versioning::Suspended } else { Versioning::Enabled };
        tokio::join!(puts, deletes, purge, set(&world, turn));
        assert_sound(&world).await;
    }
}

#[tokio::test]
async fn emptying_a_bucket_takes_every_version() {
    let world = World::new().await;
    set(&world, Versioning::Enabled).await;
    for key in ["a", "b", "a", "c", "a"] {
        world.put(key, key).await;
    }
    delete(&world, "b", None).await;
    let mut gone = 0;
    loop {
        let emptied = world.index.empty_bucket("b", 2, "root", NOW, &[]).await.unwrap();
        if emptied.is_nothing() {
            break;
        }
        gone += emptied.objects;
        assert_sound(&world).await;
    }
    assert_eq!(gone, 6);
    world.index.delete_bucket("b", &[]).await.unwrap();
}
