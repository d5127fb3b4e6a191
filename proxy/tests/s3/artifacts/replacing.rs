//! Who may attach may not thereby take away: what the tags of older clients name is added to, or removed by those who may.

use http::Method;
use serde_json::{Value, json};
use zas_proxy::digest::Digest;
use zas_proxy::identity::Issued;

use super::rights::account;
use super::{Door, IMAGE, Reply, put};
use crate::support::World;

const BAD: &[u8] = b"a scan with findings";
const GOOD: &[u8] = b"an older scan without";
const CONFIG: &[u8] = b"{\"config\":1}";

/// Attestations as cosign wrote them before bundles.
fn attestations(envelopes: &[&[u8]]) -> String {
    let layer = |bytes: &&[u8]| {
        json!({"mediaType": "application/vnd.dsse.envelope.v1+json", "size": bytes.len(),
               "digest": Digest::of(bytes).to_string(), "annotations": {"predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1"}})
    };
    let layers: Vec<Value> = envelopes.iter().map(layer).collect();
    json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(CONFIG).to_string(), "size": CONFIG.len()},
    })
    .to_string()
}

/// An object with a bad scan under its tag; the path of that.
async fn scanned(world: &World, door: &Door) -> String {
    let subject = put(world, "app", "bytes").await;
    for blob in [CONFIG, BAD, GOOD] {
        door.push_blob("s3/bucket", blob).await;
    }
    let tag = format!("{}.att", subject.replace(':', "-"));
    door.put_manifest("s3/bucket", &tag, &attestations(&[BAD])).await.expect(201);
    format!("s3/bucket/manifests/{tag}")
}

async fn push(door: &Door, key: &Issued, path: &str, manifest: &str) -> Reply {
    let ask = door.ask(Method::PUT, path).header("content-type", IMAGE).body(manifest.to_owned());
    Reply::of(ask.basic_auth(&key.key.id, Some(key.secret.expose()))).await
}

async fn removals(world: &World) -> Vec<Value> {
    let query = "SELECT record FROM audit_event WHERE action = 'supply:DeleteAttestation' AND kind = 'operation'";
    let texts: Vec<String> = sqlx::query_scalar(query).fetch_all(&world.database.pool().unwrap()).await.unwrap();
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_attest_adds_to_a_tag_and_drops_nothing_from_it() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let key =
        account(&world, r#"{"Effect": "Allow", "Action": ["s3:GetObject", "supply:Attest"], "Resource": "*"}"#).await;
    let path = scanned(&world, &door).await;
    push(&door, &key, &path, &attestations(&[GOOD])).await.expect_error(403, "DENIED");
    push(&door, &key, &path, &attestations(&[GOOD, BAD])).await.expect_error(403, "DENIED");
    assert_eq!(door.get(&path).await.expect(200).body, attestations(&[BAD]));
    push(&door, &key, &path, &attestations(&[BAD, GOOD])).await.expect(201);
    assert_eq!(door.get(&path).await.expect(200).body, attestations(&[BAD, GOOD]));
    push(&door, &key, &path, &attestations(&[BAD])).await.expect_error(403, "DENIED");
    assert!(removals(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_delete_attestations_as_well_replaces_them_and_that_is_on_record() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let actions = r#"["supply:Attest", "supply:DeleteAttestation"]"#;
    let key = account(&world, &format!(r#"{{"Effect": "Allow", "Action": {actions}, "Resource": "*"}}"#)).await;
    let path = scanned(&world, &door).await;
    push(&door, &key, &path, &attestations(&[GOOD])).await.expect(201);
    assert_eq!(door.get(&path).await.expect(200).body, attestations(&[GOOD]));
    let removals = removals(&world).await;
    assert_eq!(removals.len(), 1, "{removals:?}");
    assert_eq!(removals[0]["digest"], Digest::of(attestations(&[BAD]).as_bytes()).to_string());
    assert_eq!(removals[0]["reference"], "app");
}
