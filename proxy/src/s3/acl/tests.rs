//! Lists where the owner of the bucket owns everything in it.

use super::*;

fn refusal(canned: Option<&str>, grant: bool, policy: Option<&dto::AccessControlPolicy>) -> Option<Code> {
    let mut headers = HeaderMap::new();
    if grant {
        headers.insert("x-amz-grant-read", http::HeaderValue::from_static("id=x"));
    }
    check(&headers, canned, policy, "user/alice").err().map(|error| error.code())
}

fn policy(owner: &str, permission: &'static str) -> dto::AccessControlPolicy {
    let (owner, mut grants) = document(&AccessControlList::private(owner));
    grants[0].permission = Some(dto::Permission::from_static(permission));
    dto::AccessControlPolicy { grants: Some(grants), owner: Some(owner) }
}

#[test]
fn what_is_read_may_be_written_back() {
    assert_eq!(refusal(None, false, Some(&policy("user/alice", dto::Permission::FULL_CONTROL))), None);
}

#[test]
fn only_lists_that_say_what_is_so_are_taken() {
    for (canned, grant, expected) in [
        (Some("private"), false, None),
        (Some("bucket-owner-full-control"), false, None),
        (Some("public-read"), false, Some(Code::AccessControlListNotSupported)),
        (Some("everybody"), false, Some(Code::InvalidArgument)),
        (Some("private"), true, Some(Code::InvalidRequest)),
        (None, true, Some(Code::AccessControlListNotSupported)),
        (None, false, Some(Code::MissingSecurityHeader)),
    ] {
        assert_eq!(refusal(canned, grant, None), expected, "{canned:?} {grant}");
    }
    for policy in [policy("user/bob", dto::Permission::FULL_CONTROL), policy("user/alice", dto::Permission::READ)] {
        assert_eq!(refusal(None, false, Some(&policy)), Some(Code::AccessControlListNotSupported));
    }
    let both = policy("user/alice", dto::Permission::FULL_CONTROL);
    assert_eq!(refusal(Some("private"), false, Some(&both)), Some(Code::InvalidRequest));
}

#[test]
fn a_list_says_once_what_it_shall_be() {
    let of = |canned: Option<&'static str>, policy| {
        let canned = canned.map(|name| (http::HeaderName::from_static(CANNED), http::HeaderValue::from_static(name)));
        let headers = canned.into_iter().collect();
        replacement(&headers, policy, On::Bucket, "user/alice", "user/alice").map_err(|error| error.code())
    };
    let written = || policy("user/alice", dto::Permission::READ);
    assert_eq!(of(None, None).unwrap_err(), Code::MissingSecurityHeader);
    assert_eq!(of(Some("private"), Some(written())).unwrap_err(), Code::InvalidRequest);
    assert!(of(Some("private"), None).unwrap().is_private());
    assert!(!of(None, Some(written())).unwrap().is_private());
}

#[test]
fn groups_are_written_by_their_uri_and_others_by_their_id() {
    let public = asked::Asked::Canned(asked::Canned::PublicRead).list("user/alice".into(), "user/boss");
    let (owner, grants) = document(&public);
    assert_eq!(owner.id.as_deref(), Some("user/alice"));
    let [everybody, own] = grants.as_slice() else { panic!("{grants:?}") };
    let (own, everybody) = (own.grantee.as_ref().unwrap(), everybody.grantee.as_ref().unwrap());
    assert_eq!((own.type_.as_str(), own.id.as_deref()), ("CanonicalUser", Some("user/alice")));
    assert_eq!(everybody.uri.as_deref(), Some("http://acs.amazonaws.com/groups/global/AllUsers"));
    assert_eq!((everybody.type_.as_str(), &everybody.id), ("Group", &None));
}
