use zas_policy::{AccessControlList, AclGrant, Grantee, Permission};

use super::sweeping::wait_for_lock;
use super::*;
use crate::bucket_configuration::{ObjectOwnership, OwnershipControls, PublicAccessBlock};

const KEY: ListOf<'_> = ListOf { key: "k", version: None };

/// A list that gives something to others and nothing to its owner.
fn list(owner: &str, grantee: Grantee) -> AccessControlList {
    AccessControlList { owner: owner.to_owned(), grants: vec![AclGrant { grantee, permission: Permission::Read }] }
}

fn public(owner: &str) -> AccessControlList {
    list(owner, Grantee::AllUsers)
}

fn of_key<'a>(list: &'a AccessControlList) -> NewObjectList<'a> {
    NewObjectList { bucket: "b", object: KEY, only_row: None, list, audit: &[] }
}

impl World {
    async fn own(&self, ownership: ObjectOwnership) -> Result<(), Error> {
        self.index.put_object_ownership("b", ownership, "user/alice", &[]).await
    }

    async fn block(&self) {
        let block = PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() };
        let document = serde_json::to_value(block).unwrap();
        let kind = ConfigurationKind::PublicAccessBlock;
        let new = NewConfiguration { bucket: "b", kind, document: &document, by: "user/alice", audit: &[] };
        self.index.put_bucket_configuration(new).await.unwrap();
    }

    async fn list_of(&self, key: &str) -> AccessControlList {
        let lists = self.index.lists("b", Some(ListOf { key, version: None })).await.unwrap();
        lists.object.unwrap().list
    }
}

#[tokio::test]
async fn lists_are_written_with_objects_and_uploads_and_copies_have_none_of_their_source() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    let public = public("root");
    let put = world.index.commit_object_with(world.new_object("k", None), Some(&public)).await.unwrap();
    assert_eq!(world.list_of("k").await, public);
    world.index.copy_object(world.copy(put.id, "copy")).await.unwrap();
    assert!(world.list_of("copy").await.is_private());
    world.index.copy_object_with(world.copy(put.id, "open"), Some(&public)).await.unwrap();
    assert_eq!(world.list_of("open").await, public);
    let new = NewUpload {
        bucket: "b",
        key: "parts",
        checksum_algorithm: None,
        checksum_type: None,
        headers: &world.none,
        metadata: &world.none,
        tags: &world.none,
        storage_class: "STANDARD",
        lock: NewLock::default(),
        owner: "root",
        audit: &[],
    };
    let upload = world.index.create_upload_with(new, Some(&public)).await.unwrap();
    world.put_part(&upload, 1, "one").await.unwrap();
    world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    assert_eq!(world.list_of("parts").await, public);
    world.put("k", "new").await;
    assert!(world.list_of("k").await.is_private(), "a new version begins without");
    assert_eq!(world.count("SELECT count(*) FROM objects WHERE acl IS NOT NULL").await, 2);
}

#[tokio::test]
async fn a_list_is_put_only_where_the_ownership_lets_it_count_and_the_block_lets_it_be_public() {
    let world = World::new().await;
    world.put("k", "x").await;
    let (public, shared) = (public("root"), list("root", Grantee::Principal("user/bob".into())));
    let both = async |list: &AccessControlList| {
        let of_bucket = world.index.put_bucket_acl("b", list, &[]).await.map_err(|error| error.code());
        let of_object = world.index.put_object_acl(of_key(list)).await.map_err(|error| error.code());
        assert_eq!(of_bucket, of_object);
        of_bucket
    };
    assert_eq!(both(&public).await, Err(Code::AccessControlListNotSupported));
    world.own(ObjectOwnership::BucketOwnerPreferred).await.unwrap();
    assert_eq!(both(&public).await, Ok(()));
    world.block().await;
    assert_eq!(both(&public).await, Err(Code::AccessDenied));
    assert_eq!(both(&shared).await, Ok(()));
    let lists = world.index.lists("b", Some(KEY)).await.unwrap();
    assert_eq!((&lists.bucket, &lists.object.as_ref().unwrap().list), (&shared, &shared));
    let block = PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() };
    assert_eq!((lists.ownership, lists.block), (ObjectOwnership::BucketOwnerPreferred, block));
}

#[tokio::test]
async fn the_owner_owns_everything_only_once_the_list_of_the_bucket_gives_nothing_to_others() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    world.index.put_bucket_acl("b", &public("root"), &[]).await.unwrap();
    assert_code(world.own(ObjectOwnership::BucketOwnerEnforced).await, Code::InvalidBucketAclWithObjectOwnership);
    world.own(ObjectOwnership::BucketOwnerPreferred).await.unwrap();
    let mut own = AccessControlList::private("root");
    own.grants[0].permission = Permission::Read;
    world.index.put_bucket_acl("b", &own, &[]).await.unwrap();
    world.own(ObjectOwnership::BucketOwnerEnforced).await.unwrap();
    assert!(world.index.lists("b", None).await.unwrap().that_count().is_none());
    assert_code(
        world.index.put_object_ownership("c", ObjectOwnership::ObjectWriter, "user/alice", &[]).await,
        Code::NoSuchBucket,
    );
}

#[tokio::test]
async fn a_list_is_of_the_version_that_is_named_and_of_the_row_that_it_is_to_be_of() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    let put = world.put("k", "x").await;
    let public = public("root");
    let stale = NewObjectList { only_row: Some(put.id + 1), ..of_key(&public) };
    assert_code(world.index.put_object_acl(stale).await, Code::OperationAborted);
    assert!(world.list_of("k").await.is_private());
    let null = ListOf { key: "k", version: Some("null") };
    world
        .index
        .put_object_acl(NewObjectList { object: null, only_row: Some(put.id), ..of_key(&public) })
        .await
        .unwrap();
    let lists = world.index.lists("b", Some(null)).await.unwrap();
    assert_eq!((lists.object_id(), &lists.object.unwrap().list), (Some(put.id), &public));
    let other = ListOf { key: "k", version: Some("0123456789abcdef0123456789abcdef") };
    assert!(world.index.lists("b", Some(other)).await.unwrap().object.is_none());
    let put_other = NewObjectList { object: other, ..of_key(&public) };
    assert_code(world.index.put_object_acl(put_other).await, Code::NoSuchVersion);
    let none = ListOf { key: "none", version: None };
    assert_code(world.index.put_object_acl(NewObjectList { object: none, ..of_key(&public) }).await, Code::NoSuchKey);
    assert_code(world.index.put_object_acl(NewObjectList { bucket: "c", ..of_key(&public) }).await, Code::NoSuchBucket);
    assert_code(world.index.lists("c", None).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_delete_marker_has_no_list() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    world.index.put_bucket_versioning("b", Versioning::Enabled, &[]).await.unwrap();
    let put = world.put("k", "x").await;
    let marker = world.index.delete_object("b", "k", NOW, &[]).await.unwrap().version_id.unwrap();
    let public = public("root");
    let named = ListOf { key: "k", version: Some(&marker) };
    let put_on = async |object| world.index.put_object_acl(NewObjectList { object, ..of_key(&public) }).await;
    assert_code(put_on(named).await, Code::MethodNotAllowed);
    assert_code(put_on(KEY).await, Code::NoSuchKey);
    assert!(world.index.lists("b", Some(named)).await.unwrap().object.is_none());
    put_on(ListOf { key: "k", version: put.version_id.as_deref() }).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM objects WHERE acl IS NOT NULL").await, 1);
}

#[tokio::test]
async fn nothing_is_written_with_a_list_that_the_block_refuses_by_then() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    let source = world.put("source", "x").await;
    let public = list("root", Grantee::AuthenticatedUsers);
    let upload = world.index.create_upload_with(world.new_upload("parts"), Some(&public)).await.unwrap();
    world.put_part(&upload, 1, "one").await.unwrap();
    world.block().await;
    let refused = world.index.commit_object_with(world.new_object("k", None), Some(&public)).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::AccessDenied, PublicAccessBlock::ACLS_BLOCKED));
    assert_code(world.index.copy_object_with(world.copy(source.id, "copy"), Some(&public)).await, Code::AccessDenied);
    assert_code(world.complete(&upload, &[(1, "one")], "e-1").await, Code::AccessDenied);
    assert_eq!(world.count("SELECT count(*) FROM objects").await, 1);
    let shared = list("root", Grantee::Principal("user/bob".into()));
    world.index.commit_object_with(world.new_object("k", None), Some(&shared)).await.unwrap();
    assert_eq!(world.list_of("k").await, shared);
    world.index.delete_bucket_configuration("b", ConfigurationKind::PublicAccessBlock, &[]).await.unwrap();
    world.complete(&upload, &[(1, "one")], "e-1").await.unwrap();
    assert_eq!(world.list_of("parts").await, public);
}

#[tokio::test]
async fn a_list_that_lets_the_public_in_waits_for_a_block_that_is_on_its_way() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    world.put("k", "x").await;
    let public = public("root");
    for at in 0..3 {
        let mut blocking = world.database.pool().unwrap().begin().await.unwrap();
        sqlx::query(
            r#"SELECT put_bucket_configuration('b', 'public-access-block', '{"block_public_acls": true}', 'user/alice')"#,
        )
        .execute(&mut *blocking)
        .await
        .unwrap();
        let write = async {
            let refused = match at {
                0 => world.index.put_bucket_acl("b", &public, &[]).await,
                1 => world.index.put_object_acl(of_key(&public)).await,
                _ => world.index.commit_object_with(world.new_object("k", None), Some(&public)).await.map(drop),
            };
            assert_code(refused, Code::AccessDenied);
        };
        let block = async {
            wait_for_lock(&world).await;
            blocking.commit().await.unwrap();
        };
        tokio::join!(write, block);
        assert!(world.index.lists("b", None).await.unwrap().bucket.is_private());
        assert!(world.list_of("k").await.is_private());
        world.index.delete_bucket_configuration("b", ConfigurationKind::PublicAccessBlock, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_completion_that_comes_second_does_not_give_the_list_once_more() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    let public = public("root");
    let upload = world.index.create_upload_with(world.new_upload("parts"), Some(&public)).await.unwrap();
    world.put_part(&upload, 1, "one").await.unwrap();
    let mut first = world.database.pool().unwrap().begin().await.unwrap();
    sqlx::query("SELECT complete_upload('b', 'parts', $1, ARRAY[1], ARRAY['one'], 'e-1', '{}', NULL, false, NULL, 0)")
        .bind(&upload.id)
        .execute(&mut *first)
        .await
        .unwrap();
    let second = async { world.complete(&upload, &[(1, "one")], "e-1").await.unwrap() };
    let taken_back = async {
        wait_for_lock(&world).await;
        let taken = sqlx::query("UPDATE objects SET acl = NULL WHERE acl IS NOT NULL").execute(&mut *first).await;
        assert_eq!(taken.unwrap().rows_affected(), 1, "the first one gives it");
        first.commit().await.unwrap();
    };
    tokio::join!(second, taken_back);
    assert!(world.list_of("parts").await.is_private());
}

#[tokio::test]
async fn a_bucket_begins_with_an_ownership_and_a_list_and_the_replicas_are_told() {
    let world = World::new().await;
    let before = world.index.policy_revision().await.unwrap();
    let public = public("root");
    let begins = BeginsWith { ownership: ObjectOwnership::ObjectWriter, list: Some(&public) };
    world.index.create_bucket_with(new_bucket("open"), begins).await.unwrap();
    assert!(world.index.policy_revision().await.unwrap() > before);
    let lists = world.index.lists("open", None).await.unwrap();
    assert_eq!((lists.ownership, &lists.bucket), (ObjectOwnership::ObjectWriter, &public));
    assert!(lists.object.is_none());
    let known = world.index.policy_data().await.unwrap().configurations;
    let [known] = known.as_slice() else { panic!("{known:?}") };
    let controls: OwnershipControls = serde_json::from_str(&known.document).unwrap();
    assert_eq!((known.bucket.as_str(), controls.ownership()), ("open", ObjectOwnership::ObjectWriter));
    assert_code(world.index.create_bucket_with(new_bucket("open"), begins).await, Code::BucketAlreadyOwnedByYou);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_everybody_out() {
    let world = World::new().await;
    world.own(ObjectOwnership::ObjectWriter).await.unwrap();
    world.put("k", "x").await;
    let pool = world.database.pool().unwrap();
    sqlx::query(r#"UPDATE objects SET acl = '[{"grantee": "everybody", "permission": "READ"}]'"#)
        .execute(&pool)
        .await
        .unwrap();
    assert!(world.list_of("k").await.grants.is_empty());
    let kind = ConfigurationKind::PublicAccessBlock;
    let document = serde_json::json!({"ignore_public_acls": "perhaps"});
    let new = NewConfiguration { bucket: "b", kind, document: &document, by: "user/alice", audit: &[] };
    world.index.put_bucket_configuration(new).await.unwrap();
    assert_eq!(world.index.lists("b", None).await.unwrap().block, PublicAccessBlock::ALL);
}
