//! The OCI door.

use http::Method;
use serde_json::json;
use zas_policy::{Action, Resource};
use zas_proxy::digest::Digest;
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Need, PREPARER, Says, Who, need};
use super::sidecar::Sidecar;

/// Of the two bytes `{}`.
const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A repository with the blob `{}`, the tag `v1` and an upload that has begun.
struct Fixture {
    name: String,
    upload: String,
}

impl Fixture {
    async fn make(sidecar: &Sidecar, name: &str) -> Self {
        let name = name.to_owned();
        let blob = Ask::post(format!("/v2/{name}/blobs/uploads/?digest={DIGEST}")).body("{}");
        prepare(sidecar, blob, 201).await;
        prepare(sidecar, manifest(Ask::put(format!("/v2/{name}/manifests/v1")), "one"), 201).await;
        let begun = prepare(sidecar, Ask::post(format!("/v2/{name}/blobs/uploads/")), 202).await;
        let upload = begun.header("location").rsplit('/').next().unwrap_or_default().to_owned();
        Self { name, upload }
    }

    fn needs(&self, action: Action) -> Vec<Need> {
        vec![need(action, Resource::repository(&*self.name))]
    }
}

pub(crate) async fn prepare(sidecar: &Sidecar, ask: Ask, status: u16) -> Answer {
    let token = format!("Bearer {}", sidecar.token("preparer", &[PREPARER]));
    sidecar.send(&ask, Some(&token)).await.expect(status)
}

/// Lets the preparer do everything.
pub(crate) async fn let_prepare(sidecar: &Sidecar) {
    let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    sidecar.attach("preparers", &everything, PREPARER).await;
    sidecar.refresh().await;
}

/// A request with a manifest; `note` tells manifests apart.
fn manifest(ask: Ask, note: &str) -> Ask {
    let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "annotations": {"note": note},
        "config": {"mediaType": "application/json", "digest": DIGEST, "size": 2}});
    ask.header("content-type", MANIFEST).body(document.to_string())
}

/// The same by its digest, with tags beside it.
fn tagged(fixture: &Fixture, note: &str, tags: &[&str]) -> Ask {
    let ask = manifest(Ask::put(String::new()), note);
    let tags: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let target = format!("/v2/{}/manifests/{}?{}", fixture.name, Digest::of(ask.body.as_bytes()), tags.join("&"));
    Ask { target, ..ask }
}

pub(crate) async fn cases(sidecar: &Sidecar) -> Vec<Case> {
    let_prepare(sidecar).await;
    let mut cases = of_the_service();
    for method in [Method::GET, Method::HEAD] {
        for (kind, template, path, action) in [
            ("tags", "/v2/{name}/tags/list", "tags/list".to_owned(), Action::ListTags),
            ("manifest", "/v2/{name}/manifests/{reference}", "manifests/v1".to_owned(), Action::Pull),
            ("blob", "/v2/{name}/blobs/{digest}", format!("blobs/{DIGEST}"), Action::Pull),
            ("referrers", "/v2/{name}/referrers/{digest}", format!("referrers/{DIGEST}"), Action::Pull),
        ] {
            let id = format!("oci-{kind}-{}", method.as_str().to_lowercase());
            let fixture = Fixture::make(sidecar, &format!("gate/{id}")).await;
            let ask = Ask::new(method.clone(), format!("/v2/{}/{path}", fixture.name));
            // The registry behind this test has no HEAD of lists, and says so.
            let success = if method == Method::HEAD && matches!(kind, "tags" | "referrers") { 405 } else { 200 };
            let operation = format!("{method} {template}");
            cases.push(Case::new(Door::Oci, &id, &operation, ask, &fixture.needs(action), success));
        }
    }
    cases.extend(of_content(sidecar).await);
    cases.extend(of_uploads(sidecar).await);
    let worthless = worthless_token(sidecar).await;
    for case in cases.iter_mut().filter(|case| !case.operation.ends_with(" /v2/")) {
        // The catalog is put together by the sidecar, of what the registry says.
        case.is_forwarded = true;
        let holder = Who::Holder { token: worthless.clone() };
        case.refused.push(Attempt::new(holder, Says::WhoAreYou, None));
    }
    cases
}

/// A token of the registry without a scope, of somebody who may do everything.
pub(crate) async fn worthless_token(sidecar: &Sidecar) -> String {
    let answer = prepare(sidecar, Ask::get("/-/token?service=zot-artifact-store"), 200).await.json();
    answer["token"].as_str().unwrap().to_owned()
}

fn of_the_service() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in [Method::GET, Method::HEAD] {
        let id = method.as_str().to_lowercase();
        let ask = |path: &str| Ask::new(method.clone(), path);
        let base =
            Case::for_the_known(Door::Oci, &format!("oci-base-{id}"), &format!("{method} /v2/"), ask("/v2/"), 200);
        let needs = [need(Action::Catalog, Resource::Service)];
        let catalog = format!("{method} /v2/_catalog");
        cases.extend([
            base,
            Case::new(Door::Oci, &format!("oci-catalog-{id}"), &catalog, ask("/v2/_catalog"), &needs, 200),
        ]);
    }
    cases
}

/// Putting and deleting of manifests and blobs.
async fn of_content(sidecar: &Sidecar) -> Vec<Case> {
    let put = "PUT /v2/{name}/manifests/{reference}";
    let fixture = Fixture::make(sidecar, "gate/put").await;
    let new = manifest(Ask::put(format!("/v2/{}/manifests/new", fixture.name)), "new");
    let added = Case::new(Door::Oci, "oci-put", put, new, &fixture.needs(Action::Push), 201);
    let fixture = Fixture::make(sidecar, "gate/move").await;
    let again = manifest(Ask::put(format!("/v2/{}/manifests/v1", fixture.name)), "another");
    let needs = [fixture.needs(Action::Push), fixture.needs(Action::UpdateTag)].concat();
    let mut moved = Case::new(Door::Oci, "oci-move", put, again, &needs, 201);
    // Whether the tag exists is asked of the registry, on behalf of somebody who may push.
    moved.refused.last_mut().unwrap().upstream = 1;
    let mut cases = vec![added, moved];
    cases.extend(of_tags_beside_a_digest(sidecar, put).await);
    for (id, template, path) in [
        ("delete-manifest", "/v2/{name}/manifests/{reference}", "manifests/v1".to_owned()),
        ("delete-blob", "/v2/{name}/blobs/{digest}", format!("blobs/{DIGEST}")),
    ] {
        let fixture = Fixture::make(sidecar, &format!("gate/{id}")).await;
        let ask = Ask::delete(format!("/v2/{}/{path}", fixture.name));
        let needs = fixture.needs(Action::Delete);
        cases.push(Case::new(Door::Oci, &format!("oci-{id}"), &format!("DELETE {template}"), ask, &needs, 202));
    }
    cases
}

/// What may not be done to a tag in the path may not be done to one in the query either.
async fn of_tags_beside_a_digest(sidecar: &Sidecar, put: &str) -> [Case; 2] {
    let fixture = Fixture::make(sidecar, "gate/put-tags").await;
    let new = tagged(&fixture, "new", &["next", "stable"]);
    let mut added = Case::new(Door::Oci, "oci-put-tags", put, new, &fixture.needs(Action::Push), 201);
    added.is_done = |answer| answer.headers.get_all("oci-tag").iter().count() == 2;
    let all_but_one_tag = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "oci:Push", "Resource": "*", "Condition": {"StringEquals": {"zas:Tag": "stable"}}},
    ]});
    let lacks_tag = Who::person("oci-put-tags-lacks-one", Some(all_but_one_tag));
    added.refused.push(Attempt::new(lacks_tag, Says::Denied, Some(Action::Push)));

    let fixture = Fixture::make(sidecar, "gate/move-tags").await;
    let again = tagged(&fixture, "another", &["next", "v1"]);
    let needs = [fixture.needs(Action::Push), fixture.needs(Action::UpdateTag)].concat();
    let mut moved = Case::new(Door::Oci, "oci-move-tags", put, again, &needs, 201);
    // Each tag is asked after, up to the one that is there.
    moved.refused.last_mut().unwrap().upstream = 2;
    [added, moved]
}

/// Whoever may not pull from where a blob is has to upload it.
async fn mount(sidecar: &Sidecar, operation: &str) -> Case {
    let (source, target) = (Fixture::make(sidecar, "gate/source").await, "gate/target");
    let ask = Ask::post(format!("/v2/{target}/blobs/uploads/?mount={DIGEST}&from={}", source.name.replace('/', "%2F")));
    let push = vec![need(Action::Push, Resource::repository(target))];
    let mut case = Case::new(Door::Oci, "oci-mount", operation, ask, &[push, source.needs(Action::Pull)].concat(), 201);
    let lacks_pull = case.refused.last_mut().unwrap();
    (lacks_pull.denied, lacks_pull.upstream) = (None, 1);
    lacks_pull.says = Says::This(202, |answer| answer.headers.contains_key("location"));
    case
}

async fn of_uploads(sidecar: &Sidecar) -> Vec<Case> {
    let fixture = Fixture::make(sidecar, "gate/start").await;
    let ask = Ask::post(format!("/v2/{}/blobs/uploads/", fixture.name));
    let needs = fixture.needs(Action::Push);
    let start = "POST /v2/{name}/blobs/uploads/";
    let mut cases = vec![Case::new(Door::Oci, "oci-start", start, ask, &needs, 202), mount(sidecar, start).await];
    for (method, query, body, success) in [
        (Method::GET, String::new(), "", 204),
        (Method::PATCH, String::new(), "{}", 202),
        (Method::PUT, format!("?digest={DIGEST}"), "{}", 201),
        (Method::DELETE, String::new(), "", 204),
    ] {
        let id = format!("oci-upload-{}", method.as_str().to_lowercase());
        let fixture = Fixture::make(sidecar, &format!("gate/{id}")).await;
        let operation = format!("{method} /v2/{{name}}/blobs/uploads/{{id}}");
        let ask = Ask::new(method, format!("/v2/{}/blobs/uploads/{}{query}", fixture.name, fixture.upload)).body(body);
        let needs = fixture.needs(Action::Push);
        cases.push(Case::new(Door::Oci, &id, &operation, ask, &needs, success));
    }
    cases
}
