//! Bills of materials and rules about artifacts with the tools that people have: what syft writes, and oras and cosign attach, is found
//! by what it lists; what REST attaches, oras and cosign find; and what nobody has signed is kept from whoever a rule keeps it from.
//! What builders and scanners write is in [`other_tools`].

mod clients;
mod other_tools;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::{Room, ensure_same},
    harness::{Endpoint, Tour},
    image::Image,
    on_each_backend,
};

use self::clients::{Clients, OFFLINE, text};

const BUCKET: &str = "sbom-tour";
const OBJECT: &str = "s3://sbom-tour/linux/app.tgz";
const REQUESTS: &str = "pkg:pypi/requests@2.31.0";

fn sboms_are_found_by_what_they_list(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, "sboms_are_found_by_what_they_list")? else { return Ok(()) };
    if server.access_key.is_empty() {
        return Ok(());
    }
    room.write("app.tgz", b"the bytes of the app")?;
    room.write("project/requirements.txt", b"requests==2.31.0\nurllib3==2.0.7\n")?;
    clients.log_in()?;
    clients.aws(&["s3", "mb", &format!("s3://{BUCKET}")])?;
    clients.aws(&["s3", "cp", "app.tgz", OBJECT])?;
    let object = clients.at("s3/sbom-tour/linux:app.tgz");
    let image = Image::make(&room, "layout", b"an image of the tour")?;
    let (tag, by_digest) = (clients.at("sbom-tour/app:v1"), clients.at(&format!("sbom-tour/app@{}", image.digest)));
    clients.crane(&["push", "layout", &tag])?;
    clients.cosign(&["generate-key-pair", "--output-key-prefix", "ci"])?;
    let cyclonedx = clients.syft("project", "cyclonedx-json", "sbom.cdx.json")?;
    clients.syft("project", "spdx-json", "sbom.spdx.json")?;
    let named = format!("oci://sbom-tour/app@{}", image.digest);
    let mut tour = Tour::new("sboms");

    tour.step("what syft writes and oras attaches is found by what it lists", || {
        clients.oras(&["attach", &object, "--artifact-type", "application/vnd.cyclonedx+json", "sbom.cdx.json"])?;
        clients.until_containing(REQUESTS, &[&format!("referrer {OBJECT}")])
    });
    tour.step("what cosign attests by its predicate is found too, and says how it is carried", || {
        let attest = ["attest", "--key", "ci.key", "--predicate", "sbom.spdx.json", "--type", "spdxjson"];
        clients.cosign(&[&attest[..], &OFFLINE, &[&by_digest]].concat())?;
        clients.until_containing(REQUESTS, &[&format!("attestation {named}"), &format!("referrer {OBJECT}")])
    });
    tour.step("both are listed, valid, with what they list counted", || {
        for artifact in [OBJECT, "oci://sbom-tour/app:v1"] {
            let listed = clients.rest_json(&format!("/artifacts/sboms?artifact={artifact}"), &[])?;
            let sbom = listed.pointer("/sboms/0").context("none")?;
            ensure!(
                sbom.get("valid") == Some(&json!(true)) && sbom.get("components").and_then(Value::as_u64) >= Some(2),
                "{sbom}"
            );
        }
        Ok(())
    });
    tour.step("what REST attaches oras discovers and pulls as the file that it is", || {
        let other = clients.at("sbom-tour/other:v1");
        Image::make(&room, "other", b"another image")?;
        clients.crane(&["push", "other", &other])?;
        let attached =
            clients.attach("artifact=oci://sbom-tour/other:v1", "application/vnd.cyclonedx+json", "sbom.cdx.json")?;
        let found: Value = serde_json::from_str(&clients.oras(&["discover", "--format", "json", &other])?)?;
        ensure!(found.pointer("/referrers/0/digest") == attached.get("carrier"), "{found} {attached}");
        let carrier = clients.at(&format!("sbom-tour/other@{}", text(&attached, "carrier")));
        clients.oras(&["pull", &carrier, "--output", "pulled"])?;
        ensure_same(&room.read("pulled/sbom.cdx.json")?, &cyclonedx)?;
        let path = format!("/artifacts/sboms/{}?artifact=oci://sbom-tour/other:v1", text(&attached, "digest"));
        ensure_same(clients.rest(&path, &[])?.as_bytes(), &cyclonedx)?;
        clients.rest(&path, &["-X", "DELETE"])?;
        let found: Value = serde_json::from_str(&clients.oras(&["discover", "--format", "json", &other])?)?;
        ensure!(found.pointer("/referrers/0").is_none(), "{found}");
        clients.until_containing(REQUESTS, &[&format!("attestation {named}"), &format!("referrer {OBJECT}")])
    });
    tour.step("what REST attests cosign verifies", || {
        clients.post("/signing-keys", &json!({"name": "reports", "usage": "report"}))?;
        room.write("reports.pub", clients.rest("/signing-keys/reports/public-key", &[])?.as_bytes())?;
        let query = format!("artifact={named}&attestation=reports");
        clients.attach(&query, "application/vnd.cyclonedx+json", "sbom.cdx.json")?;
        let verify =
            ["verify-attestation", "--key", "reports.pub", "--type", "cyclonedx", "--insecure-ignore-tlog=true"];
        ensure!(clients.cosign(&[&verify[..], &[&by_digest]].concat())?.contains("payload"));
        Ok(())
    });
    tour.step("a document that breaks its rules is refused with the place of what is wrong", || {
        room.write("wrong.json", br#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "no such type", "name": "a"}]}"#)?;
        let arguments = ["-H", "content-type: application/vnd.cyclonedx+json", "--data-binary", "@wrong.json"];
        let refused = clients.rest(&format!("/artifacts/sbom?artifact={OBJECT}"), &arguments).err().context("it was taken")?;
        ensure!(format!("{refused:#}").contains("/components/0/type"), "{refused:#}");
        Ok(())
    });
    tour.step("an SBOM that a client deletes is found no longer", || {
        let listed = clients.rest_json(&format!("/artifacts/sboms?artifact={OBJECT}"), &[])?;
        let carrier = text(listed.pointer("/sboms/0").context("none")?, "carrier").to_owned();
        clients.oras(&["manifest", "delete", "--force", &clients.at(&format!("s3/sbom-tour/linux@{carrier}"))])?;
        let found = clients.containing(REQUESTS)?;
        ensure!(!found.iter().any(|place| place.ends_with(OBJECT)), "{found:?}");
        Ok(())
    });
    tour.finish()
}

on_each_backend!(sboms_are_found_by_what_they_list);

fn what_nobody_has_signed_is_kept(server: &Endpoint) -> Result<()> {
    let room = Room::new(server)?;
    let Some(clients) = Clients::find(&room, "what_nobody_has_signed_is_kept")? else { return Ok(()) };
    if server.access_key.is_empty() {
        return Ok(());
    }
    clients.log_in()?;
    room.write("app.tgz", b"the bytes of a gated app")?;
    clients.aws(&["s3", "mb", "s3://gate-tour"])?;
    clients.aws(&["s3", "cp", "app.tgz", "s3://gate-tour/linux/app.tgz"])?;
    let image = Image::make(&room, "layout", b"an image that is gated")?;
    let (tag, object) = (clients.at("gate-tour/app:v1"), clients.at("s3/gate-tour/linux:app.tgz"));
    clients.crane(&["push", "layout", &tag])?;
    clients.cosign(&["generate-key-pair", "--output-key-prefix", "ci"])?;
    let key = std::str::from_utf8(&room.read("ci.pub")?)?.to_owned();
    clients.post("/trusted-keys", &json!({"name": "ci", "public_key": key}))?;
    let rules = json!({"document": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "gate-tour/*"},
        {"Sid": "OnlySigned", "Effect": "Deny", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "gate-tour/*",
            "Condition": {"Bool": {"zas:Signed": "false"}}}]}});
    clients
        .rest("/policies/gated", &["-X", "PUT", "-H", "content-type: application/json", "-d", &rules.to_string()])?;
    clients.rest("/policies/gated/attachments?kind=user&name=service/deployer", &["-X", "PUT"])?;
    let made = clients.post("/access-keys", &json!({"name": "deployer"}))?;
    let deployer = Endpoint {
        url: server.url.clone(),
        access_key: text(&made, "id").to_owned(),
        secret_key: text(&made, "secret").to_owned(),
    };
    let outside = Room::new(&deployer)?;
    let theirs = Clients { room: &outside, ..Clients::find(&room, "what_nobody_has_signed_is_kept")?.context("gone")? };
    theirs.log_in()?;
    let mut tour = Tour::new("gate");

    tour.step("neither door gives what nobody has signed, and the refusal names the rule", || {
        let pull = ["--insecure", "pull", "--format", "oci"];
        for reference in [&tag, &object] {
            outside.refused(&theirs.crane, &[&pull[..], &[reference, "refused"]].concat(), "gated#OnlySigned")?;
        }
        let refused = ["s3", "cp", "s3://gate-tour/linux/app.tgz", "refused.tgz"];
        outside.refused(&theirs.aws, &refused, "403")
    });
    tour.step("what cosign has signed with a trusted key is given at both", || {
        let signed = clients.at(&format!("gate-tour/app@{}", image.digest));
        let bytes = clients.crane(&["digest", &object])?;
        let object = clients.at(&format!("s3/gate-tour/linux@{}", bytes.trim()));
        for reference in [&signed, &object] {
            clients.cosign(&[&["sign", "--key", "ci.key"], &OFFLINE[..], &[reference]].concat())?;
        }
        theirs.crane(&["pull", "--format", "oci", &tag, "pulled"])?;
        theirs.oras(&["pull", &clients.at("s3/gate-tour/linux:app.tgz"), "--output", "pulled-object"])?;
        theirs.aws(&["s3", "cp", "s3://gate-tour/linux/app.tgz", "app.tgz"])?;
        ensure_same(&outside.read("app.tgz")?, &room.read("app.tgz")?)
    });
    tour.step("whoever may pull verifies it by themselves, for signatures are never kept", || {
        outside.write("ci.pub", key.as_bytes())?;
        theirs.cosign(&["verify", "--key", "ci.pub", "--insecure-ignore-tlog=true", &tag]).map(drop)
    });
    tour.step("a tag that moves to something else is kept again", || {
        Image::make(&room, "moved", b"an image that nobody has signed")?;
        clients.crane(&["push", "moved", &tag])?;
        let pull = ["--insecure", "pull", "--format", "oci", &tag, "refused"];
        outside.refused(&theirs.crane, &pull, "gated#OnlySigned")
    });
    tour.finish()
}

on_each_backend!(what_nobody_has_signed_is_kept);
