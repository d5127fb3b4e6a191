//! What builders and scanners write, in the places where they put it: BuildKit's statements in the index that buildx pushes, and a document
//! of trivy's that oras attaches. The service finds each and what it lists.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::Room,
    harness::{Endpoint, Tour},
    image::Image,
    on_each_backend,
};

use crate::clients::{Clients, text};

const TEST: &str = "what_builders_and_scanners_write_is_found";

/// As `trivy image --format cyclonedx` writes it.
const TRIVY: &[u8] = include_bytes!("trivy.cdx.json");

const FLASK: &str = "pkg:pypi/flask@3.0.3";

/// What BuildKit says of how it has built an image, in the version that it still writes by itself.
fn provenance() -> Value {
    json!({
        "builder": {"id": ""},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [],
        "invocation": {
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": {"frontend": "dockerfile.v0", "locals": [{"name": "context"}, {"name": "dockerfile"}]},
            "environment": {"platform": "linux/amd64"},
        },
        "metadata": {
            "buildInvocationID": "8wkz3f0s9qd1v7x2m4cj6t5ba",
            "buildStartedOn": "2026-02-11T08:29:40.114Z",
            "buildFinishedOn": "2026-02-11T08:29:58.902Z",
            "completeness": {"parameters": true, "environment": true, "materials": false},
            "reproducible": false,
            "https://mobyproject.org/buildkit@v1#metadata": {},
        },
    })
}

/// The one bill of materials of an artifact, as it is listed.
fn the_one(clients: &Clients<'_>, artifact: &str) -> Result<Value> {
    let listed = clients.rest_json(&format!("/artifacts/sboms?artifact={artifact}"), &[])?;
    let sboms = listed.get("sboms").and_then(Value::as_array).context("no list")?;
    ensure!(sboms.len() == 1, "{listed}");
    sboms.first().cloned().context("none")
}

fn what_builders_and_scanners_write_is_found(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, TEST)? else { return Ok(()) };
    if server.access_key.is_empty() {
        return Ok(());
    }
    clients.log_in()?;
    // BuildKit has syft write what it attests.
    room.write("built/requirements.txt", b"flask==3.0.3\n")?;
    let spdx: Value = serde_json::from_slice(&clients.syft("built", "spdx-json", "built.spdx.json")?)?;
    let attested = [("https://spdx.dev/Document", spdx), ("https://slsa.dev/provenance/v0.2", provenance())];
    let built = Image::make_attested(&room, "index", b"an image that buildx has pushed", &attested)?;
    clients.crane(&["push", "index", &clients.at("sbom-tools/built:v1")])?;
    Image::make(&room, "scanned", b"an image that trivy has looked at")?;
    room.write("trivy.cdx.json", TRIVY)?;
    let scanned = clients.at("sbom-tools/scanned:v1");
    clients.crane(&["push", "scanned", &scanned])?;
    let scanned_digest = clients.crane(&["digest", &scanned])?.trim().to_owned();
    let of_trivy = format!("referrer oci://sbom-tools/scanned@{scanned_digest}");
    let mut tour = Tour::new("what other tools write");

    tour.step("what BuildKit attests in the index that buildx pushes is found, as a statement about the image", || {
        clients.until_containing(FLASK, &[&format!("statement oci://sbom-tools/built@{}", built.digest)])
    });
    tour.step("it is listed of the image, valid, read as the document that it is, and a part of the index", || {
        let image = format!("oci://sbom-tools/built@{}", built.digest);
        let sbom = the_one(&clients, &image)?;
        ensure!(text(&sbom, "carried") == "statement" && text(&sbom, "format") == "spdx", "{sbom}");
        ensure!(sbom.get("valid") == Some(&json!(true)), "{sbom}");
        let path = format!("/artifacts/sboms/{}?artifact={image}", text(&sbom, "digest"));
        let read = clients.rest_json(&path, &[])?;
        ensure!(read.get("SPDXID") == Some(&json!("SPDXRef-DOCUMENT")), "{read}");
        let refused = clients.rest(&path, &["-X", "DELETE"]).err().context("it was removed")?;
        ensure!(format!("{refused:#}").contains("409"), "{refused:#}");
        Ok(())
    });
    tour.step("its provenance is evidence too, and verified by nobody, for nobody has signed it", || {
        let question = json!({"artifact": "oci://sbom-tools/built:v1"});
        let verified = clients.post("/artifacts/verify", &question)?;
        let evidence = verified.get("evidence").and_then(Value::as_array).context("no evidence")?;
        let mut found: Vec<(&str, &str)> =
            evidence.iter().map(|piece| (text(piece, "predicate_type"), text(piece, "code"))).collect();
        found.sort_unstable();
        let unsigned = ["https://slsa.dev/provenance/v0.2", "https://spdx.dev/Document"].map(|kind| (kind, "unsigned"));
        ensure!(found == unsigned, "{verified}");
        Ok(())
    });
    tour.step("a document of trivy's that oras attaches is found by each of its packages", || {
        let attach = ["attach", &scanned, "--artifact-type", "application/vnd.cyclonedx+json", "trivy.cdx.json"];
        clients.oras(&attach)?;
        clients.until_containing("pkg:apk/alpine/musl@1.2.5-r10", &[&of_trivy])?;
        // The address has it encoded once more.
        clients.until_containing("pkg:npm/%2540hapi/hoek@11.0.7", &[&of_trivy])
    });
    tour.step("by a range of versions, a name and a licence as well", || {
        let range = "purl=pkg:npm/%2540hapi/hoek&version_range=%3E%3D11.0.0%2C%3C12.0.0";
        for query in [range, "name=hoek", "licence=BSD-3-Clause"] {
            let found = clients.rest_json(&format!("/components?{query}"), &[])?;
            let each = found.get("components").and_then(Value::as_array).context("no components")?;
            let is_it =
                |one: &Value| text(one, "name") == "hoek" && text(one, "artifact").contains("sbom-tools/scanned@");
            ensure!(each.iter().any(is_it), "{query}: {found}");
        }
        Ok(())
    });
    tour.step("it is listed, valid, with all that it lists counted", || {
        let sbom = the_one(&clients, "oci://sbom-tools/scanned:v1")?;
        ensure!(text(&sbom, "carried") == "referrer" && text(&sbom, "format") == "cyclonedx", "{sbom}");
        ensure!(sbom.get("valid") == Some(&json!(true)), "{sbom}");
        ensure!(sbom.get("components").and_then(Value::as_u64) >= Some(4), "{sbom}");
        Ok(())
    });
    tour.finish()
}

on_each_backend!(what_builders_and_scanners_write_is_found);
