//! Downloads that depend on verdicts, at both doors.

use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, Ask};
use super::world::{OBJECT, World, why};

/// Whoever reads what passes `release`, and nothing else.
const READERS: &str = "/readers";

const BY_S3: &str = "/releases/linux/app.tgz";

/// The same object and its manifest at the other door.
const BY_OCI: &str = "/v2/s3/releases/linux/manifests/app.tgz";

impl World {
    /// Lets readers read everything, but what has no verdict of `release` that counts.
    async fn only_what_passes(&self) {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "*"},
            {"Sid": "Copy", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::releases/copies/*"},
            {"Sid": "Released", "Effect": "Deny", "Action": ["s3:GetObject", "oci:Pull"],
                "Resource": ["arn:aws:s3:::releases/linux/*", "arn:zas:oci:::team/app"],
                "Condition": {"ForAllValues:StringNotEquals": {"zas:PassedPolicies": "release"}}}]});
        self.sidecar.attach("readers", &document, READERS).await;
        self.sidecar.refresh().await;
    }

    async fn as_reader(&self, ask: Ask) -> Answer {
        let token = format!("Bearer {}", self.sidecar.token("reader", &[READERS]));
        self.sidecar.send(&ask, Some(&token)).await
    }

    /// The statuses of an object's GET, HEAD and copy, and of its manifest.
    async fn at_both_doors(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for ask in [
            Ask::get(BY_S3),
            Ask::new(Method::HEAD, BY_S3),
            Ask::put("/releases/copies/app.tgz").header("x-amz-copy-source", BY_S3),
            Ask::get(BY_OCI),
        ] {
            statuses.push(self.as_reader(ask).await.status);
        }
        statuses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_kept_back_until_it_passes_and_once_its_verdict_counts_no_longer() {
    let world = World::new().await;
    world.only_what_passes().await;
    world.signed_by_release().await;
    assert_eq!(world.at_both_doors().await, [403, 403, 403, 403], "without a verdict");
    let refused = world.as_reader(Ask::get(BY_S3)).await;
    for part in ["readers#Released", "no verdict counts", "/-/api/v1/artifacts/verify"] {
        assert!(refused.element("Message").contains(part), "{}", refused.body);
    }
    world.verify(OBJECT).await;
    assert_eq!(world.at_both_doors().await, [403, 403, 403, 403], "by a verdict that it does not pass");
    let signed = world.sign(OBJECT).await;
    assert_eq!(world.at_both_doors().await, [403, 403, 403, 403], "signed, and nobody has verified that");
    world.verify(OBJECT).await;
    assert_eq!(world.at_both_doors().await, [200, 200, 200, 200], "passed");
    world.attest(OBJECT, "https://acme.example/review/v1", json!({"approved": false})).await;
    assert_eq!(world.at_both_doors().await, [200, 200, 200, 200], "what is attached takes nothing away");

    world.policy(json!([{"name": "tested", "tests": {"signers": ["signing-key/reports"]}}])).await;
    assert_eq!(world.at_both_doors().await, [403, 403, 403, 403], "the policy is another");
    let refused = world.as_reader(Ask::get(BY_S3)).await;
    assert!(refused.element("Message").contains("verdicts of release count no longer"), "{}", refused.body);
    world.signed_by_release().await;
    assert_eq!(world.at_both_doors().await, [200, 200, 200, 200], "the policy is the one before");
    let path =
        format!("/artifacts/attestations/{}?artifact={OBJECT}", signed["signatures"][0]["digest"].as_str().unwrap());
    world.ask(Method::DELETE, &path, &Value::Null).await.expect(204);
    assert_eq!(world.at_both_doors().await, [403, 403, 403, 403], "what it rests on was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_once_it_passes_and_not_once_its_signer_is_believed_no_more() {
    let world = World::new().await;
    world.only_what_passes().await;
    world.signed_by_release().await;
    let image = world.push_image().await;
    let digest = image.rsplit_once('@').unwrap().1;
    let pulled = async || {
        let mut statuses = Vec::new();
        for reference in ["v1", digest] {
            statuses.push(world.as_reader(Ask::get(format!("/v2/team/app/manifests/{reference}"))).await.status);
        }
        statuses
    };
    assert_eq!(pulled().await, [403, 403], "without a verdict");
    world.sign(&image).await;
    world.verify(&image).await;
    assert_eq!(pulled().await, [200, 200], "passed");
    world.post("/signing-keys/release/generations/1/revoke", &json!({"reason": "stolen"}), 200).await;
    assert_eq!(pulled().await, [403, 403], "its signer is believed no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contains_a_licence_that_may_not_be_is_kept_back() {
    let world = World::new().await;
    world.only_what_passes().await;
    world
        .policy(json!([{"name": "licences", "sbom": {"signers": ["signing-key/reports"], "licences": {"deny": ["GPL-*"]}}}]))
        .await;
    world.put_object("releases/linux/free.tgz", "another application").await;
    let free = "s3://releases/linux/free.tgz";
    for (artifact, licence) in [(OBJECT, "GPL-3.0-only"), (free, "MIT")] {
        let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
            {"type": "library", "name": "a", "version": "1", "purl": "pkg:npm/a@1", "licenses": [{"expression": licence}]}]});
        world.attest(artifact, "https://cyclonedx.org/bom", sbom).await;
    }
    let verified = world.verify(OBJECT).await;
    assert_eq!(verified["verdict"]["passed"], json!(false));
    assert!(why(&verified).contains(&"licence"), "{verified}");
    let refused = world.as_reader(Ask::get(BY_S3)).await.expect(403);
    assert!(refused.element("Message").contains("readers#Released"), "{}", refused.body);
    assert_eq!(world.verify(free).await["verdict"]["passed"], json!(true));
    world.as_reader(Ask::get("/releases/linux/free.tgz")).await.expect(200);
}
