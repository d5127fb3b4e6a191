//! Manifests: which are accepted, and what the registry reads from them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    digest::Digest,
    error::{ApiError, Code},
};

/// The forms that the registry knows; Docker's are OCI's forerunners and have the same fields.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// An accepted manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    /// The type that the referrers list shows.
    pub(crate) artifact_type: Option<String>,
    pub(crate) subject: Option<Digest>,
    /// Digests of content that must be in the repository; layers that are served elsewhere are left out.
    pub(crate) references: Vec<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    urls: Option<Vec<String>>,
}

impl Descriptor {
    fn is_served_elsewhere(&self) -> bool {
        let foreign = self.media_type.contains("nondistributable") || self.media_type.contains(".foreign.");
        foreign || self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Code::ManifestInvalid, message)
}

/// Reads and checks a manifest that a client sends as `content_type`.
pub(crate) fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Manifest, ApiError> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| invalid(format!("the manifest cannot be read: {error}")))?;
    let sent = content_type.and_then(|value| value.split(';').next()).map(|value| value.trim().to_ascii_lowercase());
    let media_type = match (sent, document.media_type.clone()) {
        (Some(sent), Some(own)) if sent != own => {
            return Err(invalid("the manifest's mediaType is not its Content-Type"));
        }
        (Some(media_type), _) | (None, Some(media_type)) => media_type,
        (None, None) => return Err(invalid("the manifest has neither a Content-Type nor a mediaType")),
    };
    document.into_manifest(media_type)
}

/// Reads a manifest that has been accepted before; `None` if it cannot be read.
pub(crate) fn read_stored(media_type: &str, bytes: &[u8]) -> Option<Manifest> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    document.into_manifest(media_type.to_owned()).ok()
}

/// The subject of a stored manifest.
pub(crate) fn subject(bytes: &[u8]) -> Option<Digest> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    document.subject?.digest.parse().ok()
}

impl Document {
    fn into_manifest(self, media_type: String) -> Result<Manifest, ApiError> {
        if self.schema_version != 2 {
            return Err(invalid("schemaVersion must be 2"));
        }
        let is_image = IMAGES.contains(&media_type.as_str());
        if !is_image && !INDEXES.contains(&media_type.as_str()) {
            return Err(invalid("the media type is not that of an OCI or Docker manifest or index"));
        }
        let config_type = self.config.as_ref().map(|config| config.media_type.clone());
        let subject = self.subject.map(|subject| subject.digest.parse()).transpose()?;
        // What can be read as an image and as an index must be neither: two clients would pull different content.
        let references = match (is_image, self.config, self.layers, self.manifests) {
            (true, Some(config), Some(layers), None) => {
                let layers = layers.into_iter().filter(|layer| !layer.is_served_elsewhere());
                std::iter::once(config).chain(layers).map(|d| d.digest).collect()
            }
            (true, ..) => return Err(invalid("an image manifest has a config and layers, and no manifests")),
            (false, None, None, Some(manifests)) => manifests.into_iter().map(|d| d.digest).collect(),
            (false, ..) => return Err(invalid("an index has manifests, and neither config nor layers")),
        };
        let artifact_type = self.artifact_type.filter(|text| !text.is_empty()).or(config_type);
        Ok(Manifest {
            media_type,
            artifact_type,
            subject,
            references,
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = IMAGES[0];
    const INDEX: &str = INDEXES[0];

    fn descriptor(media_type: &str) -> Value {
        json!({ "mediaType": media_type, "size": 0,
            "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" })
    }

    fn image() -> Value {
        json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor("c"), "layers": [descriptor("l")] })
    }

    fn check(content_type: Option<&str>, value: &Value) -> Result<Manifest, ApiError> {
        parse(content_type, value.to_string().as_bytes())
    }

    #[test]
    fn the_type_comes_from_the_header_or_the_manifest_and_both_must_agree() {
        assert!(check(Some(IMAGE), &image()).is_ok());
        assert!(check(Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"), &image()).is_ok());
        assert_eq!(check(None, &image()).unwrap().media_type, IMAGE);
        assert!(check(Some(INDEX), &image()).is_err());
        assert!(check(Some("text/plain"), &json!({ "schemaVersion": 2 })).is_err());
    }

    #[test]
    fn what_could_be_an_image_and_an_index_is_refused() {
        let mut both = image();
        both["manifests"] = json!([]);
        assert!(check(Some(IMAGE), &both).is_err());
        both["mediaType"] = json!(INDEX);
        assert!(check(Some(INDEX), &both).is_err());
        assert!(parse(Some(IMAGE), br#"{"schemaVersion":2,"schemaVersion":2,"config":{},"layers":[]}"#).is_err());
    }

    #[test]
    fn the_artifact_type_of_an_image_falls_back_to_its_config() {
        assert_eq!(check(None, &image()).unwrap().artifact_type.as_deref(), Some("c"));
        let mut typed = image();
        typed["artifactType"] = json!("t");
        assert_eq!(check(None, &typed).unwrap().artifact_type.as_deref(), Some("t"));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
        assert_eq!(check(None, &index).unwrap().artifact_type, None);
    }

    #[test]
    fn layers_that_are_served_elsewhere_need_not_be_here() {
        let mut manifest = image();
        manifest["layers"] = json!([
            descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar"),
            descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        ]);
        assert_eq!(check(None, &manifest).unwrap().references.len(), 1);
    }

    #[test]
    fn broken_manifests_are_refused() {
        for text in ["", "[]", "null", "{}", "{\"schemaVersion\":1}", "{\"schemaVersion\":2,\"layers\":[]}"] {
            assert!(parse(Some(IMAGE), text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(Some(IMAGE), "[".repeat(100_000).as_bytes()).is_err());
        let mut bad_subject = image();
        bad_subject["subject"] = json!({ "mediaType": "m", "digest": "sha256:../x", "size": 1 });
        assert!(check(None, &bad_subject).is_err());
    }
}
