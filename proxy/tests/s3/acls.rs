//! Access control lists: set, shown, and decided by, where the ownership of the bucket lets them count.

use zas_proxy::bucket_configuration::ObjectOwnership;
use zas_proxy::config::{AccessKey, Secret};
use zas_proxy::identity::{Issued, NewKey, ServiceAccount};

use super::support::{Ask, KEY, SECRET, World};

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const ROOT: &str = "root/AKIATEST";

/// With a bucket named `bucket` in it where lists count.
async fn world() -> World {
    world_with("ObjectWriter").await
}

async fn world_with(ownership: &str) -> World {
    let world = World::new().await;
    world.put("/bucket").header("x-amz-object-ownership", ownership).send().await.expect(200);
    world
}

/// A service account that no policy is attached to.
pub(crate) async fn account(world: &World, name: &str) -> Issued {
    let new = NewKey {
        owner: "root/test".into(),
        service_account: Some(ServiceAccount::New),
        name: name.into(),
        created_by: "root/test".into(),
        ..NewKey::default()
    };
    world.app.identity.stored().unwrap().create(new, |_| None).await.unwrap()
}

pub(crate) fn by<'a>(ask: Ask<'a>, account: &Issued) -> Ask<'a> {
    ask.key(&account.key.id, account.secret.expose())
}

/// A list with grants to canonical users and to groups.
fn document(owner: &str, grants: &[(&str, &str)]) -> String {
    let grant = |(grantee, permission): &(&str, &str)| {
        let (kind, name) = if grantee.starts_with("http") { ("Group", "URI") } else { ("CanonicalUser", "ID") };
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\"><{name}>{grantee}</{name}></Grantee>\
             <Permission>{permission}</Permission></Grant>"
        )
    };
    let grants: String = grants.iter().map(grant).collect();
    format!(
        "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    )
}

fn controls(ownership: &str) -> String {
    format!("<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>")
}

fn block(setting: &str) -> String {
    format!("<PublicAccessBlockConfiguration><{setting}>true</{setting}></PublicAccessBlockConfiguration>")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_written_public_is_read_by_everybody_until_its_list_is_replaced() {
    let world = world().await;
    world.put("/bucket/open").header("x-amz-acl", "public-read").body("open").send().await.expect(200);
    world.put("/bucket/shut").body("shut").send().await.expect(200);
    let anonymous = async |ask: Ask<'_>| world.send(ask.anonymous()).await;
    assert_eq!(anonymous(world.get("/bucket/open")).await.expect(200).text(), "open");
    assert_eq!(anonymous(world.head("/bucket/open")).await.status, 200);
    anonymous(world.get("/bucket/shut")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket/none")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket/open?acl")).await.expect_error(403, "AccessDenied");
    anonymous(world.put("/bucket/open").body("x")).await.expect_error(403, "AccessDenied");
    let shown = world.get("/bucket/open?acl").send().await.expect(200);
    assert_eq!(shown.elements("Permission"), ["READ", "FULL_CONTROL"]);
    assert_eq!((shown.elements("URI"), shown.elements("ID")), (vec![ALL_USERS.to_owned()], vec![ROOT.to_owned(); 2]));
    world.put("/bucket/open?acl").header("x-amz-acl", "private").send().await.expect(200);
    anonymous(world.get("/bucket/open")).await.expect_error(403, "AccessDenied");
    // What is read may be written back.
    world.put("/bucket/open?acl").body(shown.body.clone()).send().await.expect(200);
    anonymous(world.get("/bucket/open")).await.expect(200);
    world.put("/bucket/open").body("new").send().await.expect(200);
    anonymous(world.get("/bucket/open")).await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_everybody_may_list_says_what_is_there_and_what_is_not() {
    let world = world().await;
    world.put("/bucket/key").body("x").send().await.expect(200);
    world.put("/bucket?acl").header("x-amz-acl", "public-read").send().await.expect(200);
    let anonymous = async |ask: Ask<'_>| world.send(ask.anonymous()).await;
    assert_eq!(anonymous(world.get("/bucket?list-type=2")).await.expect(200).elements("Key"), ["key"]);
    anonymous(world.get("/bucket?uploads")).await.expect(200);
    anonymous(world.get("/bucket/key")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket/none")).await.expect_error(404, "NoSuchKey");
    anonymous(world.put("/bucket/none").body("x")).await.expect_error(403, "AccessDenied");
    anonymous(world.get("/bucket?policy")).await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_by_a_list_owns_what_they_write_and_deletes_nothing_of_others() {
    let world = world().await;
    let (alice, bob) = (account(&world, "service/alice").await, account(&world, "service/bob").await);
    by(world.put("/bucket/a").body("a"), &alice).send().await.expect_error(403, "AccessDenied");
    let grants = "id=\"user/service/alice\", id=\"user/service/bob\"";
    world.put("/bucket?acl").header("x-amz-grant-write", grants).send().await.expect(200);
    by(world.put("/bucket/a").body("a"), &alice).send().await.expect(200);
    let shown = by(world.get("/bucket/a?acl"), &alice).send().await.expect(200);
    assert_eq!(shown.elements("ID"), ["user/service/alice"; 2]);
    assert_eq!(by(world.get("/bucket/a"), &alice).send().await.expect(200).text(), "a");
    by(world.get("/bucket/a"), &bob).send().await.expect_error(403, "AccessDenied");
    by(world.delete("/bucket/a"), &bob).send().await.expect_error(403, "AccessDenied");
    let granted = document("user/service/alice", &[("user/service/bob", "READ")]);
    by(world.put("/bucket/a?acl").body(granted.clone()), &bob).send().await.expect_error(403, "AccessDenied");
    by(world.put("/bucket/a?acl").body(granted), &alice).send().await.expect(200);
    assert_eq!(by(world.get("/bucket/a"), &bob).send().await.expect(200).text(), "a");
    by(world.get("/bucket/a"), &alice).send().await.expect_error(403, "AccessDenied");
    // The owner may always look at the list, and take it back.
    by(world.put("/bucket/a?acl").header("x-amz-acl", "private"), &alice).send().await.expect(200);
    by(world.get("/bucket/a"), &alice).send().await.expect(200);
    by(world.delete("/bucket/a"), &alice).send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_has_is_not_available() {
    let world = World::new().await;
    let made = world.put("/bucket").header("x-amz-object-ownership", "ObjectWriter");
    made.header("x-amz-acl", "public-read").send().await.expect(200);
    // What others have been given is not taken back in passing.
    world.put("/bucket").send().await.expect_error(409, "BucketAlreadyOwnedByYou");
    let (id, secret) = ("AKIAOTHER", "another secret of some length");
    let other = World::with(|config| {
        let key =
            |id: &str, secret: &str| AccessKey { id: id.into(), secret: Some(Secret::new(secret)), secret_file: None };
        config.access_keys = vec![key(KEY, SECRET), key(id, secret)];
    });
    let world = other.await;
    world.put("/bucket").send().await.expect(200);
    world.put("/bucket").key(id, secret).send().await.expect_error(409, "BucketAlreadyExists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_wins_and_one_that_allows_needs_no_list() {
    let world = world().await;
    world.put("/bucket/key").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    let policy = |effect: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "{effect}", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/key"}}}}"#
        )
    };
    world.put("/bucket?policy").body(policy("Deny")).send().await.expect(204);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
    world.put("/bucket?policy").body(policy("Allow")).send().await.expect(204);
    world.put("/bucket/key?acl").header("x-amz-acl", "private").send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect(200);
    world.delete("/bucket?policy").send().await.expect(204);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_a_list_of_its_own_and_needs_the_right_to_read_its_source() {
    let world = world().await;
    let alice = account(&world, "service/alice").await;
    world.put("/bucket?acl").header("x-amz-grant-write", "id=user/service/alice").send().await.expect(200);
    world.put("/bucket/source").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    let copy = |to: &str, from: &str| by(world.put(to).header("x-amz-copy-source", from), &alice);
    copy("/bucket/copy", "bucket/source").send().await.expect(200);
    world.send(world.get("/bucket/copy").anonymous()).await.expect_error(403, "AccessDenied");
    copy("/bucket/open", "bucket/source").header("x-amz-acl", "public-read").send().await.expect(200);
    world.send(world.get("/bucket/open").anonymous()).await.expect(200);
    world.put("/bucket/source?acl").header("x-amz-acl", "private").send().await.expect(200);
    copy("/bucket/again", "bucket/source").send().await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_comes_in_parts_has_the_list_of_its_upload() {
    let world = world().await;
    let begun = world.post("/bucket/key?uploads").header("x-amz-acl", "public-read").send().await.expect(200);
    let upload = begun.element("UploadId");
    let part = world.put(&format!("/bucket/key?partNumber=1&uploadId={upload}")).body("part").send().await.expect(200);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    let complete = || world.post(&format!("/bucket/key?uploadId={upload}")).body(document.clone());
    complete().send().await.expect(200);
    assert_eq!(world.send(world.get("/bucket/key").anonymous()).await.expect(200).text(), "part");
    world.put("/bucket/key?acl").header("x-amz-acl", "private").send().await.expect(200);
    complete().send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_a_delete_marker_have_no_list() {
    let world = world().await;
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.put("/bucket?versioning").body(enable).send().await.expect(200);
    world.put("/bucket/key").body("x").send().await.expect(200);
    let marker = world.delete("/bucket/key").send().await.expect(204).header("x-amz-version-id").to_owned();
    let nowhere = "0".repeat(32);
    for ownership in ["ObjectWriter", "BucketOwnerEnforced"] {
        world.put("/bucket?ownershipControls").body(controls(ownership)).send().await.expect(200);
        for (query, status, code) in [
            ("acl".to_owned(), 404, "NoSuchKey"),
            (format!("acl&versionId={nowhere}"), 404, "NoSuchVersion"),
            (format!("acl&versionId={marker}"), 405, "MethodNotAllowed"),
        ] {
            let uri = format!("/bucket/key?{query}");
            world.get(&uri).send().await.expect_error(status, code);
            world.put(&uri).header("x-amz-acl", "private").send().await.expect_error(status, code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_access_block_refuses_public_lists_and_ignores_those_that_there_are() {
    let world = world().await;
    world.put("/bucket/key").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    world.put("/bucket?publicAccessBlock").body(block("BlockPublicAcls")).send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect(200);
    for target in ["/bucket?acl", "/bucket/key?acl", "/bucket/new"] {
        for list in ["public-read", "authenticated-read"] {
            let refused = world.put(target).header("x-amz-acl", list).send().await;
            refused.expect_error(403, "AccessDenied");
        }
        let granted = world.put(target).header("x-amz-grant-read", "id=user/bob").send().await;
        granted.expect(200);
    }
    world.put("/bucket/key?acl").header("x-amz-acl", "private").send().await.expect(200);
    world.delete("/bucket?publicAccessBlock").send().await.expect(204);
    world.put("/bucket/key?acl").header("x-amz-acl", "public-read").send().await.expect(200);
    world.put("/bucket?publicAccessBlock").body(block("IgnorePublicAcls")).send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
    assert_eq!(world.get("/bucket/key?acl").send().await.expect(200).elements("URI"), [ALL_USERS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ownership_is_taken_back_once_the_list_of_the_bucket_gives_nothing_to_others() {
    let world = world().await;
    let ownership = async || world.get("/bucket?ownershipControls").send().await.expect(200).element("ObjectOwnership");
    assert_eq!(ownership().await, "ObjectWriter");
    world.put("/bucket/key").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    world.put("/bucket?acl").header("x-amz-acl", "public-read").send().await.expect(200);
    let enforce = || world.put("/bucket?ownershipControls").body(controls("BucketOwnerEnforced"));
    enforce().send().await.expect_error(400, "InvalidBucketAclWithObjectOwnership");
    assert_eq!(ownership().await, "ObjectWriter");
    world.put("/bucket?ownershipControls").body(controls("BucketOwnerPreferred")).send().await.expect(200);
    world.put("/bucket?acl").header("x-amz-acl", "private").send().await.expect(200);
    enforce().send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
    assert_eq!(world.get("/bucket/key?acl").send().await.expect(200).elements("Permission"), ["FULL_CONTROL"]);
    let refused = world.put("/bucket/key?acl").header("x-amz-acl", "public-read").send().await;
    refused.expect_error(400, "AccessControlListNotSupported");
    // Lists sleep, and are not forgotten.
    world.put("/bucket?ownershipControls").body(controls("ObjectWriter")).send().await.expect(200);
    world.send(world.get("/bucket/key").anonymous()).await.expect(200);
    world.delete("/bucket?ownershipControls").send().await.expect(204);
    world.send(world.get("/bucket/key").anonymous()).await.expect_error(403, "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_bucket_owner_is_preferred_an_object_can_be_given_to_them() {
    for (ownership, owner) in [("BucketOwnerPreferred", ROOT), ("ObjectWriter", "user/service/alice")] {
        let world = world_with(ownership).await;
        let alice = account(&world, "service/alice").await;
        world.put("/bucket?acl").header("x-amz-grant-write", "id=user/service/alice").send().await.expect(200);
        let put = |key: &str, list: &str| by(world.put(key).header("x-amz-acl", list).body("x"), &alice);
        put("/bucket/given", "bucket-owner-full-control").send().await.expect(200);
        put("/bucket/kept", "bucket-owner-read").send().await.expect(200);
        let of = async |key: &str| world.get(&format!("/bucket/{key}?acl")).send().await.expect(200);
        assert_eq!(of("given").await.element("ID"), owner, "{ownership}");
        let kept = of("kept").await;
        let mut named = kept.elements("ID");
        named.sort_unstable();
        assert_eq!(named, [ROOT, "user/service/alice", "user/service/alice"], "the owner, and each grantee");
        assert_eq!(kept.elements("Permission"), ["FULL_CONTROL", "READ"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ownership_of_new_buckets_is_configured_and_their_maker_may_choose_another() {
    let world = World::with(|config| config.s3.object_ownership = ObjectOwnership::BucketOwnerPreferred).await;
    world.put("/bucket").header("x-amz-acl", "public-read").send().await.expect(200);
    world.put("/other").header("x-amz-object-ownership", "BucketOwnerEnforced").send().await.expect(200);
    let ownership = async |bucket: &str| {
        let shown = world.get(&format!("/{bucket}?ownershipControls")).send().await.expect(200);
        shown.element("ObjectOwnership")
    };
    assert_eq!(ownership("bucket").await, "BucketOwnerPreferred");
    assert_eq!(ownership("other").await, "BucketOwnerEnforced");
    world.send(world.get("/bucket?list-type=2").anonymous()).await.expect(200);
    let unknown = world.put("/third").header("x-amz-object-ownership", "Nobody").send().await;
    unknown.expect_error(400, "InvalidArgument");
    let enforced = world.put("/third").header("x-amz-object-ownership", "BucketOwnerEnforced");
    let public = enforced.header("x-amz-acl", "public-read").send().await;
    public.expect_error(400, "InvalidBucketAclWithObjectOwnership");
    world.head("/third").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_aws_refuses_are_refused_and_change_nothing() {
    let world = world().await;
    world.put("/bucket/key").header("x-amz-acl", "public-read").body("x").send().await.expect(200);
    for target in ["/bucket?acl", "/bucket/key?acl"] {
        let put = |name: &str, value: &str| world.put(target).header(name, value);
        put("x-amz-acl", "everybody").send().await.expect_error(400, "InvalidArgument");
        put("x-amz-grant-read", "id=nobody").send().await.expect_error(400, "InvalidArgument");
        let email = put("x-amz-grant-read", "emailAddress=a@b.example").send().await;
        email.expect_error(400, "UnresolvableGrantByEmailAddress");
        let both = put("x-amz-grant-read", "id=user/bob").header("x-amz-acl", "private").send().await;
        both.expect_error(400, "InvalidRequest");
        world.put(target).send().await.expect_error(400, "MissingSecurityHeader");
        for (written, status, code) in [
            (document("user/bob", &[]), 403, "AccessDenied"),
            (document(ROOT, &[("user/bob", "ALL")]), 400, "MalformedACLError"),
            (document(ROOT, &[("bob", "READ")]), 400, "InvalidArgument"),
            (document(ROOT, &[("user/bob", "READ"); 101]), 400, "MalformedACLError"),
            ("<AccessControlPolicy><AccessControlList/></AccessControlPolicy>".to_owned(), 400, "MalformedACLError"),
            ("<AccessControlPolicy>".to_owned(), 400, "MalformedACLError"),
        ] {
            world.put(target).body(written).send().await.expect_error(status, code);
        }
    }
    assert_eq!(world.get("/bucket/key?acl").send().await.expect(200).elements("URI"), [ALL_USERS]);
    assert!(world.get("/bucket?acl").send().await.expect(200).elements("URI").is_empty());
    world.put("/bucket/none?acl").header("x-amz-acl", "private").send().await.expect_error(404, "NoSuchKey");
    world.put("/nowhere?acl").header("x-amz-acl", "private").send().await.expect_error(404, "NoSuchBucket");
    world
        .put("/nowhere/key")
        .header("x-amz-acl", "public-read")
        .body("x")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
}
