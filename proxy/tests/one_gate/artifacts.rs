//! The OCI door below `s3/`: objects as artifacts, and what refers to them.

use http::Method;
use serde_json::json;
use zas_policy::{Action, Resource};
use zas_proxy::digest::Digest;
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Need, Says, Who, all_but_any, need};
use super::oci::{MANIFEST, let_prepare, prepare, worthless_token};
use super::sidecar::Sidecar;

/// Objects are deleted by S3: nobody may, whatever they may.
pub(crate) const FOR_NOBODY: &str = "DELETE /v2/{name}/blobs/{digest}";

const MANIFESTS: &str = "/v2/{name}/manifests/{reference}";
const UPLOADS: &str = "POST /v2/{name}/blobs/uploads/";

/// The bytes of the object, and of what refers to it.
const OBJECT: &str = "bytes of an object";
const NOTE: &str = "a note";

/// A media type for each kind of what refers to an object, the right to attach it, and the right to remove it.
const KINDS: [(&str, Action, Action); 4] = [
    ("application/vnd.dev.cosign.simplesigning.v1+json", Action::Sign, Action::DeleteSignature),
    ("application/spdx+json", Action::AttachSbom, Action::DeleteSbom),
    ("application/vnd.in-toto+json", Action::Attest, Action::DeleteAttestation),
    ("text/plain", Action::Attach, Action::Detach),
];

/// The bucket `gate-<id>` with the object `app`.
struct Fixture {
    bucket: String,
    /// Of the object's manifest.
    digest: String,
}

impl Fixture {
    async fn make(sidecar: &Sidecar, id: &str) -> Self {
        let bucket = format!("gate-{id}");
        prepare(sidecar, Ask::put(format!("/{bucket}")), 200).await;
        let put = prepare(sidecar, Ask::put(format!("/{bucket}/app")).body(OBJECT), 200).await;
        Self { bucket, digest: put.header("x-zas-oci-digest").to_owned() }
    }

    fn ask(&self, method: Method, rest: &str) -> Ask {
        Ask::new(method, format!("/v2/s3/{}/{rest}", self.bucket))
    }

    fn on_object(&self, action: Action) -> Need {
        need(action, Resource::object(&*self.bucket, "app"))
    }

    fn on_bucket(&self, action: Action) -> Need {
        need(action, Resource::bucket(&*self.bucket))
    }

    /// Any of these lets one read what refers to the object.
    fn to_read_referrers(&self) -> [Need; 2] {
        [self.on_object(Action::GetObject), need(Action::Pull, Resource::repository(&*format!("s3/{}", self.bucket)))]
    }

    /// Sends the blobs of what refers to the object.
    async fn push_blobs(&self, sidecar: &Sidecar) {
        for bytes in [NOTE, "{}"] {
            let digest = Digest::of(bytes.as_bytes());
            let path = format!("blobs/uploads/?digest={digest}");
            prepare(sidecar, self.ask(Method::POST, &path).body(bytes), 201).await;
        }
    }

    /// A request that attaches something whose layer is of this type; the digest of its manifest.
    fn attaching(&self, layer: &str) -> (Ask, String) {
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2},
            "layers": [{"mediaType": layer, "digest": Digest::of(NOTE.as_bytes()).to_string(), "size": NOTE.len()}],
            "subject": {"mediaType": MANIFEST, "digest": self.digest, "size": 1}})
        .to_string();
        let digest = Digest::of(document.as_bytes()).to_string();
        let ask = self.ask(Method::PUT, &format!("manifests/{digest}")).header("content-type", MANIFEST).body(document);
        (ask, digest)
    }

    /// Attaches it; the digest of its manifest.
    async fn attach(&self, sidecar: &Sidecar, layer: &str) -> String {
        self.push_blobs(sidecar).await;
        let (ask, digest) = self.attaching(layer);
        prepare(sidecar, ask, 201).await;
        digest
    }
}

/// What one may not see is not there.
fn nothing() -> Says {
    Says::This(404, |_| true)
}

/// A case that any of these rights is enough for, tried with each of them alone. `says` is what whoever may not hears, and `denied`
/// what is on record then.
fn any_of(id: &str, operation: &str, ask: &Ask, needs: &[Need], success: u16, says: Says, denied: Action) -> Vec<Case> {
    let each = needs.iter().enumerate().map(|(number, one)| {
        let id = format!("{id}-{number}");
        let mut case = Case::new(Door::Oci, &id, operation, ask.clone(), std::slice::from_ref(one), success);
        let lacks = Who::person(format!("{id}-lacks"), Some(all_but_any(&also_on_buckets(needs))));
        let none = Who::person(format!("{id}-none"), None);
        case.refused.truncate(1);
        case.recorded = Some(one.action);
        case.refused.extend([none, lacks].map(|who| Attempt::new(who, says, Some(denied))));
        case
    });
    each.collect()
}

/// These rights, and those of them that are about objects on the bucket too: a policy may give them there, to no effect but that
/// something is allowed somewhere in the bucket.
fn also_on_buckets(needs: &[Need]) -> Vec<Need> {
    let on_bucket = needs.iter().filter_map(|one| match &one.resource {
        Resource::Object { bucket, .. } => Some(need(one.action, Resource::bucket(&**bucket))),
        _ => None,
    });
    on_bucket.chain(needs.iter().cloned()).collect()
}

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let_prepare(sidecar).await;
    let mut cases = Vec::new();
    for method in [Method::GET, Method::HEAD] {
        cases.extend(of_objects(sidecar, &method).await);
        cases.extend(of_referrers(sidecar, &method).await);
    }
    for kind in KINDS {
        cases.extend(of_changes(sidecar, kind).await);
    }
    cases.extend(of_uploads(sidecar).await);
    let worthless = worthless_token(sidecar).await;
    for case in &mut cases {
        let holder = Who::Holder { token: worthless.clone() };
        case.refused.push(Attempt::new(holder, Says::WhoAreYou, None));
    }
    cases
}

/// Reading of an object and its name.
async fn of_objects(sidecar: &Sidecar, method: &Method) -> Vec<Case> {
    let id = |what: &str| format!("artifact-{what}-{}", method.as_str().to_lowercase());
    let fixture = Fixture::make(sidecar, &id("object")).await;
    let ask = |rest: &str| fixture.ask(method.clone(), rest);
    let read = [fixture.on_object(Action::GetObject)];
    let manifests = format!("{method} {MANIFESTS}");
    let blobs = format!("{method} /v2/{{name}}/blobs/{{digest}}");
    let tags = format!("{method} /v2/{{name}}/tags/list");
    let list = [fixture.on_bucket(Action::ListBucket)];
    let mut cases = vec![
        Case::new(Door::Oci, &id("tags"), &tags, ask("tags/list"), &list, 200),
        Case::new(Door::Oci, &id("tag"), &manifests, ask("manifests/app"), &read, 200),
    ];
    let by_digest = ask(&format!("manifests/{}", fixture.digest));
    // It may also be the digest of something that refers to an object.
    let layer = ask(&format!("blobs/{}", Digest::of(OBJECT.as_bytes())));
    for (what, operation, ask) in [("digest", &manifests, by_digest), ("layer", &blobs, layer)] {
        cases.extend(any_of(&id(what), operation, &ask, &read, 200, nothing(), Action::GetObject));
    }
    let anything: Vec<Need> = [Action::GetObject, Action::Sign, Action::AttachSbom, Action::Attest, Action::Attach]
        .into_iter()
        .map(|action| need(action, Resource::object(&*fixture.bucket, "*")))
        .chain([need(Action::Pull, Resource::repository(&*format!("s3/{}", fixture.bucket)))])
        .collect();
    let config = ask(&format!("blobs/{}", Digest::of(b"{}")));
    cases.extend(any_of(&id("config"), &blobs, &config, &anything, 200, nothing(), Action::GetObject));
    cases
}

/// Reading of what refers to an object.
async fn of_referrers(sidecar: &Sidecar, method: &Method) -> Vec<Case> {
    let id = |what: &str| format!("artifact-{what}-{}", method.as_str().to_lowercase());
    let fixture = Fixture::make(sidecar, &id("referrers")).await;
    let attached = fixture.attach(sidecar, "text/plain").await;
    let ask = |rest: &str| fixture.ask(method.clone(), rest);
    let needs = fixture.to_read_referrers();
    let manifests = format!("{method} {MANIFESTS}");
    let manifest = ask(&format!("manifests/{attached}"));
    let mut cases = any_of(&id("attached"), &manifests, &manifest, &needs, 200, nothing(), Action::Pull);
    let blobs = format!("{method} /v2/{{name}}/blobs/{{digest}}");
    let blob = ask(&format!("blobs/{}", Digest::of(NOTE.as_bytes())));
    cases.extend(any_of(&id("note"), &blobs, &blob, &needs, 200, nothing(), Action::Pull));
    let lists = format!("{method} /v2/{{name}}/referrers/{{digest}}");
    let list = ask(&format!("referrers/{}", fixture.digest));
    let none = Says::This(200, |answer| !names_one(answer));
    let listed = any_of(&id("list"), &lists, &list, &needs, 200, none, Action::Pull);
    cases.extend(listed.into_iter().map(|case| Case { is_done: names_one, ..case }));
    cases
}

/// Whether a list has an entry, also where its length alone is told.
fn names_one(answer: &Answer) -> bool {
    answer.header("content-length").parse::<usize>().unwrap() > 150
}

/// Attaching and removing.
async fn of_changes(sidecar: &Sidecar, (layer, attach, detach): (&str, Action, Action)) -> Vec<Case> {
    let name = attach.as_str().rsplit(':').next().unwrap().to_lowercase();
    let id = format!("artifact-{name}");
    let fixture = Fixture::make(sidecar, &format!("put-{name}")).await;
    fixture.push_blobs(sidecar).await;
    let (ask, _) = fixture.attaching(layer);
    let put = format!("PUT {MANIFESTS}");
    let mut attached = Case::new(Door::Oci, &id, &put, ask, &[fixture.on_object(attach)], 201);
    // Whoever may attach nothing at all is asked for the first of these rights.
    attached.refused[1].denied = Some(Action::Sign);
    attached.is_forwarded = true;

    let fixture = Fixture::make(sidecar, &format!("delete-{name}")).await;
    let digest = fixture.attach(sidecar, layer).await;
    let ask = fixture.ask(Method::DELETE, &format!("manifests/{digest}"));
    let needs = [fixture.on_object(detach)];
    let mut removed = Case::new(Door::Oci, &format!("{id}-delete"), &format!("DELETE {MANIFESTS}"), ask, &needs, 202);
    // Who sees nothing of it is not told that it is there.
    removed.refused[1].says = nothing();
    removed.is_forwarded = true;
    vec![attached, removed]
}

/// Blobs are sent ahead, by whoever may attach anything in the bucket.
async fn of_uploads(sidecar: &Sidecar) -> Vec<Case> {
    let digest = Digest::of(NOTE.as_bytes());
    let mut cases = Vec::new();
    for (number, (_, attach, _)) in KINDS.into_iter().enumerate() {
        let fixture = Fixture::make(sidecar, &format!("uploads-{number}")).await;
        let whole = format!("?digest={digest}");
        let id = |what: &str| format!("artifact-{what}-{number}");
        cases.push(sending(&fixture, &id("start"), UPLOADS, fixture.ask(Method::POST, "blobs/uploads/"), attach, 202));
        let ask = fixture.ask(Method::POST, &format!("blobs/uploads/{whole}")).body(NOTE);
        cases.push(sending(&fixture, &id("whole"), UPLOADS, ask, attach, 201));
        for (method, query, body, success) in [
            (Method::GET, "", "", 204),
            (Method::PATCH, "", NOTE, 202),
            (Method::PUT, whole.as_str(), NOTE, 201),
            (Method::DELETE, "", "", 204),
        ] {
            let begun = prepare(sidecar, fixture.ask(Method::POST, "blobs/uploads/"), 202).await;
            let session = begun.header("location").rsplit('/').next().unwrap_or_default().to_owned();
            let operation = format!("{method} /v2/{{name}}/blobs/uploads/{{id}}");
            let id = id(&method.as_str().to_lowercase());
            let ask = fixture.ask(method, &format!("blobs/uploads/{session}{query}")).body(body);
            cases.push(sending(&fixture, &id, &operation, ask, attach, success));
        }
    }
    cases
}

/// An operation of an upload, by somebody who may do one of the four things.
fn sending(fixture: &Fixture, id: &str, operation: &str, ask: Ask, attach: Action, success: u16) -> Case {
    let needs = [fixture.on_object(attach)];
    let mut case = Case::new(Door::Oci, id, operation, ask, &needs, success);
    let all: Vec<Need> =
        KINDS.into_iter().map(|(_, attach, _)| need(attach, Resource::object(&*fixture.bucket, "*"))).collect();
    let lacks = Who::person(format!("{id}-lacks"), Some(all_but_any(&also_on_buckets(&all))));
    case.refused.truncate(1);
    case.refused.push(Attempt::new(Who::person(format!("{id}-none"), None), Says::Denied, Some(Action::Sign)));
    case.refused.push(Attempt::new(lacks, Says::Denied, Some(Action::Sign)));
    case.recorded = Some(attach);
    case.is_forwarded = true;
    case
}

/// Whoever may do everything is told where objects are deleted.
pub(crate) async fn try_what_is_for_nobody(sidecar: &Sidecar) {
    let fixture = Fixture::make(sidecar, "for-nobody").await;
    let ask = fixture.ask(Method::DELETE, &format!("blobs/{}", Digest::of(OBJECT.as_bytes())));
    for authorization in [None, Some(format!("Bearer {}", sidecar.token("stranger", &[])))] {
        assert_eq!(sidecar.send(&ask, authorization.as_deref()).await.status, 405);
    }
    let answer = prepare(sidecar, ask, 405).await;
    assert_eq!(answer.json()["errors"][0]["code"], "UNSUPPORTED");
    prepare(sidecar, Ask::get(format!("/{}/app", fixture.bucket)), 200).await;
}
