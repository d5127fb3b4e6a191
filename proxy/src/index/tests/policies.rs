use super::*;

const DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

fn policy(name: &str) -> NewDocument<'_> {
    NewDocument {
        kind: DocumentKind::Policy,
        name,
        document: DOCUMENT,
        description: "for tests",
        max_session: None,
        expected: None,
        by: "user/alice",
        audit: &[],
    }
}

fn attachment(policy: &str, target_kind: &str, target: &str) -> Attachment {
    Attachment { policy: policy.into(), target_kind: target_kind.into(), target: target.into() }
}

#[tokio::test]
async fn a_policy_is_given_back_as_it_was_put() {
    let world = World::new().await;
    let version = world.index.put_policy_document(policy("readers")).await.unwrap();
    let read = world.index.policy_document(DocumentKind::Policy, "readers").await.unwrap().unwrap();
    assert_eq!((read.version, read.document.as_str(), read.changed_by.as_str()), (version, DOCUMENT, "user/alice"));
    assert_eq!(world.index.policy_document(DocumentKind::Role, "readers").await.unwrap(), None);
}

#[tokio::test]
async fn a_change_based_on_another_version_is_refused_and_counts_nothing() {
    let world = World::new().await;
    let first = world.index.put_policy_document(NewDocument { expected: Some(0), ..policy("p") }).await.unwrap();
    let second = world.index.put_policy_document(NewDocument { expected: Some(first), ..policy("p") }).await.unwrap();
    assert!(second > first);
    for expected in [0, first] {
        let stale = NewDocument { expected: Some(expected), document: "{}", ..policy("p") };
        assert_code(world.index.put_policy_document(stale).await, Code::PreconditionFailed);
        let delete =
            world.index.delete_policy_document(DocumentKind::Policy, "p", Some(expected), "user/bob", &[]).await;
        assert_code(delete, Code::PreconditionFailed);
    }
    let missing = world.index.delete_policy_document(DocumentKind::Policy, "q", None, "user/bob", &[]).await;
    assert_code(missing, Code::NoSuchEntity);
    assert_eq!(world.index.policy_revision().await.unwrap(), second);
}

#[tokio::test]
async fn of_many_who_replace_one_version_one_does() {
    let world = World::new().await;
    let first = world.index.put_policy_document(policy("p")).await.unwrap();
    let new = NewDocument { expected: Some(first), ..policy("p") };
    let outcomes = futures::future::join_all((0..8).map(|_| world.index.put_policy_document(new))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn everything_is_read_as_of_one_instant() {
    let world = World::new().await;
    world.index.put_policy_document(policy("p")).await.unwrap();
    let role = NewDocument { kind: DocumentKind::Role, max_session: Some(3600), ..policy("deploy") };
    world.index.put_policy_document(role).await.unwrap();
    let bucket = NewDocument { kind: DocumentKind::Bucket, ..policy("b") };
    world.index.put_policy_document(bucket).await.unwrap();
    world.index.attach_policy(&attachment("p", "group", "/teams/a"), "user/alice", &[]).await.unwrap();
    world.index.attach_policy(&attachment("p", "group", "/teams/a"), "user/alice", &[]).await.unwrap();
    let data = world.index.policy_data().await.unwrap();
    assert_eq!(data.revision, world.index.policy_revision().await.unwrap());
    assert_eq!(data.documents.len(), 3);
    assert_eq!(data.attachments, [attachment("p", "group", "/teams/a")]);
}

#[tokio::test]
async fn a_deleted_policy_takes_its_attachments_with_it() {
    let world = World::new().await;
    world.index.put_policy_document(policy("p")).await.unwrap();
    world.index.attach_policy(&attachment("p", "user", "bob"), "user/alice", &[]).await.unwrap();
    world.index.delete_policy_document(DocumentKind::Policy, "p", None, "user/alice", &[]).await.unwrap();
    world.index.put_policy_document(policy("p")).await.unwrap();
    assert!(world.index.policy_data().await.unwrap().attachments.is_empty());
    assert_code(world.index.detach_policy(&attachment("p", "user", "bob"), "x", &[]).await, Code::NoSuchEntity);
}

#[tokio::test]
async fn a_bucket_policy_goes_with_its_bucket() {
    let world = World::new().await;
    let on = |name| NewDocument { kind: DocumentKind::Bucket, ..policy(name) };
    assert_code(world.index.put_policy_document(on("none")).await, Code::NoSuchBucket);
    let version = world.index.put_policy_document(on("b")).await.unwrap();
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert!(world.index.policy_revision().await.unwrap() > version, "replicas hear of it");
    world.index.create_bucket(new_bucket("b")).await.unwrap();
    assert_eq!(world.index.policy_document(DocumentKind::Bucket, "b").await.unwrap(), None);
}

#[tokio::test]
async fn the_history_says_who_changed_what_the_latest_first() {
    let world = World::new().await;
    world.index.put_policy_document(policy("p")).await.unwrap();
    world.index.attach_policy(&attachment("p", "role", "dev"), "user/carol", &[]).await.unwrap();
    world.index.detach_policy(&attachment("p", "role", "dev"), "user/carol", &[]).await.unwrap();
    world.index.delete_policy_document(DocumentKind::Policy, "p", None, "user/dave", &[]).await.unwrap();
    let all = world.index.policy_history(DocumentKind::Policy, "p", None, 10).await.unwrap();
    let changes: Vec<_> = all.iter().map(|entry| (entry.change.as_str(), entry.changed_by.as_str())).collect();
    let expected = [("delete", "user/dave"), ("detach", "user/carol"), ("attach", "user/carol"), ("put", "user/alice")];
    assert_eq!(changes, expected);
    let before = all.get(1).map(|entry| entry.version);
    let rest = world.index.policy_history(DocumentKind::Policy, "p", before, 1).await.unwrap();
    assert_eq!(rest.first(), all.get(2));
}

#[tokio::test]
async fn only_a_policy_that_is_there_or_built_in_is_attached() {
    let world = World::new().await;
    let revision = world.index.policy_revision().await.unwrap();
    let missing =
        world.index.attach_policy(&attachment("nobody", "user", "bob"), "x", &super::audit::record("r")).await;
    assert_code(missing, Code::NoSuchEntity);
    assert_eq!(world.index.policy_revision().await.unwrap(), revision, "nothing has changed");
    assert_eq!(world.count("SELECT count(*) FROM audit_event").await, 0);
    world.index.attach_policy(&attachment("read-only", "user", "bob"), "x", &[]).await.unwrap();
    assert_eq!(world.index.policy_data().await.unwrap().attachments, [attachment("read-only", "user", "bob")]);
}

#[tokio::test]
async fn a_policy_that_is_deleted_while_it_is_attached_leaves_no_attachment() {
    let world = World::new().await;
    world.index.put_policy_document(policy("p")).await.unwrap();
    // It is deleted, and that is not committed yet.
    let mut deleting = world.database.pool().unwrap().begin().await.unwrap();
    sqlx::query("SELECT delete_policy_document('policy', 'p', NULL, 'x')").execute(&mut *deleting).await.unwrap();
    let attached = attachment("p", "user", "bob");
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        deleting.commit().await.unwrap();
    };
    let (attaching, ()) = futures::future::join(world.index.attach_policy(&attached, "x", &[]), commit).await;
    assert_code(attaching, Code::NoSuchEntity);
    assert!(world.index.policy_data().await.unwrap().attachments.is_empty());
}

#[tokio::test]
async fn what_goes_with_a_role_or_a_policy_is_in_the_history() {
    let world = World::new().await;
    for name in ["p", "q"] {
        world.index.put_policy_document(policy(name)).await.unwrap();
        world.index.attach_policy(&attachment(name, "role", "deploy"), "user/carol", &[]).await.unwrap();
    }
    let role = NewDocument { kind: DocumentKind::Role, max_session: Some(3600), ..policy("deploy") };
    world.index.put_policy_document(role).await.unwrap();
    world.index.attach_policy(&attachment("q", "user", "bob"), "user/carol", &[]).await.unwrap();
    world.index.delete_policy_document(DocumentKind::Role, "deploy", None, "user/dave", &[]).await.unwrap();
    world.index.delete_policy_document(DocumentKind::Policy, "q", None, "user/erin", &[]).await.unwrap();
    let mut said = Vec::new();
    for (kind, name) in [(DocumentKind::Policy, "p"), (DocumentKind::Policy, "q"), (DocumentKind::Role, "deploy")] {
        let all = world.index.policy_history(kind, name, None, 2).await.unwrap();
        said.extend(all.into_iter().map(|entry| {
            let target = entry.state["target"].as_str().unwrap_or_default().to_owned();
            (name, entry.change, target, entry.changed_by)
        }));
    }
    let said: Vec<_> =
        said.iter().map(|(name, change, target, by)| (*name, change.as_str(), target.as_str(), by.as_str())).collect();
    let expected = [
        ("p", "detach", "deploy", "user/dave"),
        ("p", "attach", "deploy", "user/carol"),
        ("q", "delete", "", "user/erin"),
        ("q", "detach", "bob", "user/erin"),
        ("deploy", "delete", "", "user/dave"),
        ("deploy", "put", "", "user/alice"),
    ];
    assert_eq!(said, expected);
    assert!(world.index.policy_data().await.unwrap().attachments.is_empty());
}
