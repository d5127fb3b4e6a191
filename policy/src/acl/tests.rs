//! Who is let in by which line of which list.

use super::*;
use crate::{Identity, Session};

fn user(name: &str) -> Principal {
    Principal::identity(Identity { name: name.into(), ..Identity::default() })
}

fn session(role: &str, name: &str) -> Principal {
    let session = Session { name: name.into(), ..Session::default() };
    Principal::identity(Identity {
        name: "alice".into(),
        roles: vec![role.into()],
        session: Some(session),
        ..Identity::default()
    })
}

fn list(owner: &str, grants: &[(&str, Permission)]) -> AccessControlList {
    let grant = |(grantee, permission): &(&str, Permission)| AclGrant {
        grantee: grantee.parse().unwrap(),
        permission: *permission,
    };
    AccessControlList { owner: owner.into(), grants: grants.iter().map(grant).collect() }
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOGS: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// Every action that is allowed.
fn allowed(
    bucket: &AccessControlList,
    object: Option<&AccessControlList>,
    ignores_public: bool,
    principal: &Principal,
) -> Vec<Action> {
    let lists = AccessLists { bucket, object, ignores_public };
    Action::ALL.iter().copied().filter(|action| lists.allowing(principal, *action).is_some()).collect()
}

#[test]
fn each_permission_stands_for_the_actions_that_aws_says() {
    use Action as A;
    let nobody = list("user/owner", &[]);
    for (permission, on_bucket, on_object) in [
        (
            Permission::Read,
            &[A::ListBucket, A::ListBucketVersions, A::ListBucketMultipartUploads][..],
            &[A::GetObject, A::GetObjectVersion][..],
        ),
        (Permission::Write, &[A::PutObject], &[]),
        (Permission::ReadAcp, &[A::GetBucketAcl], &[A::GetObjectAcl, A::GetObjectVersionAcl]),
        (Permission::WriteAcp, &[A::PutBucketAcl], &[A::PutObjectAcl, A::PutObjectVersionAcl]),
    ] {
        let granted = list("user/owner", &[("user/bob", permission)]);
        let same = |found: Vec<Action>, expected: &[Action]| {
            assert_eq!(found.len(), expected.len(), "{permission:?}: {found:?}");
            assert!(expected.iter().all(|action| found.contains(action)), "{permission:?}: {found:?}");
        };
        same(allowed(&granted, Some(&nobody), false, &user("bob")), on_bucket);
        same(allowed(&nobody, Some(&granted), false, &user("bob")), on_object);
        let all = list("user/owner", &[("user/bob", Permission::FullControl)]);
        for action in on_bucket.iter().chain(on_object) {
            assert!(allowed(&all, Some(&all), false, &user("bob")).contains(action), "{action}");
        }
        assert!(allowed(&granted, Some(&granted), false, &user("carol")).is_empty());
    }
}

#[test]
fn deletes_are_for_who_may_write_and_owns_the_bucket_or_the_object() {
    use Action as A;
    let bucket = list("user/owner", &[("user/owner", Permission::Write), (AUTHENTICATED, Permission::Write)]);
    let object = list("user/bob", &[]);
    let deletes = |object, who: &Principal| {
        let all = allowed(&bucket, object, false, who);
        (all.contains(&A::PutObject), all.contains(&A::DeleteObject), all.contains(&A::DeleteObjectVersion))
    };
    assert_eq!(deletes(Some(&object), &user("owner")), (true, true, true));
    assert_eq!(deletes(Some(&object), &user("bob")), (true, true, false));
    assert_eq!(deletes(Some(&object), &user("carol")), (true, false, false));
    assert_eq!(deletes(None, &user("carol")), (true, false, false));
    assert_eq!(deletes(Some(&object), &Principal::Anonymous), (false, false, false));
}

#[test]
fn groups_let_in_everybody_or_everybody_who_is_known_unless_public_lists_are_ignored() {
    let nobody = list("user/owner", &[]);
    for (group, known, unknown) in [(ALL_USERS, true, true), (AUTHENTICATED, true, false), (LOGS, false, false)] {
        let public = list("user/owner", &[(group, Permission::Read)]);
        let reads =
            |ignores, who: &Principal| allowed(&nobody, Some(&public), ignores, who).contains(&Action::GetObject);
        assert_eq!(reads(false, &user("bob")), known, "{group}");
        assert_eq!(reads(false, &Principal::Anonymous), unknown, "{group}");
        assert!(!reads(true, &user("bob")) && !reads(true, &Principal::Anonymous), "{group}");
        assert_eq!(public.is_public(), group != LOGS);
    }
    let both = list("user/owner", &[(ALL_USERS, Permission::Read), ("user/bob", Permission::Read)]);
    assert!(allowed(&nobody, Some(&both), true, &user("bob")).contains(&Action::GetObject));
}

#[test]
fn a_role_is_each_of_its_sessions_and_a_session_is_no_longer_its_user() {
    let nobody = list("user/owner", &[]);
    for (grantee, let_in) in
        [("role/deploy", true), ("role/deploy/job-7", true), ("role/deploy/job-8", false), ("user/alice", false)]
    {
        let object = list("user/owner", &[(grantee, Permission::Read)]);
        let reads = allowed(&nobody, Some(&object), false, &session("deploy", "job-7")).contains(&Action::GetObject);
        assert_eq!(reads, let_in, "{grantee}");
    }
    let of_user = list("user/owner", &[("role/deploy", Permission::Read)]);
    let member =
        Principal::identity(Identity { name: "alice".into(), roles: vec!["deploy".into()], ..Identity::default() });
    assert!(allowed(&nobody, Some(&of_user), false, &member).is_empty(), "who may take a role is not a session of it");
}

#[test]
fn the_owner_may_always_read_and_replace_the_list_and_nobody_unknown_owns_anything() {
    let taken = list("user/owner", &[]);
    let of_owner = allowed(&taken, Some(&taken), false, &user("owner"));
    assert!(of_owner.contains(&Action::PutObjectAcl) && of_owner.contains(&Action::GetBucketAcl));
    assert!(!of_owner.contains(&Action::GetObject) && !of_owner.contains(&Action::PutObject));
    let of_nobody = list("anonymous", &[]);
    assert!(allowed(&of_nobody, Some(&of_nobody), false, &Principal::Anonymous).is_empty());
}

#[test]
fn who_may_list_learns_that_there_is_no_object_and_nobody_else() {
    let open = list("user/owner", &[(ALL_USERS, Permission::Read)]);
    let shut = list("user/owner", &[(ALL_USERS, Permission::Write)]);
    let reads = |bucket| allowed(bucket, None, false, &Principal::Anonymous).contains(&Action::GetObject);
    assert!(reads(&open) && !reads(&shut));
    let private = AccessControlList::private("user/owner");
    assert!(!allowed(&open, Some(&private), false, &Principal::Anonymous).contains(&Action::GetObject));
}

#[test]
fn what_allows_is_named_with_its_grantee() {
    let list = list("user/owner", &[("user/owner", Permission::FullControl), (ALL_USERS, Permission::Read)]);
    let lists = AccessLists { bucket: &list, object: Some(&list), ignores_public: false };
    let named = |action| lists.allowing(&Principal::Anonymous, action).map(|statement| statement.to_string());
    assert_eq!(named(Action::GetObject), Some(format!("acl/object#READ:{ALL_USERS}")));
    assert_eq!(named(Action::ListBucket), Some(format!("acl/bucket#READ:{ALL_USERS}")));
    assert_eq!(named(Action::PutObject), None);
}

#[test]
fn permissions_and_grantees_are_read_back_as_they_are_written_and_nothing_else_is_read() {
    for permission in Permission::ALL {
        assert_eq!(permission.as_str().parse(), Ok(permission));
    }
    for text in ["user/alice", "role/deploy", "role/deploy/job-7", "root/AKIA", ALL_USERS, AUTHENTICATED, LOGS] {
        assert_eq!(text.parse::<Grantee>().unwrap().to_string(), text);
    }
    for text in
        ["", "alice", "user/", "group/a", "anonymous", "http://acs.amazonaws.com/groups/global/Nobody", "user/a\nb"]
    {
        assert_eq!(text.parse::<Grantee>(), Err(UnknownGrant), "{text:?}");
    }
    assert_eq!("read".parse::<Permission>(), Err(UnknownGrant));
}

#[test]
fn only_a_list_of_the_owner_alone_is_private() {
    assert!(AccessControlList::private("user/a").is_private());
    for grants in [&[][..], &[("user/a", Permission::Read)], &[("user/b", Permission::FullControl)]] {
        assert!(!list("user/a", grants).is_private(), "{grants:?}");
    }
}
