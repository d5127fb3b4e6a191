//! A sidecar with artifacts to sign, and its management API.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::config::Config;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::bundle;
use zas_proxy::supply_chain::keys::PublicKey;
use zas_proxy::supply_chain::legacy::Layer;
use zas_proxy::supply_chain::manifest::legacy_tag;
use zas_proxy::supply_chain::verify::Verifier;

use crate::ask::{Answer, Ask};
use crate::sidecar::Sidecar;
use crate::support::{believing, trusted};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How clients reach the registry, as its configuration says.
pub(crate) const HOST: &str = "store.example:8443";

/// A part of the management API.
pub(crate) const API: &str = "/-/api/v1";

/// A sidecar with the bucket `releases`, the keys `release` and `reports`, and somebody who may do everything.
pub(crate) struct World {
    pub(crate) sidecar: Sidecar,
}

/// Something to sign: its name, the digest of its manifest, and the repository that clients verify it in.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) repository: String,
    /// Of its bytes, where it is an object.
    pub(crate) content: Option<Digest>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        // What is counted before is lost.
        zas_proxy::telemetry::metrics();
        let sidecar = Sidecar::start(|config| {
            config.listen.external_url = Some(format!("https://{HOST}"));
            change(config);
        });
        let world = Self { sidecar: sidecar.await };
        let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        world.sidecar.attach("everything", &everything, "/all").await;
        world.sidecar.refresh().await;
        world.post("/buckets", &json!({"name": "releases"})).await.expect(201);
        world.post("/signing-keys", &json!({"name": "release", "usage": "release"})).await.expect(201);
        world.post("/signing-keys", &json!({"name": "reports", "usage": "report"})).await.expect(201);
        world
    }

    /// Sends a request of somebody who may do everything.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        self.send_as("maker", "/all", ask).await
    }

    /// Sends a request of somebody of a group.
    pub(crate) async fn send_as(&self, user: &str, group: &str, ask: Ask) -> Answer {
        let token = format!("Bearer {}", self.sidecar.token(user, &[group]));
        self.sidecar.send(&ask, Some(&token)).await
    }

    /// Asks the management API, with a body where there is one.
    pub(crate) async fn api(&self, method: Method, path: &str, body: &Value) -> Answer {
        let ask = Ask::new(method, format!("{API}{path}"));
        self.send(if body.is_null() { ask } else { ask.json(body) }).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.api(Method::GET, path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.api(Method::POST, path, body).await
    }

    /// Lets a group do these things, and nothing else.
    pub(crate) async fn allow(&self, group: &str, statements: &[(&str, &str)]) {
        let statements: Vec<Value> = statements
            .iter()
            .map(|(action, resource)| json!({"Effect": "Allow", "Action": action, "Resource": resource}))
            .collect();
        self.sidecar.attach(&group.replace('/', ""), &json!({ "Statement": statements }), group).await;
        self.sidecar.refresh().await;
    }

    /// Puts an object.
    pub(crate) async fn object(&self, key: &str, bytes: &str) -> Thing {
        let put = self.send(Ask::put(format!("/releases/{key}")).body(bytes)).await.expect(200);
        self.thing(key, bytes, put.header("x-zas-oci-digest").parse().unwrap())
    }

    /// Puts an object in parts, and waits until its digest is there.
    pub(crate) async fn object_in_parts(&self, key: &str, bytes: &str) -> Thing {
        self.send_in_parts(key, bytes).await;
        for _ in 0..600 {
            let head = self.send(Ask::new(Method::HEAD, format!("/releases/{key}"))).await;
            if let Some(digest) = head.headers.get("x-zas-oci-digest") {
                return self.thing(key, bytes, digest.to_str().unwrap().parse().unwrap());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the digest of {key} does not come");
    }

    pub(crate) async fn send_in_parts(&self, key: &str, bytes: &str) {
        let path = format!("/releases/{key}");
        let begun = self.send(Ask::post(format!("{path}?uploads="))).await.expect(200);
        let id = begun.element("UploadId");
        let part = Ask::put(format!("{path}?partNumber=1&uploadId={id}")).body(bytes);
        let etag = self.send(part).await.expect(200).header("etag").to_owned();
        let parts = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        self.send(Ask::post(format!("{path}?uploadId={id}")).body(parts)).await.expect(200);
    }

    fn thing(&self, key: &str, bytes: &str, digest: Digest) -> Thing {
        let content = Some(Digest::of(bytes.as_bytes()));
        Thing { name: format!("s3://releases/{key}"), digest, repository: "s3/releases".to_owned(), content }
    }

    /// Pushes an image of one layer.
    pub(crate) async fn image(&self, repository: &str, bytes: &str) -> Thing {
        for blob in ["{}", bytes] {
            self.push_blob(repository, blob).await;
        }
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor("application/json", "{}"),
            "layers": [descriptor("application/octet-stream", bytes)]});
        let digest = self.push_manifest(repository, "v1", &document).await;
        Thing { name: format!("oci://{repository}:v1"), digest, repository: repository.to_owned(), content: None }
    }

    pub(crate) async fn push_blob(&self, repository: &str, bytes: &str) {
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", Digest::of(bytes.as_bytes()));
        self.send(Ask::post(path).body(bytes)).await.expect(201);
    }

    pub(crate) async fn push_manifest(&self, repository: &str, reference: &str, document: &Value) -> Digest {
        let text = document.to_string();
        let digest = Digest::of(text.as_bytes());
        let ask =
            Ask::put(format!("/v2/{repository}/manifests/{reference}")).header("content-type", MANIFEST).body(text);
        self.send(ask).await.expect(201);
        digest
    }

    /// One artifact of each kind: an object, an object that came in parts, an image.
    pub(crate) async fn things(&self) -> [Thing; 3] {
        [
            self.object("linux/app.tgz", "bytes of a tarball").await,
            self.object_in_parts("linux/app.iso", "bytes that came in parts").await,
            self.image("team/app", "bytes of a layer").await,
        ]
    }

    pub(crate) async fn sign(&self, thing: &Thing, more: Value) -> Answer {
        let mut body = json!({"artifact": thing.name, "key": "release"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.post("/artifacts/sign", &body).await
    }

    pub(crate) async fn attest(&self, thing: &Thing, more: Value) -> Answer {
        let mut body = json!({"artifact": thing.name});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.post("/artifacts/attest", &body).await
    }

    /// Leaves what cosign 2 leaves when a vendor signs: an image under a tag, that says nothing of a subject.
    pub(crate) async fn signed_by_a_vendor(&self, thing: &Thing) {
        for blob in ["{}", "{\"critical\":{}}"] {
            self.push_blob(&thing.repository, blob).await;
        }
        let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", "{\"critical\":{}}");
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "AAAA"});
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", "{}"), "layers": [layer]});
        self.push_manifest(&thing.repository, &legacy_tag(&thing.digest, "sig"), &document).await;
    }

    /// How many bundles are attached.
    pub(crate) async fn bundles(&self, thing: &Thing) -> usize {
        let is_bundle = |found: &&Value| found["artifact_type"] == json!(bundle::MEDIA_TYPE);
        self.referrers(thing, "").await.iter().filter(is_bundle).count()
    }

    /// What is attached; `query` begins with `&`.
    pub(crate) async fn referrers(&self, thing: &Thing, query: &str) -> Vec<Value> {
        let found = self.get(&format!("/artifacts/referrers?artifact={}{query}", thing.name)).await.expect(200).json();
        found["referrers"].as_array().unwrap().clone()
    }

    /// Something that is attached.
    pub(crate) async fn document(&self, thing: &Thing, digest: &str) -> Answer {
        self.get(&format!("/artifacts/attestations/{digest}?artifact={}", thing.name)).await
    }

    /// Somebody who believes this signing key, as it is published, and nobody else.
    pub(crate) async fn believer(&self, key: &str) -> Verifier {
        let pem = self.get(&format!("/signing-keys/{key}/public-key")).await.expect(200).body;
        believing(vec![trusted(key, &PublicKey::from_pem(&pem).unwrap())])
    }

    /// What older clients find under the tag of an artifact, as they read it from the registry.
    pub(crate) async fn legacy_layers(&self, thing: &Thing, suffix: &str) -> Vec<Layer> {
        let base = format!("/v2/{}", thing.repository);
        let tag = format!("{}.{suffix}", thing.digest.to_string().replace(':', "-"));
        let manifest = self.send(Ask::get(format!("{base}/manifests/{tag}"))).await;
        if manifest.status == 404 {
            return Vec::new();
        }
        let manifest = manifest.expect(200).json();
        let mut layers = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let blob =
                self.send(Ask::get(format!("{base}/blobs/{}", layer["digest"].as_str().unwrap()))).await.expect(200);
            layers.push(Layer {
                media_type: layer["mediaType"].as_str().unwrap().to_owned(),
                bytes: blob.body.into_bytes(),
                annotations: serde_json::from_value(layer["annotations"].clone()).unwrap_or_default(),
            });
        }
        layers
    }
}

/// A descriptor of such bytes.
pub(crate) fn descriptor(media_type: &str, bytes: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes.as_bytes()).to_string(), "size": bytes.len()})
}
