//! What the tests share: a sidecar with keys of every usage, an object, and what is done to it by REST.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use zas_policy::Action;
use zas_proxy::authz::Permit;
use zas_proxy::config::Config;
use zas_proxy::digest::Digest;
use zas_proxy::supply_chain::artifact::{Artifact, ArtifactRef, resolve};
use zas_proxy::supply_chain::manifest::MANIFEST;
use zas_proxy::supply_chain::verification::Upkeep;

use super::ask::{Answer, Ask};
use super::sidecar::Sidecar;

pub(crate) const API: &str = "/-/api/v1";
pub(crate) const OBJECT: &str = "s3://releases/linux/app.tgz";

/// Whoever puts what there is.
const PUTTERS: &str = "/putters";

pub(crate) struct World {
    pub(crate) sidecar: Sidecar,
    putter: String,
}

impl World {
    /// With the keys `release`, `reports` and `verdicts`, the last of which signs verdicts, and with the object [`OBJECT`].
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let sidecar = Sidecar::start(|config: &mut Config| {
            config.supply_chain.verdict_key = Some("verdicts".to_owned());
            config.supply_chain.refresh_verdicts = false;
            config.listen.external_url = Some("https://registry.example".to_owned());
            change(config);
        })
        .await;
        sidecar
            .attach("putters", &json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}), PUTTERS)
            .await;
        sidecar.refresh().await;
        let putter = format!("Bearer {}", sidecar.token("putter", &[PUTTERS]));
        let world = Self { sidecar, putter };
        for (name, usage) in [("release", "release"), ("reports", "report"), ("verdicts", "verdict")] {
            world.post("/signing-keys", &json!({"name": name, "usage": usage}), 201).await;
        }
        world.post("/buckets", &json!({"name": "releases"}), 201).await;
        world.put_object("releases/linux/app.tgz", "the application").await;
        world
    }

    pub(crate) async fn put_object(&self, path: &str, bytes: &str) {
        self.as_putter(&Ask::put(format!("/{path}")).body(bytes)).await.expect(200);
    }

    /// Pushes an image to `team/app`; its name, by its digest.
    pub(crate) async fn push_image(&self) -> String {
        let config = Digest::of(b"{}");
        let blob = Ask::post(format!("/v2/team/app/blobs/uploads/?digest={config}")).body("{}");
        self.as_putter(&blob).await.expect(201);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {"mediaType": "application/json", "digest": config.to_string(), "size": 2}});
        let put = Ask::put("/v2/team/app/manifests/v1").header("content-type", MANIFEST).body(manifest.to_string());
        let pushed = self.as_putter(&put).await.expect(201);
        format!("oci://team/app@{}", pushed.header("docker-content-digest"))
    }

    pub(crate) async fn as_putter(&self, ask: &Ask) -> Answer {
        self.sidecar.send(ask, Some(&self.putter)).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let mut ask = Ask::new(method, format!("{API}{path}"));
        if !body.is_null() {
            ask = ask.json(body);
        }
        self.sidecar.as_root(&ask).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, &Value::Null).await.expect(200).json()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        let answer = self.ask(Method::POST, path, body).await.expect(status);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Puts the policy `release` with these rules, for all artifacts.
    pub(crate) async fn policy(&self, rules: Value) {
        let body = json!({"document": {"scope": ["s3://*", "oci://*"], "rules": rules}});
        self.ask(Method::PUT, "/verification-policies/release", &body).await.expect(200);
    }

    /// The policy `release`: it must be signed with the key for releases.
    pub(crate) async fn signed_by_release(&self) {
        self.policy(json!([{"name": "signed", "signatures": {"signers": ["signing-key/release"]}}])).await;
    }

    /// Has an artifact signed with the key for releases.
    pub(crate) async fn sign(&self, artifact: &str) -> Value {
        self.post("/artifacts/sign", &json!({"artifact": artifact, "key": "release"}), 201).await
    }

    /// Has an artifact attested with the key for reports.
    pub(crate) async fn attest(&self, artifact: &str, kind: &str, predicate: Value) {
        let body = json!({"artifact": artifact, "key": "reports", "predicate_type": kind, "predicate": predicate});
        self.post("/artifacts/attest", &body, 201).await;
    }

    /// Holds an artifact against the policy `release`.
    pub(crate) async fn verify(&self, artifact: &str) -> Value {
        self.post("/artifacts/verify", &json!({"artifact": artifact, "policy": "release"}), 200).await
    }

    /// What is attached to an artifact, besides verdicts of the service.
    pub(crate) async fn attached(&self, artifact: &str) -> Vec<Value> {
        let listed = self.get(&format!("/artifacts/referrers?artifact={artifact}")).await;
        listed["referrers"].as_array().unwrap().clone()
    }

    /// The policies that gates see it pass.
    pub(crate) async fn passed(&self, artifact: &str) -> Vec<String> {
        let artifact = self.resolved(artifact).await;
        let app = &self.sidecar.app;
        let as_of = app.evidence.as_of(time::OffsetDateTime::now_utc());
        let key = artifact.object.as_ref().map_or("", |object| object.key.as_str());
        app.index.passed_policies(&artifact.scope(), key, &artifact.digest, as_of).await.unwrap().current
    }

    /// Makes one verdict anew that has lapsed; whether there was one.
    pub(crate) async fn refresh(&self) -> bool {
        Upkeep::new(self.sidecar.app.clone()).refresh_one().await.unwrap()
    }

    pub(crate) async fn resolved(&self, artifact: &str) -> Artifact {
        let reference: ArtifactRef = artifact.parse().unwrap();
        resolve(&self.sidecar.app, &self.permit(&reference, Action::Verify), &reference).await.unwrap()
    }

    pub(crate) fn permit(&self, reference: &ArtifactRef, action: Action) -> Permit {
        self.sidecar.app.authority.itself("test", action, reference.resource())
    }
}

/// Waits until somebody in the background has made it so.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// The codes of the reasons why the first rule is not met.
pub(crate) fn why(verified: &Value) -> Vec<&str> {
    let reasons = verified["verdict"]["rules"][0]["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}
