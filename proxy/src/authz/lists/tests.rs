//! Lists in decisions: where they count, what overrules them, and that nobody asks for them anywhere else.

use std::time::Duration;

use super::*;
use crate::audit::{Journal, Trail};
use crate::authz::{Conditions, Policies};
use crate::bucket_configuration::{Document, ObjectOwnership, PublicAccessBlock};
use crate::config::{Audit, Authorization};
use crate::index::{
    Attachment, BeginsWith, Checksums, CreatedBy, DocumentKind, Headers, Index, Metadata, NewBucket, NewConfiguration,
    NewDocument, NewLock, NewObject, Quota, Tags, WriteConditions,
};
use crate::postgres::testing::{self, TestDatabase};
use serde_json::{Value, json};
use zas_policy::{AccessControlList, AclGrant, Grantee, Identity, Permission, Principal};

struct World {
    _database: TestDatabase,
    index: Index,
    authority: Authority,
}

fn public(owner: &str) -> AccessControlList {
    let mut list = AccessControlList::private(owner);
    list.grants.push(AclGrant { grantee: Grantee::AllUsers, permission: Permission::Read });
    list
}

impl World {
    /// A bucket `b` of bob's with an object `key` of alice's that everybody may read.
    async fn with(ownership: ObjectOwnership) -> Self {
        let database = testing::database().await.unwrap();
        let index = database.index().unwrap();
        let bucket = NewBucket {
            name: "b",
            region: "us-east-1",
            owner: "user/bob",
            store: "main",
            prefix: "s3",
            shards: 4,
            quota: Quota::default(),
            object_lock: false,
            audit: &[],
        };
        index.create_bucket_with(bucket, BeginsWith { ownership, list: None }).await.unwrap();
        let policies = Policies::new(&Authorization::default());
        let journal = Journal::new(index.clone(), &Audit::default());
        let authority = Authority::new(journal, policies).with_tags_of(index.clone());
        let world = Self { _database: database, index, authority };
        world.put(Some(&public("user/alice"))).await;
        world.refresh().await;
        world
    }

    async fn put(&self, list: Option<&AccessControlList>) {
        let (checksums, headers, metadata, tags) = (Checksums::new(), Headers::new(), Metadata::new(), Tags::new());
        let object = NewObject {
            bucket: "b",
            key: "key",
            blob: None,
            etag: "etag",
            checksums: &checksums,
            headers: &headers,
            metadata: &metadata,
            tags: &tags,
            storage_class: "STANDARD",
            owner: "user/alice",
            conditions: WriteConditions::default(),
            lock: NewLock::default(),
            by: CreatedBy::Put,
            grace: Duration::ZERO,
            audit: &[],
        };
        self.index.commit_object_with(object, list).await.unwrap();
    }

    async fn refresh(&self) {
        self.authority.policies().refresh(&self.index).await.unwrap();
    }

    /// Attaches a policy of one statement to carol.
    async fn attach(&self, statement: &Value) {
        let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let new = NewDocument {
            kind: DocumentKind::Policy,
            name: "p",
            document: &document,
            description: "",
            max_session: None,
            expected: None,
            by: "test",
            audit: &[],
        };
        self.index.put_policy_document(new).await.unwrap();
        let attachment = Attachment { policy: "p".into(), target_kind: "user".into(), target: "carol".into() };
        self.index.attach_policy(&attachment, "test", &[]).await.unwrap();
        self.refresh().await;
    }

    async fn block(&self, block: PublicAccessBlock) {
        let document = serde_json::to_value(block).unwrap();
        let kind = PublicAccessBlock::KIND;
        let new = NewConfiguration { bucket: "b", kind, document: &document, by: "test", audit: &[] };
        self.index.put_bucket_configuration(new).await.unwrap();
        self.refresh().await;
    }

    async fn may(&self, caller: &Caller, action: Action, resource: Resource) -> bool {
        match self.authority.authorize(caller, action, resource).await {
            Ok(_) => true,
            Err(error) => {
                assert!(matches!(error.code(), Code::AccessDenied | Code::Unauthenticated), "{}", error.for_log());
                false
            }
        }
    }

    async fn reads(&self, caller: &Caller) -> bool {
        self.may(caller, Action::GetObject, Resource::object("b", "key")).await
    }
}

fn caller(principal: Principal) -> Caller {
    Caller::new(principal, Trail::none(), Conditions::default()).heeding_lists()
}

fn user(name: &str) -> Caller {
    caller(Principal::identity(Identity { name: name.into(), ..Identity::default() }))
}

fn nobody() -> Caller {
    caller(Principal::Anonymous)
}

#[tokio::test]
async fn a_list_lets_in_whom_no_policy_knows_and_the_permit_names_the_grant() {
    for ownership in [ObjectOwnership::ObjectWriter, ObjectOwnership::BucketOwnerPreferred] {
        let world = World::with(ownership).await;
        assert!(world.reads(&nobody()).await && world.reads(&user("carol")).await);
        let resource = Resource::object("b", "key");
        let permit = world.authority.authorize(&user("carol"), Action::GetObject, resource.clone()).await.unwrap();
        let statements = &permit.decided.statements;
        assert_eq!(statements, &["acl/object#READ:http://acs.amazonaws.com/groups/global/AllUsers"]);
        assert!(permit.caller().lists_of(&resource).is_some_and(|lists| lists.object_id().is_some()));
        assert!(!world.may(&nobody(), Action::GetObjectAcl, resource.clone()).await);
        assert!(world.may(&user("alice"), Action::PutObjectAcl, resource).await, "the owner");
        assert!(world.may(&user("bob"), Action::ListBucket, Resource::bucket("b")).await, "the owner of the bucket");
        assert!(!world.may(&user("alice"), Action::ListBucket, Resource::bucket("b")).await);
    }
}

#[tokio::test]
async fn where_the_bucket_owner_owns_everything_no_list_counts_and_none_is_looked_at() {
    let world = World::with(ObjectOwnership::BucketOwnerEnforced).await;
    assert!(!world.authority.policies().has_lists("b"));
    for who in [nobody(), user("alice"), user("bob"), user("carol")] {
        assert!(!world.reads(&who).await);
    }
    let lists = world.authority.lists(Action::GetObject, &Resource::object("b", "key"), None).await.unwrap();
    assert!(lists.is_none());
}

#[tokio::test]
async fn an_ownership_counts_from_the_moment_on_that_it_is_changed_also_where_nobody_has_heard_of_it() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    world.index.put_object_ownership("b", ObjectOwnership::BucketOwnerEnforced, "test", &[]).await.unwrap();
    assert!(world.authority.policies().has_lists("b"), "this replica was not told");
    assert!(!world.reads(&nobody()).await);
    world.refresh().await;
    assert!(!world.authority.policies().has_lists("b"));
}

#[tokio::test]
async fn a_statement_that_denies_wins_over_every_list() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    assert!(world.reads(&user("carol")).await);
    world.attach(&json!({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "b/*"})).await;
    assert!(!world.reads(&user("carol")).await);
    assert!(world.reads(&user("dave")).await);
}

#[tokio::test]
async fn what_narrows_a_credential_narrows_what_lists_give_it() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let narrowed = |statement: Value| {
        let policy = Some(json!({"Version": "2012-10-17", "Statement": statement}).to_string());
        caller(Principal::identity(Identity { name: "carol".into(), policy, ..Identity::default() }))
    };
    let allows = |action: &str| json!({"Effect": "Allow", "Action": action, "Resource": "b/*"});
    assert!(!world.reads(&narrowed(allows("s3:PutObject"))).await);
    assert!(world.reads(&narrowed(allows("s3:GetObject"))).await);
}

#[tokio::test]
async fn public_lists_that_are_ignored_let_in_nobody_and_others_count() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let mut list = public("user/alice");
    list.grants.push(AclGrant { grantee: Grantee::Principal("user/carol".into()), permission: Permission::Read });
    world.put(Some(&list)).await;
    world.block(PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() }).await;
    assert!(!world.reads(&nobody()).await && !world.reads(&user("dave")).await);
    assert!(world.reads(&user("carol")).await && world.reads(&user("alice")).await);
}

#[tokio::test]
async fn a_list_is_of_the_object_and_the_next_one_begins_without() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let resource = Resource::object("b", "key");
    let permit = world.authority.authorize(&nobody(), Action::GetObject, resource.clone()).await.unwrap();
    world.put(None).await;
    let object = world.index.object("b", "key").await.unwrap();
    let known = permit.caller().lists_of(&resource).and_then(Lists::object_id);
    assert_ne!(known, Some(object.head.id), "a right to the object that was, not to the one that is");
    assert!(!world.reads(&nobody()).await);
    assert!(!world.may(&nobody(), Action::GetObject, Resource::object("b", "none")).await);
}

#[tokio::test]
async fn other_doors_know_no_lists() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    assert!(!world.reads(&Caller::new(alice, Trail::none(), Conditions::default())).await);
}

#[tokio::test]
async fn where_lists_cannot_be_looked_at_nobody_is_let_in_by_them() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let authority =
        Authority::new(Journal::new(world.index.clone(), &Audit::default()), world.authority.policies().clone());
    let resource = Resource::object("b", "key");
    assert!(authority.authorize(&nobody(), Action::GetObject, resource).await.is_err());
}

#[tokio::test]
async fn an_explanation_names_the_grant_of_the_list_as_it_is() {
    let world = World::with(ObjectOwnership::ObjectWriter).await;
    let (resource, nobody) = (Resource::object("b", "key"), Principal::Anonymous);
    let explain = async || {
        let explained =
            world.authority.explain(&nobody, Action::GetObject, &resource, &zas_policy::Empty).await.unwrap();
        let statements = explained.decision.statements.iter().map(ToString::to_string).collect::<Vec<_>>();
        (explained.decision.reason, statements, explained.statements.len())
    };
    let (reason, statements, considered) = explain().await;
    assert_eq!((reason, considered), (Reason::ListAllows, 1));
    assert_eq!(statements, ["acl/object#READ:http://acs.amazonaws.com/groups/global/AllUsers"]);
    world.put(None).await;
    assert_eq!(explain().await, (Reason::NoStatementAllows, Vec::new(), 0));
}
