//! [`Known`]: the pieces of an artifact, and of the indexes that list it.

use time::OffsetDateTime;

use super::Piece;
use crate::digest::Digest;

/// What was found when somebody looked at an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// As of when; unset: nobody has looked yet.
    pub looked_at: Option<OffsetDateTime>,
    /// Whether nothing that refers to it was left out.
    pub is_whole: bool,
    /// Whether it holds signatures, attestations or bills of materials and nothing else.
    pub is_evidence: bool,
    /// Whether somebody who was believed has signed something of it, when somebody looked last.
    pub is_vouched_for: bool,
    /// The pieces.
    pub pieces: Vec<Piece>,
}

/// The pieces of an artifact, and of the indexes that list it: what is said of an index is said of each of its manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Of the artifact itself.
    pub own: Look,
    /// Of the indexes that list it.
    pub parents: Vec<Look>,
    /// Those of them, itself included, that something was attached to or removed from since somebody looked: what was found then counts
    /// for nothing.
    pub stale: Vec<Digest>,
}

impl Known {
    pub(super) fn looks(&self) -> impl Iterator<Item = &Look> {
        std::iter::once(&self.own).chain(&self.parents)
    }
}
