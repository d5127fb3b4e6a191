//! A sidecar with a bucket and a repository named `prod`, people who may read or do everything there, and keys that sign.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use zas_proxy::config::{AuditReads, Config};
use zas_proxy::digest::Digest;
use zas_proxy::index::{NewTrustedSigner, TrustedSigner, TrustedSignerChange};
use zas_proxy::supply_chain::bundle::{Bundle, Content};
use zas_proxy::supply_chain::dsse::{Envelope, IN_TOTO, pae};
use zas_proxy::supply_chain::keys::{Algorithm, KeyPair};
use zas_proxy::supply_chain::manifest::{Artifact, Descriptor, MANIFEST, bundle_referrer, document_referrer};
use zas_proxy::supply_chain::statement::{COSIGN_SIGN_V1, Statement, Subject};

use super::ask::{Answer, Ask, Client};
use super::sidecar::Sidecar;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const API: &str = "/-/api/v1";

/// Two components, one of which everybody has heard of.
pub(crate) const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79","components":[
    {"type":"library","bom-ref":"a","group":"org.apache.logging.log4j","name":"log4j-core","version":"2.14.1","purl":"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1","licenses":[{"license":{"id":"Apache-2.0"}}]},
    {"type":"library","bom-ref":"b","name":"lodash","version":"4.17.21","purl":"pkg:npm/lodash@4.17.21","licenses":[{"expression":"MIT"}]}]}"#;

/// Reads `prod`, but nothing that its rules are against.
pub(crate) const READER: &str = "/readers";

/// Does everything, whatever rules there are for readers.
pub(crate) const MAKER: &str = "/makers";

pub(crate) struct World {
    pub(crate) sidecar: Sidecar,
    /// The registry itself, past the sidecar.
    pub(crate) registry: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let sidecar = Sidecar::start(|config| {
            // A refusal is on record before it is answered.
            config.audit.reads = AuditReads::Strict;
            change(config);
        });
        let sidecar = sidecar.await;
        let registry = Client::new(sidecar.app.config.store.url.clone(), None);
        let world = Self { sidecar, registry };
        let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        world.sidecar.attach("makers", &everything, MAKER).await;
        world.rule(&json!([])).await;
        world.ask(MAKER, Ask::post(format!("{API}/buckets")).json(&json!({"name": "prod"}))).await.expect(201);
        world
    }

    /// Lets readers read `prod`, but for these statements.
    pub(crate) async fn rule(&self, rules: &Value) {
        let mut statements = vec![json!({"Sid": "Read", "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "oci:Pull", "supply:Get*", "supply:Search"], "Resource": "*"})];
        statements.extend(rules.as_array().cloned().unwrap_or_default());
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        self.sidecar.attach("readers", &document, READER).await;
        self.sidecar.refresh().await;
    }

    /// As somebody of a group.
    pub(crate) async fn ask(&self, group: &str, ask: Ask) -> Answer {
        let user = if group == READER { "reader" } else { "maker" };
        let token = format!("Bearer {}", self.sidecar.token(user, &[group]));
        self.sidecar.send(&ask, Some(&token)).await
    }

    /// Puts an object; the digest of its manifest.
    pub(crate) async fn put(&self, key: &str, bytes: &str) -> Digest {
        let put = self.ask(MAKER, Ask::put(format!("/prod/{key}")).body(bytes)).await.expect(200);
        put.header("x-zas-oci-digest").parse().unwrap()
    }

    /// Pushes an image of one layer to `prod/app`; what it is.
    pub(crate) async fn push(&self, tag: &str, note: &str) -> Descriptor {
        self.blob(MAKER, "prod/app", "{}").await;
        self.blob(MAKER, "prod/app", note).await;
        let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar", note.as_bytes());
        let config = Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        self.manifest("prod/app", tag, MANIFEST, &manifest.to_string()).await
    }

    pub(crate) async fn manifest(&self, name: &str, reference: &str, media_type: &str, text: &str) -> Descriptor {
        let ask = Ask::put(format!("/v2/{name}/manifests/{reference}")).header("content-type", media_type).body(text);
        self.ask(MAKER, ask).await.expect(201);
        Descriptor::of(media_type, text.as_bytes())
    }

    pub(crate) async fn blob(&self, group: &str, name: &str, text: &str) -> Digest {
        let digest = Digest::of(text.as_bytes());
        let target = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        self.ask(group, Ask::post(target).header("content-type", "application/octet-stream").body(text))
            .await
            .expect(201);
        digest
    }

    /// Pushes what refers to something, through the sidecar; its digest.
    pub(crate) async fn attach(&self, name: &str, made: &Artifact) -> Digest {
        for blob in &made.blobs {
            self.blob(MAKER, name, std::str::from_utf8(blob).unwrap()).await;
        }
        let digest = Digest::of(&made.manifest);
        let text = std::str::from_utf8(&made.manifest).unwrap();
        self.manifest(name, &digest.to_string(), MANIFEST, text).await.digest
    }

    /// The same past the sidecar.
    pub(crate) async fn attach_past(&self, name: &str, made: &Artifact) -> Digest {
        for blob in &made.blobs {
            let target = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(blob));
            let ask = Ask::post(target).header("content-type", "application/octet-stream");
            self.registry.send(&ask.body(std::str::from_utf8(blob).unwrap()), None).await.expect(201);
        }
        let digest = Digest::of(&made.manifest);
        let ask = Ask::put(format!("/v2/{name}/manifests/{digest}")).header("content-type", MANIFEST);
        self.registry.send(&ask.body(std::str::from_utf8(&made.manifest).unwrap()), None).await.expect(201);
        digest
    }

    /// Believes a new key under a name.
    pub(crate) async fn key(&self, name: &str) -> KeyPair {
        let pair = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let new = NewTrustedSigner {
            name,
            signer: &TrustedSigner::Key(pair.public().fingerprint().hex()),
            public_key: pair.public().der(),
            description: "",
            valid_from: None,
            valid_to: None,
            created_by: "test",
        };
        self.sidecar.app.index.add_trusted_signer(new, &[]).await.unwrap();
        self.sidecar.app.trust.refresh(&self.sidecar.app.index).await.unwrap();
        pair
    }

    /// Believes a key no more.
    pub(crate) async fn revoke(&self, name: &str, pair: &KeyPair) {
        let signer = TrustedSigner::Key(pair.public().fingerprint().hex());
        let change = TrustedSignerChange::Revoke(String::new());
        let index = &self.sidecar.app.index;
        index.change_trusted_signer(name, &signer, &change, None, &[]).await.unwrap();
        self.sidecar.app.trust.refresh(index).await.unwrap();
    }

    /// Waits until somebody in the background has made it so.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what}"));
    }
}

/// The manifest of an object, as what refers to it names it.
pub(crate) fn object(digest: &Digest) -> Descriptor {
    Descriptor { digest: *digest, size: 1, ..Descriptor::of(MANIFEST, b"") }
}

/// A signature of a key over an artifact.
pub(crate) fn signature(pair: &KeyPair, artifact: &Descriptor) -> Artifact {
    statement(pair, artifact, COSIGN_SIGN_V1, &json!({}))
}

/// What a key says of an artifact.
pub(crate) fn statement(pair: &KeyPair, artifact: &Descriptor, predicate_type: &str, predicate: &Value) -> Artifact {
    let statement = Statement::new(vec![Subject::new("app", &artifact.digest)], predicate_type, predicate).unwrap();
    let payload = statement.to_payload().unwrap();
    let signature = pair.sign(&pae(IN_TOTO, &payload)).unwrap();
    let envelope = Envelope { payload_type: IN_TOTO.to_owned(), payload, signature };
    let bundle = Bundle::keyed(pair.public(), Content::Envelope(envelope)).to_json().unwrap();
    bundle_referrer(artifact, &bundle, predicate_type, OffsetDateTime::now_utc()).unwrap()
}

/// A bill of materials as `oras attach` has it.
pub(crate) fn plain_sbom(artifact: &Descriptor) -> Artifact {
    document_referrer(artifact, "application/vnd.cyclonedx+json", SBOM.as_bytes(), "sbom.json").unwrap()
}

/// A statement that denies readers what a condition fits.
pub(crate) fn deny(sid: &str, condition: &Value) -> Value {
    json!({"Sid": sid, "Effect": "Deny", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "prod/*", "Condition": condition})
}

/// Nothing unsigned leaves.
pub(crate) fn only_signed() -> Value {
    json!([deny("OnlySigned", &json!({"Bool": {"zas:Signed": "false"}}))])
}

pub(crate) fn get(path: impl Into<String>) -> Ask {
    Ask::get(path)
}

pub(crate) fn head(path: impl Into<String>) -> Ask {
    Ask::new(Method::HEAD, path)
}
