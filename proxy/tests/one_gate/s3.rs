//! The S3 door.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use md5::{Digest, Md5};
use serde_json::json;
use zas_policy::{Action, Resource};
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Need, PREPARER, Says, Who, need, only};
use super::configurations;
use super::sidecar::Sidecar;

/// A bucket with what operations are about: the objects `key` and `source`, and an upload to `upload` with one part.
pub(crate) struct Fixture {
    bucket: String,
    upload: String,
    etag: String,
}

impl Fixture {
    async fn make(sidecar: &Sidecar, bucket: &str) -> Self {
        let bucket = bucket.to_owned();
        prepare(sidecar, Ask::put(format!("/{bucket}")), 200).await;
        for key in ["key", "source"] {
            prepare(sidecar, Ask::put(format!("/{bucket}/{key}")).body(key), 200).await;
        }
        let upload = prepare(sidecar, Ask::post(format!("/{bucket}/upload?uploads")), 200).await.element("UploadId");
        let part = Ask::put(format!("/{bucket}/upload?partNumber=1&uploadId={upload}")).body("part");
        let etag = prepare(sidecar, part, 200).await.header("etag").to_owned();
        Self { bucket, upload, etag }
    }

    pub(crate) fn on_bucket(&self, action: Action) -> Vec<Need> {
        vec![need(action, Resource::bucket(&*self.bucket))]
    }

    pub(crate) fn on(&self, action: Action, key: &str) -> Vec<Need> {
        vec![need(action, Resource::object(&*self.bucket, key))]
    }

    /// To write `key`, and to read what is copied to it.
    fn to_copy(&self, key: &str) -> Vec<Need> {
        vec![
            need(Action::PutObject, Resource::object(&*self.bucket, key)),
            need(Action::GetObject, Resource::object(&*self.bucket, "source")),
        ]
    }

    /// A request about the bucket or something in it.
    pub(crate) fn ask(&self, method: Method, rest: &str) -> Ask {
        Ask::new(method, format!("/{}{rest}", self.bucket))
    }

    /// A form with a key, and more fields.
    fn form(&self, key: &str, more: &str) -> Ask {
        let field =
            |head: &str, value: &str| format!("--x\r\nContent-Disposition: form-data; name={head}\r\n\r\n{value}\r\n");
        let form = field("key", key) + more + &field("file; filename=f", "content") + "--x--\r\n";
        self.ask(Method::POST, "").header("content-type", "multipart/form-data; boundary=x").body(form)
    }

    fn part(&self, number: u32) -> String {
        format!("/upload?partNumber={number}&uploadId={}", self.upload)
    }

    /// A policy that gives nobody anything.
    fn policy(&self) -> String {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": {"AWS": "user/nobody-at-all"},
            "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}/*", self.bucket)}})
        .to_string()
    }
}

/// Does something that must work, as somebody who may do everything.
pub(crate) async fn prepare(sidecar: &Sidecar, ask: Ask, status: u16) -> Answer {
    let token = format!("Bearer {}", sidecar.token("preparer", &[PREPARER]));
    sidecar.send(&ask, Some(&token)).await.expect(status)
}

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    sidecar
        .attach("preparers", &json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}), PREPARER)
        .await;
    sidecar.refresh().await;
    let mut cases = Vec::new();
    for (number, operation) in zas_proxy::s3::operations().enumerate() {
        let id = format!("s3-{number}");
        let fixture = Fixture::make(sidecar, &format!("bucket-{number}")).await;
        cases.extend(of_buckets(sidecar, &id, operation, &fixture).await);
        cases.extend(configurations::case(sidecar, &id, operation, &fixture).await);
        cases.extend(of_objects(&id, operation, &fixture));
        cases.extend(of_uploads(&id, operation, &fixture));
        cases.extend(with_more_rights(&id, operation, &fixture));
        cases.extend(of_what_goes_along(sidecar, &id, operation, &fixture).await);
    }
    cases
}

async fn of_buckets(sidecar: &Sidecar, id: &str, operation: &str, fixture: &Fixture) -> Vec<Case> {
    let case = |ask: Ask, action: Action, success: u16| {
        Case::new(Door::S3, id, operation, ask, &fixture.on_bucket(action), success)
    };
    if matches!(operation, "GetBucketPolicy" | "GetBucketPolicyStatus" | "DeleteBucketPolicy") {
        prepare(sidecar, fixture.ask(Method::PUT, "?policy").body(fixture.policy()), 204).await;
    }
    vec![match operation {
        "ListBuckets" => return list_buckets(id, fixture),
        "DeleteBucket" => return delete_bucket(sidecar, id, fixture).await,
        "CreateBucket" => {
            let name = format!("{}-new", fixture.bucket);
            let needs = [need(Action::CreateBucket, Resource::bucket(&*name))];
            Case::new(Door::S3, id, operation, Ask::put(format!("/{name}")), &needs, 200)
        }
        "HeadBucket" => case(fixture.ask(Method::HEAD, ""), Action::ListBucket, 200),
        "GetBucketLocation" => case(fixture.ask(Method::GET, "?location"), Action::GetBucketLocation, 200),
        "ListObjects" => case(fixture.ask(Method::GET, ""), Action::ListBucket, 200),
        "ListObjectsV2" => case(fixture.ask(Method::GET, "?list-type=2"), Action::ListBucket, 200),
        "ListObjectVersions" => case(fixture.ask(Method::GET, "?versions"), Action::ListBucketVersions, 200),
        "ListMultipartUploads" => case(fixture.ask(Method::GET, "?uploads"), Action::ListBucketMultipartUploads, 200),
        "GetBucketPolicy" => case(fixture.ask(Method::GET, "?policy"), Action::GetBucketPolicy, 200),
        "GetBucketPolicyStatus" => case(fixture.ask(Method::GET, "?policyStatus"), Action::GetBucketPolicyStatus, 200),
        "PutBucketPolicy" => {
            case(fixture.ask(Method::PUT, "?policy").body(fixture.policy()), Action::PutBucketPolicy, 204)
        }
        "DeleteBucketPolicy" => case(fixture.ask(Method::DELETE, "?policy"), Action::DeleteBucketPolicy, 204),
        _ => return Vec::new(),
    }]
}

/// Whoever may not list all buckets is shown those that they may list; who may list none is refused.
fn list_buckets(id: &str, fixture: &Fixture) -> Vec<Case> {
    let all = list_all_buckets(id);
    // On record as what it is, though some are shown only.
    let mut some = list_all_buckets(&format!("{id}-some"));
    some.allowed = Who::person(format!("{id}-some-only"), Some(only(&fixture.on_bucket(Action::ListBucket))));
    some.is_done = |answer| answer.element("Name").starts_with("bucket-");
    vec![all, some]
}

fn list_all_buckets(id: &str) -> Case {
    let needs = [need(Action::ListAllMyBuckets, Resource::Service)];
    let mut case = Case::new(Door::S3, id, "ListBuckets", Ask::get("/"), &needs, 200);
    let neither = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "NotAction": ["s3:ListAllMyBuckets", "s3:ListBucket"], "Resource": "*"}});
    let lacks = case.refused.pop().unwrap();
    let Who::Person { name, .. } = lacks.who else { panic!("somebody lacks the right") };
    case.refused.push(Attempt { who: Who::person(name, Some(neither)), ..lacks });
    case
}

/// An empty one, and one with all that it holds, which is another right.
async fn delete_bucket(sidecar: &Sidecar, id: &str, fixture: &Fixture) -> Vec<Case> {
    let empty = format!("{}-empty", fixture.bucket);
    prepare(sidecar, Ask::put(format!("/{empty}")), 200).await;
    let needs = [need(Action::DeleteBucket, Resource::bucket(&*empty))];
    let forced = fixture.ask(Method::DELETE, "").header("x-zas-force-delete", "true");
    let to_force = fixture.on_bucket(Action::ForceDeleteBucket);
    vec![
        Case::new(Door::S3, id, "DeleteBucket", Ask::delete(format!("/{empty}")), &needs, 204),
        Case::new(Door::S3, &format!("{id}-forced"), "DeleteBucket", forced, &to_force, 204),
    ]
}

fn of_objects(id: &str, operation: &str, fixture: &Fixture) -> Option<Case> {
    let case = |ask: Ask, needs: &[Need], success: u16| Case::new(Door::S3, id, operation, ask, needs, success);
    let source = format!("/{}/source", fixture.bucket);
    Some(match operation {
        "PutObject" => case(fixture.ask(Method::PUT, "/new").body("new"), &fixture.on(Action::PutObject, "new"), 200),
        "PostObject" => case(fixture.form("new", ""), &fixture.on(Action::PutObject, "new"), 204),
        "GetObject" => case(fixture.ask(Method::GET, "/key"), &fixture.on(Action::GetObject, "key"), 200),
        "HeadObject" => case(fixture.ask(Method::HEAD, "/key"), &fixture.on(Action::GetObject, "key"), 200),
        "DeleteObject" => case(fixture.ask(Method::DELETE, "/key"), &fixture.on(Action::DeleteObject, "key"), 204),
        "DeleteObjects" => delete_objects(id, fixture),
        "GetObjectTagging" => {
            case(fixture.ask(Method::GET, "/key?tagging"), &fixture.on(Action::GetObjectTagging, "key"), 200)
        }
        "PutObjectTagging" => {
            let document = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
            let ask = fixture.ask(Method::PUT, "/key?tagging").body(document);
            case(ask, &fixture.on(Action::PutObjectTagging, "key"), 200)
        }
        "DeleteObjectTagging" => {
            case(fixture.ask(Method::DELETE, "/key?tagging"), &fixture.on(Action::DeleteObjectTagging, "key"), 204)
        }
        "RenameObject" => {
            let ask = fixture.ask(Method::PUT, "/renamed?renameObject").header("x-amz-rename-source", "source");
            let needs = [
                fixture.on(Action::PutObject, "renamed"),
                fixture.on(Action::GetObject, "source"),
                fixture.on(Action::DeleteObject, "source"),
            ];
            case(ask, &needs.concat(), 200)
        }
        "CopyObject" => {
            case(fixture.ask(Method::PUT, "/copy").header("x-amz-copy-source", source), &fixture.to_copy("copy"), 200)
        }
        _ => return None,
    })
}

/// Operations that need more rights where they are asked for more.
fn with_more_rights(id: &str, operation: &str, fixture: &Fixture) -> Vec<Case> {
    let case = |kind: &str, ask: Ask, needs: &[Need], success: u16| {
        Case::new(Door::S3, &format!("{id}-{kind}"), operation, ask, needs, success)
    };
    match operation {
        "DeleteObject" => {
            let etag = format!("\"{}\"", hex::encode(Md5::digest("source")));
            let needs = [fixture.on(Action::DeleteObject, "source"), fixture.on(Action::GetObject, "source")].concat();
            let version = fixture.ask(Method::DELETE, "/key?versionId=null");
            let on_version = fixture.on(Action::DeleteObjectVersion, "key");
            vec![
                case("if", fixture.ask(Method::DELETE, "/source").header("if-match", etag), &needs, 204),
                case("version", version, &on_version, 204),
            ]
        }
        "GetObject" | "HeadObject" => {
            let method = if operation == "GetObject" { Method::GET } else { Method::HEAD };
            let needs = fixture.on(Action::GetObjectVersion, "key");
            vec![case("version", fixture.ask(method, "/key?versionId=null"), &needs, 200)]
        }
        "GetObjectTagging" => {
            let needs = fixture.on(Action::GetObjectVersionTagging, "key");
            vec![case("version", fixture.ask(Method::GET, "/key?tagging&versionId=null"), &needs, 200)]
        }
        "CreateBucket" => {
            let name = format!("{}-listed", fixture.bucket);
            let ask = Ask::put(format!("/{name}")).header("x-amz-object-ownership", "ObjectWriter");
            let rights = [Action::CreateBucket, Action::PutBucketOwnershipControls, Action::PutBucketAcl];
            let needs = rights.map(|action| need(action, Resource::bucket(&*name)));
            vec![case("listed", ask.header("x-amz-acl", "public-read"), &needs, 200)]
        }
        "PutObject" | "CreateMultipartUpload" => {
            let (method, rest) = if operation == "PutObject" { (Method::PUT, "") } else { (Method::POST, "?uploads") };
            let ask = fixture.ask(method, &format!("/tagged{rest}")).header("x-amz-tagging", "a=b");
            let ask = if operation == "PutObject" { ask.body("new") } else { ask };
            let needs =
                [fixture.on(Action::PutObject, "tagged"), fixture.on(Action::PutObjectTagging, "tagged")].concat();
            vec![case("tagged", ask, &needs, 200)]
        }
        "PostObject" => {
            let tags = "--x\r\nContent-Disposition: form-data; name=tagging\r\n\r\n\
                <Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>\r\n";
            let needs =
                [fixture.on(Action::PutObject, "tagged"), fixture.on(Action::PutObjectTagging, "tagged")].concat();
            vec![case("tagged", fixture.form("tagged", tags), &needs, 204)]
        }
        "GetObjectAttributes" => {
            let ask = fixture.ask(Method::GET, "/key?attributes").header("x-amz-object-attributes", "ObjectSize");
            let needs = [fixture.on(Action::GetObjectAttributes, "key"), fixture.on(Action::GetObject, "key")].concat();
            vec![case("attributes", ask, &needs, 200)]
        }
        _ => Vec::new(),
    }
}

/// A tag goes with the object that it is of, which takes the rights to read it and to give it.
async fn of_what_goes_along(sidecar: &Sidecar, id: &str, operation: &str, fixture: &Fixture) -> Option<Case> {
    if operation != "RenameObject" {
        return None;
    }
    let tagged = fixture.ask(Method::PUT, "/tagged").header("x-amz-tagging", "a=b").body("tagged");
    prepare(sidecar, tagged, 200).await;
    let ask = fixture.ask(Method::PUT, "/tagged-renamed?renameObject").header("x-amz-rename-source", "tagged");
    let needs = [
        fixture.on(Action::PutObject, "tagged-renamed"),
        fixture.on(Action::GetObject, "tagged"),
        fixture.on(Action::DeleteObject, "tagged"),
        fixture.on(Action::GetObjectTagging, "tagged"),
        fixture.on(Action::PutObjectTagging, "tagged-renamed"),
    ];
    Some(Case::new(Door::S3, &format!("{id}-tagged"), operation, ask, &needs.concat(), 200))
}

/// Each key is decided on its own, so that the answer is 200 with a refusal of the key in it.
fn delete_objects(id: &str, fixture: &Fixture) -> Case {
    let document = "<Delete><Object><Key>key</Key></Object></Delete>";
    let ask = fixture.ask(Method::POST, "?delete").header("content-md5", STANDARD.encode(Md5::digest(document)));
    let needs = fixture.on(Action::DeleteObject, "key");
    let mut case = Case::new(Door::S3, id, "DeleteObjects", ask.body(document), &needs, 200);
    case.is_done = |answer| answer.element("Deleted").contains("key");
    for attempt in case.refused.iter_mut().filter(|attempt| !matches!(attempt.who, Who::Nobody)) {
        attempt.says = Says::This(200, |answer| {
            answer.element("Code") == "AccessDenied"
                && answer.element("Key") == "key"
                && answer.element("Deleted").is_empty()
        });
    }
    case
}

fn of_uploads(id: &str, operation: &str, fixture: &Fixture) -> Option<Case> {
    let case = |ask: Ask, needs: &[Need], success: u16| Case::new(Door::S3, id, operation, ask, needs, success);
    let to_write = |key: &str| fixture.on(Action::PutObject, key);
    let upload = format!("/upload?uploadId={}", fixture.upload);
    Some(match operation {
        "CreateMultipartUpload" => case(fixture.ask(Method::POST, "/new?uploads"), &to_write("new"), 200),
        "UploadPart" => case(fixture.ask(Method::PUT, &fixture.part(2)).body("two"), &to_write("upload"), 200),
        "UploadPartCopy" => {
            let ask = fixture.ask(Method::PUT, &fixture.part(2));
            let ask = ask.header("x-amz-copy-source", format!("/{}/source", fixture.bucket));
            case(ask, &fixture.to_copy("upload"), 200)
        }
        "CompleteMultipartUpload" => {
            let document = format!(
                "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
                fixture.etag
            );
            case(fixture.ask(Method::POST, &upload).body(document), &to_write("upload"), 200)
        }
        "AbortMultipartUpload" => {
            case(fixture.ask(Method::DELETE, &upload), &fixture.on(Action::AbortMultipartUpload, "upload"), 204)
        }
        "ListParts" => {
            case(fixture.ask(Method::GET, &upload), &fixture.on(Action::ListMultipartUploadParts, "upload"), 200)
        }
        _ => return None,
    })
}
