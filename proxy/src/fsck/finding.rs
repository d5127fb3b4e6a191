//! [`Finding`]: one thing that does not fit, where it is, and what became of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::index::fsck::{BadObject, BadPart, BlobName};

macro_rules! kinds {
    ($($variant:ident $name:literal $help:literal;)+) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $help] $variant,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it means.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

kinds! {
    MissingBlob "missing_blob" "The registry does not have a blob that something names.";
    WrongSize "wrong_size" "The registry's blob has another size than the index says.";
    CorruptBlob "corrupt_blob" "The bytes that the registry sends for a blob have another digest.";
    UnreadableBlob "unreadable_blob" "The registry fails again and again on this blob, and answers otherwise.";
    OrphanBlob "orphan_blob" "Nothing names or pins a blob, or the index does not know it, so that no sweep would ever look at it.";
    StuckBlob "stuck_blob" "A blob was condemned long ago, and is not forgotten yet.";
    NoBytes "no_bytes" "An object has a size and nowhere any bytes.";
    WrongSegments "wrong_segments" "The segments of an object do not make up its bytes.";
    SegmentOutsideBlob "segment_outside_blob" "A segment reaches beyond its blob, or the index does not know the blob.";
    WrongParts "wrong_parts" "The parts of an object or of an upload do not fit their segments.";
    NotLatest "not_latest" "The newest version of a key does not count as its latest.";
    WrongManifestDigest "wrong_manifest_digest" "An object's digests are not those of its bytes and its manifest.";
    Undigested "undigested" "An object's digest is not known, and it does not wait for being read.";
    WrongCounter "wrong_counter" "A bucket is counted to hold more or less than it does.";
    WrongPlacement "wrong_placement" "A bucket's placement counts as one whose bucket is gone, or lacks repositories.";
    DanglingPin "dangling_pin" "A pin protects a blob that the index does not know.";
    OverduePin "overdue_pin" "A pin was due long ago, and no sweep has taken it.";
    LastingPin "lasting_pin" "A pin lasts longer than any is made for.";
    StaleSession "stale_session" "An upload session at the registry was to be cancelled long ago.";
    MissingManifest "missing_manifest" "The registry does not have the manifest of something that refers to an artifact.";
    UnreadableManifest "unreadable_manifest" "The registry's manifest cannot be read, or has another digest.";
    OrphanManifest "orphan_manifest" "No row names a manifest in a repository of ours.";
    UnexpectedManifest "unexpected_manifest" "A repository of bytes holds a manifest.";
    UnknownRepository "unknown_repository" "A repository bears a name of ours and was never made by this index.";
    LeftoverUpload "leftover_upload" "The registry's folder has a file of an upload that ended long ago.";
}

impl Kind {
    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What may be mended. All of it is off unless asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repair {
    /// Counts are set right.
    Counters,
    /// What nothing names is given to the sweepers.
    Orphans,
    /// Upload sessions that are long over are cancelled and forgotten.
    Sessions,
    /// A blob that is missing is copied back from another repository of ours, where that has it.
    Copies,
}

impl Repair {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Counters, Self::Orphans, Self::Sessions, Self::Copies];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Orphans => "orphans",
            Self::Sessions => "sessions",
            Self::Copies => "copies",
        }
    }
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Mended {
    /// Nothing was tried.
    #[default]
    Untried,
    /// It was mended, and how.
    Done(String),
    /// It could not be, and why.
    Failed(String),
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// The part of the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_number: Option<i32>,
    /// The repository at the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The blob or manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
    /// What was done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
    /// Why a repair that was asked for could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_repaired: Option<String>,
}

impl Finding {
    /// A finding of which nothing is known but this.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            bucket: None,
            key: None,
            version_id: None,
            upload_id: None,
            part_number: None,
            repository: None,
            digest: None,
            detail: detail.into(),
            repaired: None,
            not_repaired: None,
        }
    }

    pub(super) fn of_object(kind: Kind, object: &BadObject) -> Self {
        Self {
            bucket: Some(object.bucket.clone()),
            key: Some(object.key.clone()),
            version_id: Some(object.version_id.clone()),
            ..Self::new(kind, kind.help())
        }
    }

    pub(super) fn of_part(kind: Kind, part: &BadPart) -> Self {
        Self {
            bucket: Some(part.bucket.clone()),
            key: Some(part.key.clone()),
            upload_id: Some(part.upload_id.clone()),
            part_number: Some(part.part_number),
            ..Self::new(kind, kind.help())
        }
    }

    pub(super) fn named_by(mut self, name: BlobName) -> Self {
        self.bucket = Some(name.bucket);
        self.key = Some(name.key);
        self.version_id = name.version_id;
        self.upload_id = name.upload_id;
        self.part_number = name.part_number;
        self
    }

    pub(super) fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    pub(super) fn at(mut self, repository: &str) -> Self {
        self.repository = Some(repository.to_owned());
        self
    }

    pub(super) fn digest(mut self, digest: &Digest) -> Self {
        self.digest = Some(digest.to_string());
        self
    }

    pub(super) fn mended(mut self, mended: Mended) -> Self {
        match mended {
            Mended::Untried => {}
            Mended::Done(how) => self.repaired = Some(how),
            Mended::Failed(why) => self.not_repaired = Some(why),
        }
        self
    }

    /// Whether it is still there.
    #[must_use]
    pub const fn is_left(&self) -> bool {
        self.repaired.is_none()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(bucket) = &self.bucket {
            // Keys may hold anything, also what moves a terminal's cursor.
            let key = self.key.as_deref().unwrap_or_default().escape_debug();
            write!(f, " s3://{bucket}/{key}")?;
        }
        if let Some(version) = &self.version_id {
            write!(f, " version {version}")?;
        }
        if let Some(upload) = &self.upload_id {
            write!(f, " upload {upload}")?;
        }
        if let Some(part) = self.part_number {
            write!(f, " part {part}")?;
        }
        match (&self.repository, &self.digest) {
            (Some(repository), Some(digest)) => write!(f, " {repository}@{digest}")?,
            (Some(one), None) | (None, Some(one)) => write!(f, " {one}")?,
            (None, None) => {}
        }
        write!(f, ": {}", self.detail)?;
        if let Some(how) = &self.repaired {
            write!(f, " Repaired: {how}")?;
        }
        if let Some(why) = &self.not_repaired {
            write!(f, " Not repaired: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_found_by_it() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| Kind::parse(kind.as_str()) == Some(*kind)));
    }

    #[test]
    fn a_finding_says_where_it_is_and_what_was_done_in_words_and_in_json() {
        let finding = Finding::new(Kind::MissingBlob, "It is gone.")
            .bucket("b")
            .at("s3/1/00")
            .digest(&Digest::of(b"x"))
            .mended(Mended::Done("copied".to_owned()));
        let digest = Digest::of(b"x");
        assert_eq!(finding.to_string(), format!("missing_blob s3://b/ s3/1/00@{digest}: It is gone. Repaired: copied"));
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["kind"], "missing_blob");
        assert_eq!(json["digest"], digest.to_string());
        assert_eq!(json["repaired"], "copied");
        assert!(json.get("key").is_none() && json.get("not_repaired").is_none());
        assert!(!finding.is_left());
    }

    #[test]
    fn a_key_cannot_move_the_cursor_of_a_terminal() {
        let mut finding = Finding::new(Kind::NoBytes, "x").bucket("b");
        finding.key = Some("\u{1b}[2J".to_owned());
        assert!(!finding.to_string().contains('\u{1b}'));
    }
}
