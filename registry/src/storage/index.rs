//! `index.json` of one repository: its manifests and its tags, as the OCI image layout writes them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    digest::{Digest, InvalidDigest},
    name::Tag,
};

/// The annotation that gives a descriptor in an `index.json` its tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Media type of an `index.json`.
pub(crate) const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// An `index.json` that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidIndex {
    #[error("index.json is not valid: {0}")]
    Json(#[from] serde_json::Error),
    #[error("index.json names a manifest by an invalid digest: {0}")]
    Digest(#[from] InvalidDigest),
}

/// The manifests and tags of a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    manifests: BTreeMap<Digest, Entry>,
    tags: BTreeMap<Tag, Digest>,
    /// Which manifests name which subject; read from the manifests when it is first asked for.
    subjects: Option<BTreeMap<Digest, BTreeSet<Digest>>>,
    /// Fields that the registry does not use but other tools may.
    other: Map<String, Value>,
}

/// What `index.json` says of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) media_type: String,
    pub(crate) size: u64,
    pub(crate) artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
    other: Map<String, Value>,
}

impl Entry {
    pub(crate) fn new(media_type: String, size: u64, artifact_type: Option<String>) -> Self {
        Self { media_type, size, artifact_type, annotations: BTreeMap::new(), other: Map::new() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Index {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, InvalidIndex> {
        let file: File = serde_json::from_slice(bytes)?;
        let mut index = Self { other: file.other, ..Self::default() };
        for mut descriptor in file.manifests {
            let digest: Digest = descriptor.digest.parse()?;
            // A name that is no tag, as some tools write it, stays the annotation that it is.
            if let Some(tag) = descriptor.annotations.get(REF_NAME).and_then(|name| name.parse().ok()) {
                descriptor.annotations.remove(REF_NAME);
                index.tags.insert(tag, digest.clone());
            }
            index.manifests.entry(digest).or_insert(Entry {
                media_type: descriptor.media_type,
                size: descriptor.size,
                artifact_type: descriptor.artifact_type,
                annotations: descriptor.annotations,
                other: descriptor.other,
            });
        }
        Ok(index)
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, InvalidIndex> {
        let tagged: BTreeSet<&Digest> = self.tags.values().collect();
        let untagged =
            self.manifests.iter().filter(|(digest, _)| !tagged.contains(digest)).map(|(d, e)| descriptor(d, e, None));
        let tags = self
            .tags
            .iter()
            .filter_map(|(tag, digest)| Some(descriptor(digest, self.manifests.get(digest)?, Some(tag))));
        let file = File {
            schema_version: 2,
            media_type: Some(INDEX_MEDIA_TYPE.to_owned()),
            manifests: tags.chain(untagged).collect(),
            other: self.other.clone(),
        };
        Ok(serde_json::to_vec(&file)?)
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&Entry> {
        self.manifests.get(digest)
    }

    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&Digest, &Entry)> {
        self.manifests.iter()
    }

    pub(crate) fn tag(&self, tag: &Tag) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// The tags in byte order, after one of them.
    pub(crate) fn tags_after<'a>(&'a self, last: Option<&'a str>) -> impl Iterator<Item = &'a Tag> {
        self.tags.keys().skip_while(move |tag| last.is_some_and(|last| tag.as_str() <= last))
    }

    /// Whether putting a manifest under these tags would change nothing.
    pub(crate) fn holds(&self, digest: &Digest, entry: &Entry, tags: &[Tag]) -> bool {
        let same = |known: &Entry| known.media_type == entry.media_type && known.size == entry.size;
        self.manifests.get(digest).is_some_and(same) && tags.iter().all(|tag| self.tags.get(tag) == Some(digest))
    }

    pub(crate) fn insert(&mut self, digest: &Digest, entry: Entry, subject: Option<&Digest>, tags: &[Tag]) {
        self.manifests.insert(digest.clone(), entry);
        self.tags.extend(tags.iter().map(|tag| (tag.clone(), digest.clone())));
        if let (Some(subjects), Some(subject)) = (&mut self.subjects, subject) {
            subjects.entry(subject.clone()).or_default().insert(digest.clone());
        }
    }

    /// The manifest that had the tag stays, by its digest. `false` when there was no such tag.
    pub(crate) fn remove_tag(&mut self, tag: &Tag) -> bool {
        self.tags.remove(tag).is_some()
    }

    /// Its tags go with it. `false` when there was no such manifest.
    pub(crate) fn remove_manifest(&mut self, digest: &Digest) -> bool {
        self.tags.retain(|_, tagged| tagged != digest);
        for referrers in self.subjects.iter_mut().flat_map(BTreeMap::values_mut) {
            referrers.remove(digest);
        }
        self.manifests.remove(digest).is_some()
    }

    pub(crate) fn knows_subjects(&self) -> bool {
        self.subjects.is_some()
    }

    pub(crate) fn set_subjects(&mut self, subjects: BTreeMap<Digest, BTreeSet<Digest>>) {
        self.subjects = Some(subjects);
    }

    /// The manifests that name a subject, if the subjects are known.
    pub(crate) fn referrers(&self, subject: &Digest) -> impl Iterator<Item = &Digest> {
        self.subjects.iter().filter_map(|subjects| subjects.get(subject)).flatten()
    }
}

fn descriptor(digest: &Digest, entry: &Entry, tag: Option<&Tag>) -> Descriptor {
    let mut annotations = entry.annotations.clone();
    if let Some(tag) = tag {
        annotations.insert(REF_NAME.to_owned(), tag.to_string());
    }
    Descriptor {
        media_type: entry.media_type.clone(),
        digest: digest.to_string(),
        size: entry.size,
        artifact_type: entry.artifact_type.clone(),
        annotations,
        other: entry.other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn entry() -> Entry {
        Entry::new("application/json".to_owned(), 2, None)
    }

    #[test]
    fn an_index_is_read_back_as_it_was_written() {
        let mut index = Index::default();
        index.insert(&digest("a"), entry(), None, &[tag("v1"), tag("latest")]);
        index.insert(&digest("b"), entry(), None, &[]);
        let read = Index::parse(&index.to_json().unwrap()).unwrap();
        assert_eq!(read.tags, index.tags);
        assert_eq!(read.manifests, index.manifests);
    }

    #[test]
    fn a_moved_tag_leaves_its_manifest() {
        let mut index = Index::default();
        index.insert(&digest("a"), entry(), None, &[tag("latest")]);
        index.insert(&digest("b"), entry(), None, &[tag("latest")]);
        let read = Index::parse(&index.to_json().unwrap()).unwrap();
        assert_eq!(read.tag(&tag("latest")), Some(&digest("b")));
        assert!(read.manifest(&digest("a")).is_some());
    }

    #[test]
    fn a_deleted_manifest_takes_its_tags_along() {
        let mut index = Index::default();
        index.insert(&digest("a"), entry(), None, &[tag("v1"), tag("v2")]);
        assert!(index.remove_manifest(&digest("a")));
        assert!(!index.remove_manifest(&digest("a")));
        assert_eq!(index.tags_after(None).count(), 0);
    }

    #[test]
    fn fields_of_other_tools_survive() {
        let text = format!(
            r#"{{"schemaVersion":2,"annotations":{{"x":"y"}},"manifests":[{{"mediaType":"m","digest":"{}","size":2,
            "platform":{{"os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"docker.io/x:y","k":"v"}}}}]}}"#,
            digest("a")
        );
        let index = Index::parse(text.as_bytes()).unwrap();
        let written: Value = serde_json::from_slice(&index.to_json().unwrap()).unwrap();
        assert_eq!(written["annotations"]["x"], "y");
        assert_eq!(written["manifests"][0]["platform"]["os"], "linux");
        assert_eq!(written["manifests"][0]["annotations"][REF_NAME], "docker.io/x:y");
        assert_eq!(index.tags_after(None).count(), 0);
    }

    #[test]
    fn tags_come_in_byte_order_after_the_last_one() {
        let mut index = Index::default();
        index.insert(&digest("a"), entry(), None, &[tag("b"), tag("B"), tag("a"), tag("c")]);
        let after = |last| index.tags_after(last).map(Tag::as_str).collect::<Vec<_>>();
        assert_eq!(after(None), ["B", "a", "b", "c"]);
        assert_eq!(after(Some("a")), ["b", "c"]);
        assert_eq!(after(Some("aa")), ["b", "c"]);
    }
}
