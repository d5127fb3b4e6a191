//! Container images on disk, made without any client: an OCI image layout of one layer (image-spec, "Image Layout"), and of what buildx
//! pushes, an index of such an image and of what BuildKit says of it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{clients::Room, process::run_ok};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image in a folder of a room.
#[derive(Debug)]
pub struct Image {
    /// The folder of the layout; the image in it has the tag `v1`.
    pub layout: PathBuf,
    /// The digest of the manifest: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The digest of the one layer.
    pub layer: String,
}

impl Image {
    /// Makes an image whose layer holds a file with these bytes.
    ///
    /// # Errors
    /// When the file system refuses, or there is no `tar` or `gzip`.
    pub fn make(room: &Room<'_>, folder: &str, content: &[u8]) -> Result<Self> {
        room.write(&format!("{folder}.root/content"), content)?;
        let (root, tar) = (format!("{folder}.root"), format!("{folder}.tar"));
        let mut pack = room.command(Path::new("tar"), ["-C", root.as_str(), "-cf", tar.as_str(), "content"]);
        run_ok(&mut pack, std::time::Duration::from_secs(60))?;
        let content_digest = sha256(&room.read(&tar)?);
        // Compressed, for clients compress what is not, and it would have another digest then.
        let mut compress = room.command(Path::new("gzip"), ["-n", tar.as_str()]);
        run_ok(&mut compress, std::time::Duration::from_secs(60))?;
        let layer = room.read(&format!("{tar}.gz"))?;
        let layer_digest = sha256(&layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [content_digest]},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blob(room, folder, CONFIG, config.to_string().as_bytes())?,
            "layers": [blob(room, folder, "application/vnd.oci.image.layer.v1.tar+gzip", &layer)?],
        });
        let manifest = manifest.to_string();
        name(room, folder, blob(room, folder, MANIFEST, manifest.as_bytes())?)?;
        Ok(Self { layout: room.path(folder), digest: sha256(manifest.as_bytes()), layer: layer_digest })
    }

    /// As [`Image::make`], in an index together with what BuildKit attests of it: each predicate by its type, as statements that nobody
    /// has signed (BuildKit, "Image attestation storage"). The index has the tag `v1`, and the digest is that of the image in it.
    ///
    /// # Errors
    /// As [`Image::make`].
    pub fn make_attested(room: &Room<'_>, folder: &str, content: &[u8], predicates: &[(&str, Value)]) -> Result<Self> {
        let image = Self::make(room, folder, content)?;
        let manifest = Self::blob(&image.layout, &image.digest)?;
        let platform = json!({"architecture": "amd64", "os": "linux"});
        let own = with(blob(room, folder, MANIFEST, &manifest)?, "platform", platform);
        let manifests = json!([own, attestation(room, folder, &image.digest, predicates)?]);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        name(room, folder, blob(room, folder, INDEX, index.as_bytes())?)?;
        Ok(image)
    }

    /// The bytes of a file in the layout that stands for a blob.
    ///
    /// # Errors
    /// When there is none.
    pub fn blob(layout: &Path, digest: &str) -> Result<Vec<u8>> {
        Ok(std::fs::read(layout.join("blobs").join(digest.replace("sha256:", "sha256/")))?)
    }
}

/// Writes the manifest of what is attested of an image, and gives what an index has of it.
fn attestation(room: &Room<'_>, folder: &str, image: &str, predicates: &[(&str, Value)]) -> Result<Value> {
    let mut layers = Vec::new();
    for (predicate_type, predicate) in predicates {
        let sha256 = image.trim_start_matches("sha256:");
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate_type,
            "subject": [{"name": "pkg:docker/app@v1?platform=linux%2Famd64", "digest": {"sha256": sha256}}],
            "predicate": predicate,
        });
        let layer = blob(room, folder, "application/vnd.in-toto+json", statement.to_string().as_bytes())?;
        layers.push(with(layer, "annotations", json!({ "in-toto.io/predicate-type": predicate_type })));
    }
    let diff_ids: Vec<&Value> = layers.iter().filter_map(|layer| layer.get("digest")).collect();
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = blob(room, folder, CONFIG, config.to_string().as_bytes())?;
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).to_string();
    let manifest = blob(room, folder, MANIFEST, manifest.as_bytes())?;
    let about = json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image});
    let platform = json!({"architecture": "unknown", "os": "unknown"});
    Ok(with(with(manifest, "annotations", about), "platform", platform))
}

/// Writes a blob into a layout, and gives its descriptor.
fn blob(room: &Room<'_>, folder: &str, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let digest = sha256(bytes);
    room.write(&format!("{folder}/blobs/{}", digest.replace("sha256:", "sha256/")), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
}

/// Makes a manifest or an index what the layout holds, with the tag `v1`.
fn name(room: &Room<'_>, folder: &str, descriptor: Value) -> Result<()> {
    let named = with(descriptor, "annotations", json!({"org.opencontainers.image.ref.name": "v1"}));
    let index = json!({"schemaVersion": 2, "manifests": [named]});
    room.write(&format!("{folder}/index.json"), index.to_string().as_bytes())?;
    room.write(&format!("{folder}/oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    Ok(())
}

/// An object with one member more.
fn with(mut object: Value, member: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert(member.to_owned(), value);
    }
    object
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Endpoint;

    fn nowhere() -> Endpoint {
        Endpoint { url: "http://127.0.0.1:1".into(), access_key: String::new(), secret_key: String::new() }
    }

    #[test]
    fn the_blobs_of_a_layout_are_what_their_names_say() {
        let server = nowhere();
        let room = Room::new(&server).unwrap();
        let image = Image::make(&room, "layout", b"hello").unwrap();
        for digest in [&image.digest, &image.layer] {
            assert_eq!(sha256(&Image::blob(&image.layout, digest).unwrap()), *digest);
        }
        let index: Value = serde_json::from_slice(&room.read("layout/index.json").unwrap()).unwrap();
        assert_eq!(index["manifests"][0]["digest"], image.digest.as_str());
    }

    #[test]
    fn an_index_names_the_image_and_what_is_attested_of_it() {
        let server = nowhere();
        let room = Room::new(&server).unwrap();
        let predicate = json!({"spdxVersion": "SPDX-2.3"});
        let spdx = "https://spdx.dev/Document";
        let image = Image::make_attested(&room, "layout", b"hello", &[(spdx, predicate.clone())]).unwrap();
        let read = |descriptor: &Value| -> Value {
            let blob = Image::blob(&image.layout, descriptor["digest"].as_str().unwrap()).unwrap();
            assert_eq!(descriptor["size"], blob.len());
            serde_json::from_slice(&blob).unwrap()
        };
        let layout: Value = serde_json::from_slice(&room.read("layout/index.json").unwrap()).unwrap();
        let index = read(&layout["manifests"][0]);
        let [own, beside] = [&index["manifests"][0], &index["manifests"][1]];
        assert_eq!((&own["digest"], &own["platform"]["os"]), (&json!(image.digest), &json!("linux")));
        assert_eq!(beside["annotations"]["vnd.docker.reference.digest"], image.digest.as_str());
        assert_eq!(beside["platform"], json!({"architecture": "unknown", "os": "unknown"}));
        let manifest = read(beside);
        let layer = &manifest["layers"][0];
        assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], spdx);
        let statement = read(layer);
        assert_eq!(statement["predicate"], predicate);
        assert_eq!(format!("sha256:{}", statement["subject"][0]["digest"]["sha256"].as_str().unwrap()), image.digest);
    }
}
