//! Rules about artifacts, at both doors.

use serde_json::{Value, json};
use zas_proxy::config::{Builder, GateMode};
use zas_proxy::digest::Digest;
use zas_proxy::index::{SbomScope, ScopeKind};
use zas_proxy::supply_chain::manifest::{Descriptor, MANIFEST, document_referrer, legacy_tag};

use super::ask::{Answer, Ask};
use super::world::{
    API, INDEX, MAKER, READER, World, deny, get, head, object, only_signed, plain_sbom, signature, statement,
};

/// The statuses of an object's GET, HEAD and copy, of its manifest by tag, and of its layer.
pub(super) async fn at_both_doors(world: &World, key: &str, bytes: &str) -> Vec<u16> {
    let layer = zas_proxy::digest::Digest::of(bytes.as_bytes());
    let mut statuses = Vec::new();
    for ask in [
        get(format!("/prod/{key}")),
        head(format!("/prod/{key}")),
        get(format!("/v2/s3/prod/manifests/{key}")),
        get(format!("/v2/s3/prod/blobs/{layer}")),
    ] {
        statuses.push(world.ask(READER, ask).await.status);
    }
    statuses
}

fn message(answer: &Answer) -> String {
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unsigned_leaves_a_bucket_at_either_door_and_what_is_signed_does() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let digest = world.put("app", "bytes of the app").await;
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [200, 200, 200, 200], "without a rule");
    world.rule(&only_signed()).await;
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [403, 403, 403, 403], "unsigned");
    let refused = world.ask(READER, get("/prod/app")).await;
    assert_eq!(refused.element("Code"), "AccessDenied");
    for part in ["readers#OnlySigned", "sign it", &digest.to_string()] {
        assert!(refused.element("Message").contains(part), "{}", refused.body);
    }
    let denied = world.sidecar.records(refused.header("x-request-id")).await;
    assert!(denied.iter().any(|record| record["kind"] == "denial" && record["error"] == "gate_not_met"), "{denied:?}");

    world.attach("s3/prod", &signature(&pair, &object(&digest))).await;
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [200, 200, 200, 200], "signed");
    world.put("app", "other bytes").await;
    assert_eq!(at_both_doors(&world, "app", "other bytes").await, [403, 403, 403, 403], "other bytes");
    world.put("app", "bytes of the app").await;
    assert_eq!(world.ask(READER, get("/prod/app")).await.status, 200, "the same bytes keep their signature");
    world.revoke("ci", &pair).await;
    assert_eq!(at_both_doors(&world, "app", "bytes of the app").await, [403, 403, 403, 403], "a key that was revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_an_object_that_is_kept_back_are_had_through_nothing_that_names_them() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let (kept, bytes) = (world.put("linux/app", "bytes of the app").await, b"bytes of the app");
    let other = world.put("notes", "notes").await;
    world.attach("s3/prod", &signature(&pair, &object(&other))).await;
    world.rule(&only_signed()).await;
    // Whoever may read it names its bytes as what they are not: beside itself, and beside an object that may leave.
    let mut naming = Vec::new();
    for subject in [&kept, &other] {
        let named = document_referrer(&object(subject), "application/vnd.cyclonedx+json", bytes, "sbom.json").unwrap();
        let (text, digest) = (std::str::from_utf8(&named.manifest).unwrap(), Digest::of(&named.manifest));
        world.manifest("s3/prod", &digest.to_string(), MANIFEST, text).await;
        world.ask(READER, get(format!("/v2/s3/prod/manifests/{digest}"))).await.expect(200);
        naming.push(digest);
    }
    let by_rest =
        |digest: &Digest, key: &str| get(format!("{API}/artifacts/attestations/{digest}?artifact=s3://prod/{key}"));
    let ways = || {
        let blob = |folder: &str| get(format!("/v2/s3/prod{folder}/blobs/{}", Digest::of(bytes)));
        let blobs = ["", "/linux", "/elsewhere"].map(blob).into_iter();
        blobs.chain([by_rest(&naming[0], "linux/app"), by_rest(&naming[1], "notes")])
    };
    for way in ways() {
        let path = format!("{way:?}");
        let answer = world.ask(READER, way).await;
        assert!(answer.status == 403 && !answer.body.contains("bytes of the app"), "{path}: {}", answer.body);
        assert!(answer.body.contains("readers#OnlySigned"), "{path}: {}", answer.body);
    }
    world.ask(MAKER, get(format!("/v2/s3/prod/elsewhere/blobs/{}", Digest::of(bytes)))).await.expect(200);
    let signed = signature(&pair, &object(&kept));
    world.attach("s3/prod", &signed).await;
    for blob in &signed.blobs {
        world.ask(READER, get(format!("/v2/s3/prod/elsewhere/blobs/{}", Digest::of(blob)))).await.expect(200);
    }
    for way in ways() {
        world.ask(READER, way).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_may_not_be_copied() {
    let world = World::new().await;
    let digest = world.put("app", "bytes").await;
    let write = json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "prod/copies/*"});
    let mut rules = only_signed();
    rules.as_array_mut().unwrap().push(write);
    world.rule(&rules).await;
    let copy = || Ask::put("/prod/copies/app").header("x-amz-copy-source", "/prod/app");
    let refused = world.ask(READER, copy()).await.expect(403);
    assert!(refused.element("Message").contains("readers#OnlySigned"), "{}", refused.body);
    let pair = world.key("ci").await;
    world.attach("s3/prod", &signature(&pair, &object(&digest))).await;
    world.ask(READER, copy()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unsigned_is_pulled_and_what_says_so_stays_readable() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let image = world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    for reference in ["v1", &image.digest.to_string()] {
        for ask in [get, head] as [fn(String) -> Ask; 2] {
            let answer = world.ask(READER, ask(format!("/v2/prod/app/manifests/{reference}"))).await;
            assert_eq!(answer.status, 403, "{reference}");
        }
    }
    let refused = world.ask(READER, get("/v2/prod/app/manifests/v1")).await;
    assert!(message(&refused).contains("readers#OnlySigned"), "{}", refused.body);
    let missing = world.ask(READER, get("/v2/prod/app/manifests/none")).await;
    assert_eq!((missing.status, missing.json()["errors"][0]["code"].as_str()), (404, Some("MANIFEST_UNKNOWN")));

    // What is said of it must be readable, for else nobody could sign it: the list, and what is in it.
    let sbom = world.attach("prod/app", &plain_sbom(&image)).await;
    let list = world.ask(READER, get(format!("/v2/prod/app/referrers/{}", image.digest))).await.expect(200);
    assert_eq!(list.json()["manifests"].as_array().unwrap().len(), 1);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{sbom}"))).await.expect(200);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", image.digest))).await.expect(403);

    let signed = world.attach("prod/app", &signature(&pair, &image)).await;
    world.ask(READER, get(format!("/v2/prod/app/manifests/{signed}"))).await.expect(200);
    for reference in ["v1", &image.digest.to_string()] {
        let answer = world.ask(READER, get(format!("/v2/prod/app/manifests/{reference}"))).await.expect(200);
        assert_eq!(answer.header("docker-content-digest"), image.digest.to_string());
    }
    let layer = zas_proxy::digest::Digest::of(b"layer");
    world.ask(READER, get(format!("/v2/prod/app/blobs/{layer}"))).await.expect(200);
    // The tag moves to what nobody has signed.
    world.push("v1", "another layer").await;
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(403);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", image.digest))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_run_is_no_signature_whatever_it_refers_to() {
    let world = World::new().await;
    let image = world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar", b"layer");
    let config = Descriptor::of("application/vnd.oci.image.config.v1+json", b"{}");
    let disguised = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "subject": image,
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"});
    let text = disguised.to_string();
    let digest = zas_proxy::digest::Digest::of(text.as_bytes()).to_string();
    world.manifest("prod/app", &digest, MANIFEST, &text).await;
    world.ask(READER, get(format!("/v2/prod/app/manifests/{digest}"))).await.expect(403);
    let tag = legacy_tag(&image.digest, "sig");
    world.manifest("prod/app", &tag, MANIFEST, &text).await;
    world.ask(READER, get(format!("/v2/prod/app/manifests/{tag}"))).await.expect(403);
    // And what holds nothing but evidence is an artifact like another under a tag of its own.
    let sbom = plain_sbom(&image);
    world.attach("prod/app", &sbom).await;
    let text = std::str::from_utf8(&sbom.manifest).unwrap();
    world.manifest("prod/app", "latest", MANIFEST, text).await;
    world.ask(READER, get("/v2/prod/app/manifests/latest")).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_of_a_signed_index_are_signed() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let (one, other) = (world.push("one", "one").await, world.push("other", "other").await);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [one]}).to_string();
    let index = world.manifest("prod/app", "v1", INDEX, &index).await;
    world.rule(&only_signed()).await;
    world.attach("prod/app", &signature(&pair, &index)).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1").header("accept", INDEX)).await.expect(200);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", one.digest))).await.expect(200);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", other.digest))).await.expect(403);
    // Without its tag it is there as before, by its digest.
    world.ask(MAKER, Ask::delete("/v2/prod/app/manifests/v1")).await.expect(202);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", one.digest))).await.expect(200);
    world.ask(MAKER, Ask::delete(format!("/v2/prod/app/manifests/{}", index.digest))).await.expect(202);
    world
        .until("an index that is gone vouches for nothing", async || {
            world.ask(READER, get(format!("/v2/prod/app/manifests/{}", one.digest))).await.status == 403
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_one_image_within_an_index_signs_neither_the_index_nor_another_image() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let (signed, other) = (world.push("one", "one").await, world.push("other", "other").await);
    let made = signature(&pair, &signed);
    world.attach("prod/app", &made).await;
    world.rule(&only_signed()).await;
    // As buildx puts attestations beside an image.
    let mut beside = Descriptor::of(MANIFEST, &made.manifest);
    beside.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
    beside.annotations.insert("vnd.docker.reference.digest".into(), signed.digest.to_string());
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [signed, other, beside]}).to_string();
    world.manifest("prod/app", "v1", INDEX, &index).await;
    // Whoever is refused has had the index looked at.
    world.ask(READER, get("/v2/prod/app/manifests/v1").header("accept", INDEX)).await.expect(403);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", other.digest))).await.expect(403);
    world.ask(READER, get(format!("/v2/prod/app/manifests/{}", signed.digest))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_passes_on_the_bill_of_materials_of_itself_where_it_is_vouched_for_and_never_that_of_one_image() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let (listed, other) = (world.push("one", "one").await, world.push("other", "other").await);
    world.rule(&json!([deny("Listed", &json!({"Bool": {"zas:HasSBOM": "false"}}))])).await;
    // As buildx puts attestations beside an image.
    let made = plain_sbom(&listed);
    world.attach("prod/app", &made).await;
    let mut beside = Descriptor::of(MANIFEST, &made.manifest);
    beside.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
    beside.annotations.insert("vnd.docker.reference.digest".into(), listed.digest.to_string());
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed, other, beside]}).to_string();
    let index = world.manifest("prod/app", "v1", INDEX, &index).await;
    let of_other = || get(format!("/v2/prod/app/manifests/{}", other.digest));
    world.ask(READER, get("/v2/prod/app/manifests/v1").header("accept", INDEX)).await.expect(403);
    world.ask(READER, of_other()).await.expect(403);
    // One of the index itself, which nobody vouches for yet.
    world.attach("prod/app", &plain_sbom(&index)).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1").header("accept", INDEX)).await.expect(200);
    world.ask(READER, of_other()).await.expect(403);
    world.attach("prod/app", &signature(&pair, &index)).await;
    world.until("it is vouched for", async || world.ask(READER, of_other()).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_past_us_counts_and_what_was_removed_does_not() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let image = world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(403);
    let signed = world.attach_past("prod/app", &signature(&pair, &image)).await;
    world
        .until("a signature that was pushed past us counts", async || {
            world.ask(READER, get("/v2/prod/app/manifests/v1")).await.status == 200
        })
        .await;
    world.ask(MAKER, Ask::delete(format!("/v2/prod/app/manifests/{signed}"))).await.expect(202);
    world
        .until("a signature that was removed counts no more", async || {
            world.ask(READER, get("/v2/prod/app/manifests/v1")).await.status == 403
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_artifact_with_more_documents_than_are_read_not_all_is_known_whatever_they_were_found_in() {
    let world = World::with(|config| config.supply_chain.evidence_documents = 3).await;
    let pair = world.key("ci").await;
    let image = world.push("v1", "layer").await;
    let scope = SbomScope { kind: ScopeKind::Repository, name: "prod/app".into() };
    let facts = async || {
        let app = &world.sidecar.app;
        app.evidence.fresh_facts(app, &scope, &image.digest).await.unwrap()
    };
    world.attach("prod/app", &signature(&pair, &image)).await;
    for at in 0..3 {
        assert!(facts().await.complete, "{at} besides the signature");
        let type_of = format!("https://acme.example/{at}");
        world.attach("prod/app", &statement(&pair, &image, &type_of, &json!({"at": at}))).await;
    }
    let found = facts().await;
    assert!(found.signed && !found.complete, "{found:?}");
    assert_eq!(found.attestation_types.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_deleted_counts_no_more_when_that_is_answered_though_nobody_works_off_what_is_due() {
    let world = World::with(|config| config.supply_chain.index_evidence = false).await;
    let pair = world.key("ci").await;
    let image = world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    let signed = world.attach("prod/app", &signature(&pair, &image)).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(200);
    world.ask(MAKER, Ask::delete(format!("/v2/prod/app/manifests/{signed}"))).await.expect(202);
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_removed_from_an_image_by_rest_counts_no_more() {
    let world = World::new().await;
    let pair = world.key("ci").await;
    let image = world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    let signed = world.attach("prod/app", &signature(&pair, &image)).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(200);
    let path = format!("{API}/artifacts/attestations/{signed}?artifact=oci://prod/app@{}", image.digest);
    world.ask(MAKER, Ask::delete(path)).await.expect(204);
    world
        .until("a signature that was removed counts no more", async || {
            world.ask(READER, get("/v2/prod/app/manifests/v1")).await.status == 403
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_or_scans_is_let_through_by_the_rule_itself() {
    let world = World::new().await;
    world.push("v1", "layer").await;
    let condition =
        json!({"Bool": {"zas:Signed": "false"}, "ForAllValues:StringNotEquals": {"aws:groups": ["/signers"]}});
    world.rule(&json!([deny("OnlySigned", &condition)])).await;
    world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(403);
    let token = format!("Bearer {}", world.sidecar.token("signer", &[READER, "/signers"]));
    world.sidecar.send(&get("/v2/prod/app/manifests/v1"), Some(&token)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_ask_for_signers_reports_scans_and_levels() {
    let builder = Builder { id: "https://builds.example/*".into(), signer: "key/builder".into(), level: 3 };
    let world = World::with(|config| config.supply_chain.builders = vec![builder]).await;
    let (ci, builder, scanner) = (world.key("ci").await, world.key("builder").await, world.key("scanner").await);
    let image = world.push("v1", "layer").await;
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    let scan = |severity: &str| {
        json!({"scanner": {"uri": "s", "result": [{"id": "CVE-1", "severity": [{"method": "x", "score": severity}]}]},
            "metadata": {"scanStartedOn": now, "scanFinishedOn": now}})
    };
    let provenance = json!({"buildDefinition": {"buildType": "t", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://builds.example/7"}}});
    const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
    const SLSA: &str = "https://slsa.dev/provenance/v1";
    let rules = [
        deny("ByCi", &json!({"ForAllValues:StringNotEquals": {"zas:SignedBy": ["key/ci"]}})),
        deny("Listed", &json!({"Bool": {"zas:HasSBOM": "false"}})),
        deny("NothingCritical", &json!({"NumericGreaterThan": {"zas:VulnCritical": "0"}})),
        deny("FreshlyScanned", &json!({"NumericGreaterThan": {"zas:VulnAgeDays": "7"}})),
        deny("WellBuilt", &json!({"NumericLessThan": {"zas:ProvenanceLevel": "2"}})),
        deny("Built", &json!({"ForAllValues:StringNotEquals": {"zas:AttestationTypes": [SLSA]}})),
    ];
    for rule in &rules {
        world.rule(&json!([rule])).await;
        let refused = world.ask(READER, get("/v2/prod/app/manifests/v1")).await.expect(403);
        let sid = rule["Sid"].as_str().unwrap();
        assert!(message(&refused).contains(&format!("readers#{sid}")), "{}", refused.body);
    }
    world.rule(&json!(rules)).await;
    let by_digest = || get(format!("/v2/prod/app/manifests/{}", image.digest));
    for made in [
        signature(&ci, &image),
        plain_sbom(&image),
        statement(&scanner, &image, VULNS, &scan("high")),
        statement(&builder, &image, SLSA, &provenance),
    ] {
        world.ask(READER, by_digest()).await.expect(403);
        world.attach("prod/app", &made).await;
    }
    world.ask(READER, by_digest()).await.expect(200);
    world.attach("prod/app", &statement(&scanner, &image, VULNS, &scan("critical"))).await;
    world.until("a scan that found something", async || world.ask(READER, by_digest()).await.status == 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_audit_nothing_is_refused_and_the_record_says_what_would_have_been() {
    let world = World::with(|config| config.supply_chain.gate = GateMode::Audit).await;
    world.put("app", "bytes").await;
    world.push("v1", "layer").await;
    world.rule(&only_signed()).await;
    for path in ["/prod/app", "/v2/prod/app/manifests/v1", "/v2/s3/prod/manifests/app"] {
        let answer = world.ask(READER, get(path)).await.expect(200);
        noted(&world, &answer, "would be denied by readers#OnlySigned").await;
        // Nobody waits until it was looked at; whoever comes later finds what was found.
        world
            .until("it was looked at", async || {
                let answer = world.ask(READER, get(path)).await.expect(200);
                let records = world.sidecar.records(answer.header("x-request-id")).await;
                records.iter().any(|record| record["note"] == "would be denied by readers#OnlySigned")
            })
            .await;
    }
}

/// Waits for the record of a read whose note begins so.
async fn noted(world: &World, answer: &Answer, note: &str) {
    let id = answer.header("x-request-id").to_owned();
    let begins_so = |record: &Value| record["note"].as_str().is_some_and(|said| said.starts_with(note));
    world.until("the record of a read", async || world.sidecar.records(&id).await.iter().any(begins_so)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_audit_nobody_waits_for_an_artifact_that_nobody_has_looked_at() {
    let world = World::with(|config| {
        config.supply_chain.gate = GateMode::Audit;
        config.supply_chain.index_evidence = false;
    })
    .await;
    world.put("app", "bytes").await;
    world.rule(&only_signed()).await;
    let answer = world.ask(READER, get("/prod/app")).await.expect(200);
    noted(&world, &answer, "would be denied by readers#OnlySigned (unknown)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_audit_nobody_waits_for_the_digest_of_an_object_that_came_in_parts() {
    let world = World::with(|config| {
        config.supply_chain.gate = GateMode::Audit;
        config.artifacts.digest_in_background = false;
    })
    .await;
    let begun = world.ask(MAKER, Ask::post("/prod/app?uploads")).await.expect(200);
    let (id, mut parts) = (begun.element("UploadId"), String::new());
    for (number, bytes) in [(1, "a".repeat(5 << 20)), (2, "b".to_owned())] {
        let put = Ask::put(format!("/prod/app?partNumber={number}&uploadId={id}")).body(bytes);
        let put = world.ask(MAKER, put).await.expect(200);
        let tag = put.header("etag");
        parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    let complete = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    world.ask(MAKER, Ask::post(format!("/prod/app?uploadId={id}")).body(complete)).await.expect(200);
    world.rule(&only_signed()).await;
    let answer = world.ask(READER, get("/prod/app")).await.expect(200);
    noted(&world, &answer, "would be denied by readers#OnlySigned (unknown)").await;
    let waiting = "SELECT count(*) FROM undigested_objects";
    let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&world.sidecar.pool).await.unwrap();
    assert_eq!(waiting, 1, "nobody has read it for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rule_can_be_watched_before_it_counts_and_all_of_them_switched_off() {
    let world = World::new().await;
    world.put("app", "bytes").await;
    let mut watched = only_signed();
    watched[0]["Mode"] = json!("Audit");
    world.rule(&watched).await;
    world.ask(READER, get("/prod/app")).await.expect(200);
    let off = World::with(|config| config.supply_chain.gate = GateMode::Off).await;
    off.put("app", "bytes").await;
    off.rule(&only_signed()).await;
    off.ask(READER, get("/prod/app")).await.expect(200);
}
