use serde_json::json;

use super::*;

fn new<'a>(kind: ConfigurationKind, document: &'a serde_json::Value) -> NewConfiguration<'a> {
    NewConfiguration { bucket: "b", kind, document, by: "user/alice", audit: &[] }
}

#[tokio::test]
async fn a_configuration_is_given_back_as_it_was_put_until_it_is_deleted() {
    let world = World::new().await;
    let kind = ConfigurationKind::Tagging;
    assert_eq!(world.index.bucket_configuration("b", kind).await.unwrap(), None);
    let (first, second) = (json!([{"key": "a", "value": "1"}]), json!([]));
    world.index.put_bucket_configuration(new(kind, &first)).await.unwrap();
    let read = world.index.bucket_configuration("b", kind).await.unwrap().unwrap();
    assert_eq!((&read.document, read.changed_by.as_str()), (&first, "user/alice"));
    world.index.put_bucket_configuration(new(kind, &second)).await.unwrap();
    let replaced = world.index.bucket_configuration("b", kind).await.unwrap().unwrap();
    assert_eq!(replaced.document, second);
    assert!(replaced.version > read.version);
    assert_eq!(world.index.bucket_configuration("b", ConfigurationKind::Cors).await.unwrap(), None);
    for _ in 0..2 {
        world.index.delete_bucket_configuration("b", kind, &[]).await.unwrap();
        assert_eq!(world.index.bucket_configuration("b", kind).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_bucket_that_there_is_not_has_no_configuration() {
    let world = World::new().await;
    let kind = ConfigurationKind::Cors;
    let document = json!([]);
    let put = NewConfiguration { bucket: "none", ..new(kind, &document) };
    assert_code(world.index.put_bucket_configuration(put).await, Code::NoSuchBucket);
    assert_code(world.index.bucket_configuration("none", kind).await, Code::NoSuchBucket);
    assert_code(world.index.delete_bucket_configuration("none", kind, &[]).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_change_of_what_is_known_without_asking_counts_as_a_change_of_policies() {
    let world = World::new().await;
    let document = json!([]);
    for kind in ConfigurationKind::ALL {
        let before = world.index.policy_revision().await.unwrap();
        world.index.put_bucket_configuration(new(kind, &document)).await.unwrap();
        let put = world.index.policy_revision().await.unwrap();
        let known = world.index.policy_data().await.unwrap().configurations;
        world.index.delete_bucket_configuration("b", kind, &[]).await.unwrap();
        let deleted = world.index.policy_revision().await.unwrap();
        let expected = KnownConfiguration { bucket: "b".into(), kind, document: "[]".into() };
        let told = kind.is_known_without_asking();
        assert_eq!((put > before, deleted > put), (told, told), "{kind:?}");
        assert_eq!(known, Vec::from_iter(told.then_some(expected)), "{kind:?}");
    }
}

#[tokio::test]
async fn configurations_go_with_their_bucket_and_the_replicas_are_told() {
    let world = World::new().await;
    let document = json!([]);
    for kind in ConfigurationKind::ALL {
        world.index.put_bucket_configuration(new(kind, &document)).await.unwrap();
    }
    let before = world.index.policy_revision().await.unwrap();
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM bucket_configurations").await, 0);
    assert!(world.index.policy_revision().await.unwrap() > before);
    assert!(world.index.policy_data().await.unwrap().configurations.is_empty());
}

#[tokio::test]
async fn a_public_policy_is_put_only_where_it_is_not_blocked() {
    let world = World::new().await;
    let policy = |is_public| NewBucketPolicy {
        bucket: "b",
        document: "{}",
        is_public,
        expected: None,
        by: "user/alice",
        audit: &[],
    };
    world.index.put_bucket_policy(policy(true)).await.unwrap();
    let block = json!({"block_public_policy": true});
    world.index.put_bucket_configuration(new(ConfigurationKind::PublicAccessBlock, &block)).await.unwrap();
    let revision = world.index.policy_revision().await.unwrap();
    assert_code(world.index.put_bucket_policy(policy(true)).await, Code::AccessDenied);
    assert_eq!(world.index.policy_revision().await.unwrap(), revision);
    let version = world.index.put_bucket_policy(policy(false)).await.unwrap();
    let stale = NewBucketPolicy { expected: Some(version - 1), ..policy(false) };
    assert_code(world.index.put_bucket_policy(stale).await, Code::PreconditionFailed);
    let block = json!({"block_public_policy": false});
    world.index.put_bucket_configuration(new(ConfigurationKind::PublicAccessBlock, &block)).await.unwrap();
    world.index.put_bucket_policy(policy(true)).await.unwrap();
    let nowhere = NewBucketPolicy { bucket: "none", ..policy(true) };
    assert_code(world.index.put_bucket_policy(nowhere).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn a_public_policy_waits_for_a_block_that_is_being_set_and_is_refused_by_it() {
    let world = World::new().await;
    let mut blocking = world.database.pool().unwrap().begin().await.unwrap();
    let block =
        "SELECT put_bucket_configuration('b', 'public-access-block', '{\"block_public_policy\": true}', 'user/bob')";
    sqlx::query(block).execute(&mut *blocking).await.unwrap();
    let index = world.index.clone();
    let putting = tokio::spawn(async move {
        let policy = NewBucketPolicy {
            bucket: "b",
            document: "{}",
            is_public: true,
            expected: None,
            by: "user/alice",
            audit: &[],
        };
        index.put_bucket_policy(policy).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!putting.is_finished());
    blocking.commit().await.unwrap();
    assert_code(putting.await.unwrap(), Code::AccessDenied);
    assert_eq!(world.count("SELECT count(*) FROM policy_documents").await, 0);
}
