//! What nobody may be believed for, attached by the door of the registry to artifacts of a running service: it does not pass, the answer says
//! why, and a rule that lets only what is signed leave refuses the artifact at every door, until somebody who is trusted has signed it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use zas_proxy::config::{Config, TrustedRoot};
use zas_proxy::digest::Digest;
use zas_proxy::index::{NewTrustedSigner, TrustedSigner, TrustedSignerChange};
use zas_proxy::supply_chain::keys::KeyPair;
use zas_proxy::supply_chain::legacy::{Layer, Payload};
use zas_proxy::supply_chain::limits::BUNDLE_BYTES;
use zas_proxy::supply_chain::manifest::{Artifact, Descriptor, MANIFEST, append_legacy, bundle_referrer, legacy_tag};
use zas_proxy::supply_chain::statement::COSIGN_SIGN_V1;

use crate::ask::{Answer, Ask};
use crate::forger::{Attached, CASES, Case, Forger};
use crate::world::{HOST, Thing, World};

/// Whom the question takes signatures of: whoever counts for the service is enough.
const SIGNERS: [&str; 4] = ["key/vendor", "key/revoked", "key/expired", "key/later"];

/// Those who get nothing that is not signed.
const READERS: &str = "/readers";

/// A service that believes the vendor, and has a rule.
struct Service {
    world: World,
    forger: Forger,
    _root: tempfile::NamedTempFile,
}

impl Service {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (forger, root) = (Forger::new(), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(root.path(), forger.instance.trusted_root().to_string()).unwrap();
        let trusted = TrustedRoot { file: root.path().to_owned(), require_log: true, require_sct: true };
        let world = World::with(|config| {
            config.supply_chain.trusted_roots = vec![trusted];
            change(config);
        })
        .await;
        let service = Self { world, forger, _root: root };
        service.believe().await;
        let rules = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "*"},
            {"Sid": "OnlySigned", "Effect": "Deny", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "*",
                "Condition": {"Bool": {"zas:Signed": "false"}}}]});
        service.world.sidecar.attach("readers", &rules, READERS).await;
        service.world.sidecar.refresh().await;
        service
    }

    /// Believes the keys of the forger, each as it is called.
    async fn believe(&self) {
        let (now, forger) = (OffsetDateTime::now_utc(), &self.forger);
        self.add("vendor", &forger.vendor, None, None).await;
        self.add("revoked", &forger.revoked, None, None).await;
        self.add("expired", &forger.expired, None, Some(now - Duration::HOUR)).await;
        self.add("later", &forger.later, Some(now + Duration::DAY), None).await;
        let app = &self.world.sidecar.app;
        let revoked = TrustedSigner::Key(forger.revoked.public().fingerprint().hex());
        let change = TrustedSignerChange::Revoke("leaked".to_owned());
        app.index.change_trusted_signer("revoked", &revoked, &change, None, &[]).await.unwrap();
        app.trust.refresh(&app.index).await.unwrap();
    }

    async fn add(&self, name: &str, pair: &KeyPair, from: Option<OffsetDateTime>, to: Option<OffsetDateTime>) {
        let new = NewTrustedSigner {
            name,
            signer: &TrustedSigner::Key(pair.public().fingerprint().hex()),
            public_key: pair.public().der(),
            description: "",
            valid_from: from,
            valid_to: to,
            created_by: "test",
        };
        self.world.sidecar.app.index.add_trusted_signer(new, &[]).await.unwrap();
    }

    /// An artifact of each kind, that nothing is said of yet.
    async fn things(&self, number: usize) -> [Thing; 3] {
        let world = &self.world;
        [
            world.object(&format!("linux/{number}.tgz"), &format!("bytes of the tarball {number}")).await,
            world.object_in_parts(&format!("linux/{number}.iso"), &format!("bytes of the image {number}")).await,
            world.image(&format!("team/app{number}"), &format!("bytes of the layer {number}")).await,
        ]
    }

    async fn attach(&self, thing: &Thing, attached: &Attached) {
        let (made, tag) = match attached {
            Attached::Bundle(bytes) => {
                let subject = Descriptor { digest: thing.digest, size: 1, ..Descriptor::of(MANIFEST, b"") };
                (bundle_referrer(&subject, bytes, COSIGN_SIGN_V1, OffsetDateTime::now_utc()).unwrap(), None)
            }
            Attached::Legacy(layer) => (append_legacy(None, layer).unwrap(), Some(legacy_tag(&thing.digest, "sig"))),
        };
        self.push(thing, &made, tag).await;
    }

    async fn push(&self, thing: &Thing, made: &Artifact, tag: Option<String>) {
        for blob in &made.blobs {
            self.world.push_blob(&thing.repository, std::str::from_utf8(blob).unwrap()).await;
        }
        let manifest: Value = serde_json::from_slice(&made.manifest).unwrap();
        let reference = tag.unwrap_or_else(|| Digest::of(manifest.to_string().as_bytes()).to_string());
        self.world.push_manifest(&thing.repository, &reference, &manifest).await;
    }

    async fn verify(&self, thing: &Thing) -> Value {
        let question = json!({"artifact": thing.name, "signers": SIGNERS});
        self.world.post("/artifacts/verify", &question).await.expect(200).json()
    }

    /// What readers get of a thing, at each door that it has and by each name.
    async fn read(&self, thing: &Thing) -> Vec<Answer> {
        let mut answers = Vec::new();
        for path in paths(thing) {
            answers.push(self.world.send_as("reader", READERS, Ask::get(path)).await);
        }
        answers
    }

    async fn is_kept(&self, what: &str, thing: &Thing) {
        for answer in self.read(thing).await {
            assert_eq!(answer.status, 403, "{what}: {}", answer.body);
            assert!(answer.body.contains("readers#OnlySigned"), "{what}: {}", answer.body);
        }
    }

    async fn does_not_pass(&self, case: &Case, thing: &Thing) {
        let what = format!("{}: {}", case.name, thing.name);
        let attached = (case.make)(&self.forger, thing);
        self.attach(thing, &attached).await;
        let verified = self.verify(thing).await;
        assert_eq!(verified["verdict"]["passed"], json!(false), "{what}: {verified:#}");
        assert!(reasons(&verified).contains(&"no_evidence"), "{what}: {verified:#}");
        assert_eq!(verified["left_out"], json!([]), "{what}");
        let [piece] = verified["evidence"].as_array().unwrap().as_slice() else { panic!("{what}: {verified:#}") };
        assert_eq!(piece["digest"], json!(attached.digest().to_string()), "{what}");
        assert_eq!(piece["code"].as_str(), case.refusal, "{what}: {piece}");
        assert_eq!(piece["verified"], json!(case.refusal.is_none()), "{what}: {piece}");
        assert_eq!(
            piece["reason"].as_str().is_some_and(|text| !text.is_empty()),
            case.refusal.is_some(),
            "{what}: {piece}"
        );
        self.is_kept(&what, thing).await;
    }

    /// It was a signature that was wanting, and what is bad takes nothing away from a good one.
    async fn passes_once_it_is_signed(&self, case: &Case, thing: &Thing) {
        let what = format!("{}: {}", case.name, thing.name);
        self.attach(thing, &self.forger.good(thing)).await;
        let verified = self.verify(thing).await;
        assert_eq!(verified["verdict"]["passed"], json!(true), "{what}: {verified:#}");
        assert_eq!(verified["verdict"]["rules"][0]["evidence"][0]["signer"], json!("key/vendor"), "{what}");
        for answer in self.read(thing).await {
            assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        }
    }
}

/// Where clients find a thing: an object at both doors, a manifest by tag and by digest.
fn paths(thing: &Thing) -> [String; 2] {
    let by_digest = format!("/v2/{}/manifests/{}", thing.repository, thing.digest);
    match thing.name.strip_prefix("s3://") {
        Some(path) => [format!("/{path}"), by_digest],
        None => [format!("/v2/{}/manifests/v1", thing.repository), by_digest],
    }
}

/// The codes of the reasons why the one rule is not met.
fn reasons(verified: &Value) -> Vec<&str> {
    let reasons = verified["verdict"]["rules"][0]["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_forged_passes_or_leaves_and_the_answer_says_why() {
    let service = Service::new().await;
    for (number, case) in CASES.iter().enumerate() {
        for thing in service.things(number).await {
            service.does_not_pass(case, &thing).await;
            service.passes_once_it_is_signed(case, &thing).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_forgeries_together_do_not_pass_either() {
    let service = Service::new().await;
    for thing in service.things(0).await {
        let attached: Vec<Attached> = CASES.iter().map(|case| (case.make)(&service.forger, &thing)).collect();
        for one in &attached {
            service.attach(&thing, one).await;
        }
        let verified = service.verify(&thing).await;
        assert_eq!(verified["verdict"]["passed"], json!(false), "{verified:#}");
        // Of those under the tag the last is there: a client that does not add to a list writes it anew.
        let bundles = attached.iter().filter(|one| matches!(one, Attached::Bundle(_))).count();
        assert!(verified["evidence"].as_array().unwrap().len() > bundles, "{verified:#}");
        service.is_kept("all of them", &thing).await;
    }
}

/// It names the host for which it was made: that of a registry of which nobody has said where it is could be any.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_signature_of_any_registry_is_none_where_nobody_has_said_which_registry_this_is() {
    for (external_url, refusal) in [(Some(format!("https://{HOST}")), None), (None, Some("other_repository"))] {
        let service = Service::with(|config| config.listen.external_url = external_url).await;
        for thing in service.things(0).await {
            let reference = format!("{HOST}/{}", thing.repository);
            let payload = Payload { reference, digest: thing.digest, annotations: BTreeMap::new() }.to_bytes().unwrap();
            let signature = service.forger.vendor.sign(&payload).unwrap();
            service.attach(&thing, &Attached::Legacy(Layer::signed(payload, &signature))).await;
            let verified = service.verify(&thing).await;
            assert_eq!(verified["verdict"]["passed"], json!(refusal.is_none()), "{verified:#}");
            assert_eq!(verified["evidence"][0]["code"].as_str(), refusal, "{verified:#}");
            for answer in service.read(&thing).await {
                assert_eq!(answer.status, if refusal.is_none() { 200 } else { 403 }, "{}", answer.body);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_longer_than_what_is_read_is_left_out_and_counts_for_nothing() {
    let service = Service::new().await;
    let thing = service.world.object("linux/app.tgz", "bytes of a tarball").await;
    let Attached::Bundle(mut bytes) = service.forger.good(&thing) else { panic!("a bundle") };
    bytes.resize(BUNDLE_BYTES + 1, b' ');
    service.attach(&thing, &Attached::Bundle(bytes)).await;
    let verified = service.verify(&thing).await;
    assert_eq!(verified["verdict"]["passed"], json!(false), "{verified:#}");
    assert_eq!((&verified["evidence"], &verified["left_out"][0]["why"]), (&json!([]), &json!("too_large")));
    service.is_kept("a bundle that is too long", &thing).await;
}
