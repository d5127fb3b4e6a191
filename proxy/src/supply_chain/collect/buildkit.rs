//! Attestations as buildx writes them: further manifests of an index, each about one of its images (BuildKit, "Attestation storage").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{LeftOut, Listed, WhyLeftOut};
use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::supply_chain::manifest::MANIFEST;
use crate::supply_chain::referrer::Kind;

/// Such manifests that are looked at in one index.
const MOST: usize = 64;

const TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";
const ABOUT: &str = "vnd.docker.reference.digest";

/// What their layers are.
const IN_TOTO: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Those of an index.
pub(super) async fn find(app: &App, name: &str, digest: &Digest) -> Result<(Vec<Listed>, Option<LeftOut>)> {
    let Some(index) = app.store.get_manifest(name, &digest.to_string()).await? else { return Ok((Vec::new(), None)) };
    Ok(read(&index.bytes, digest))
}

fn read(index: &[u8], digest: &Digest) -> (Vec<Listed>, Option<LeftOut>) {
    let Ok(index) = serde_json::from_slice::<Index>(index) else {
        return (Vec::new(), Some(LeftOut { what: Some(digest.to_string()), why: WhyLeftOut::Unreadable }));
    };
    let mut listed: Vec<Listed> = index.manifests.into_iter().filter_map(of_entry).take(MOST + 1).collect();
    let rest = (listed.len() > MOST).then_some(LeftOut { what: None, why: WhyLeftOut::TooMuch });
    listed.truncate(MOST);
    (listed, rest)
}

fn of_entry(entry: Entry) -> Option<Listed> {
    let is_one = entry.media_type == MANIFEST && entry.annotations.get(TYPE).is_some_and(|kind| kind == ATTESTATION);
    let subject = entry.annotations.get(ABOUT).filter(|_| is_one)?.parse().ok()?;
    Some(Listed {
        digest: entry.digest.parse().ok()?,
        size: entry.size,
        artifact_type: Some(IN_TOTO.to_owned()),
        kinds: vec![Kind::Attestation],
        annotations: entry.annotations,
        subject,
        tag: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_buildx_puts_beside_an_image_is_about_that_image() {
        let (image, attestation) = (Digest::of(b"image"), Digest::of(b"attestation"));
        let entry = |digest: &Digest, annotations: serde_json::Value| json!({"mediaType": MANIFEST, "digest": digest.to_string(), "size": 7, "annotations": annotations});
        let about = json!({TYPE: ATTESTATION, ABOUT: image.to_string()});
        let index = json!({"manifests": [
            {"mediaType": MANIFEST, "digest": image.to_string(), "size": 7},
            entry(&attestation, about),
            entry(&attestation, json!({TYPE: ATTESTATION, ABOUT: "nonsense"})),
            entry(&attestation, json!({TYPE: "another", ABOUT: image.to_string()})),
        ]});
        let (listed, rest) = read(index.to_string().as_bytes(), &Digest::of(b"index"));
        assert_eq!((listed.len(), rest), (1, None));
        assert_eq!(
            (listed[0].digest, listed[0].subject, listed[0].kinds.as_slice()),
            (attestation, image, &[Kind::Attestation][..])
        );
    }

    #[test]
    fn an_index_that_cannot_be_read_and_one_with_too_many_say_so() {
        let digest = Digest::of(b"index");
        assert_eq!(read(b"[", &digest).1.map(|left| left.why), Some(WhyLeftOut::Unreadable));
        let about = json!({TYPE: ATTESTATION, ABOUT: digest.to_string()});
        let entry = json!({"mediaType": MANIFEST, "digest": digest.to_string(), "size": 7, "annotations": about});
        let index = json!({"manifests": vec![entry; MOST + 1]});
        let (listed, rest) = read(index.to_string().as_bytes(), &digest);
        assert_eq!((listed.len(), rest.map(|left| left.why)), (MOST, Some(WhyLeftOut::TooMuch)));
    }
}
