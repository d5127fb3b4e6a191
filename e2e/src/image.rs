//! Container images on disk, made without any client: an OCI image layout of one layer (image-spec, "Image Layout").

use std::path::{Path, PathBuf};

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{clients::Room, process::run_ok};

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
        let blob = |media_type: &str, bytes: &[u8]| -> Result<Value> {
            let digest = sha256(bytes);
            let name = digest.replace("sha256:", "sha256/");
            room.write(&format!("{folder}/blobs/{name}"), bytes)?;
            Ok(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?,
            "layers": [blob("application/vnd.oci.image.layer.v1.tar+gzip", &layer)?],
        });
        let manifest = manifest.to_string();
        let mut named = blob("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())?;
        if let Some(named) = named.as_object_mut() {
            named.insert("annotations".to_owned(), json!({"org.opencontainers.image.ref.name": "v1"}));
        }
        let index = json!({"schemaVersion": 2, "manifests": [named]});
        room.write(&format!("{folder}/index.json"), index.to_string().as_bytes())?;
        room.write(&format!("{folder}/oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#)?;
        Ok(Self { layout: room.path(folder), digest: sha256(manifest.as_bytes()), layer: layer_digest })
    }

    /// The bytes of a file in the layout that stands for a blob.
    ///
    /// # Errors
    /// When there is none.
    pub fn blob(layout: &Path, digest: &str) -> Result<Vec<u8>> {
        Ok(std::fs::read(layout.join("blobs").join(digest.replace("sha256:", "sha256/")))?)
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Endpoint;

    #[test]
    fn the_blobs_of_a_layout_are_what_their_names_say() {
        let server =
            Endpoint { url: "http://127.0.0.1:1".into(), access_key: String::new(), secret_key: String::new() };
        let room = Room::new(&server).unwrap();
        let image = Image::make(&room, "layout", b"hello").unwrap();
        for digest in [&image.digest, &image.layer] {
            assert_eq!(sha256(&Image::blob(&image.layout, digest).unwrap()), *digest);
        }
        let index: Value = serde_json::from_slice(&room.read("layout/index.json").unwrap()).unwrap();
        assert_eq!(index["manifests"][0]["digest"], image.digest.as_str());
    }
}
