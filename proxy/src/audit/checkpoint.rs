//! Checkpoints: one signed note over the heads of all chains that have moved since the last one.
//!
//! The note is a C2SP `tlog-checkpoint`: origin, number of leaves, Merkle root (RFC 6962, section 2.1), and lines of our
//! own. Each names the hash of the one before, so that heads which stand still stay covered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::note::Signer;
use super::record::INSTANT;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::{AuditCheckpoint, AuditHead, Index, MovedHead};

/// The name of the log of a deployment, and of the key that signs it.
#[must_use]
pub fn origin(prefix: &str) -> String {
    format!("zas-audit/{prefix}")
}

/// A head as checkpoints write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) writer: Uuid,
    pub(super) number: i64,
    /// Hex.
    pub(super) hash: String,
}

impl From<&AuditHead> for Head {
    fn from(head: &AuditHead) -> Self {
        Self { writer: head.writer, number: head.number, hash: hex::encode(&head.hash) }
    }
}

/// The lines of a note that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) number: i64,
    pub(super) root: String,
    pub(super) time: OffsetDateTime,
    pub(super) previous: String,
}

/// Makes the next checkpoint, where it is due: something is new, and it is `fresh` records or `age` seconds old. Whether
/// there is a new one.
/// # Errors
/// `IndexUnavailable`.
pub async fn make(index: &Index, signer: &Signer, age: time::Duration, fresh: u64) -> Result<bool> {
    let heads = index.moved_audit_heads().await?;
    if heads.is_empty() {
        return Ok(false);
    }
    let last = index.last_audit_checkpoint().await?;
    let now = OffsetDateTime::now_utc();
    let records: i64 = heads.iter().map(|moved| moved.fresh).sum();
    let is_due = last.as_ref().is_none_or(|last| now - last.made_at >= age) || records.unsigned_abs() >= fresh;
    if !is_due {
        return Ok(false);
    }
    let checkpoint = next(signer, last.as_ref(), &heads, now)?;
    index.add_audit_checkpoint(&checkpoint, &heads).await
}

fn next(
    signer: &Signer,
    last: Option<&AuditCheckpoint>,
    moved: &[MovedHead],
    now: OffsetDateTime,
) -> Result<AuditCheckpoint> {
    let heads: Vec<Head> = moved.iter().map(|moved| Head::from(&moved.head)).collect();
    let number = last.map_or(1, |last| last.number + 1);
    let root = root(&heads).ok_or_else(|| Error::internal("a head's hash has not 32 bytes"))?;
    let text = format!(
        "{}\n{}\n{}\ncheckpoint {number}\ntime {}\nrecords {}\nprevious {}\n",
        signer.verifier().name(),
        heads.len(),
        BASE64.encode(root.as_bytes()),
        now.format(INSTANT).map_err(Error::internal)?,
        moved.iter().map(|moved| moved.records).sum::<i64>(),
        previous(last.map(|last| last.note.as_str())),
    );
    let heads = serde_json::to_string(&heads).map_err(Error::internal)?;
    Ok(AuditCheckpoint { number, made_at: now, note: signer.sign(&text), heads })
}

/// What a note says of the one before it.
pub(super) fn previous(note: Option<&str>) -> String {
    BASE64.encode(note.map_or([0; 32], |note| *Digest::of(note.as_bytes()).as_bytes()))
}

/// The lines of a text whose signature was checked; `None` where it is no checkpoint of this origin.
pub(super) fn parse(text: &str, origin: &str) -> Option<Lines> {
    let mut lines = text.lines();
    if lines.next()? != origin {
        return None;
    }
    let _: u64 = lines.next()?.parse().ok()?;
    let root = lines.next()?.to_owned();
    let number = lines.next()?.strip_prefix("checkpoint ")?.parse().ok()?;
    let time = lines.next()?.strip_prefix("time ")?;
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    let previous = lines.find_map(|line| line.strip_prefix("previous "))?.to_owned();
    Some(Lines { number, root, time, previous })
}

/// The Merkle tree hash over heads (RFC 6962, section 2.1); `None` where a hash is none.
pub(super) fn root(heads: &[Head]) -> Option<Digest> {
    let leaves: Option<Vec<Digest>> = heads.iter().map(leaf).collect();
    Some(tree(&leaves?))
}

fn leaf(head: &Head) -> Option<Digest> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(head.writer.as_bytes());
    bytes.extend_from_slice(&head.number.to_be_bytes());
    let hash = hex::decode(&head.hash).ok().filter(|hash| hash.len() == 32)?;
    bytes.extend_from_slice(&hash);
    Some(Digest::of(&bytes))
}

fn tree(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        _ => {
            // The largest power of two that is smaller than their number.
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let mut bytes = vec![1];
            bytes.extend_from_slice(tree(left).as_bytes());
            bytes.extend_from_slice(tree(right).as_bytes());
            Digest::of(&bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::generate_key;

    fn head(number: i64) -> Head {
        Head { writer: Uuid::nil(), number, hash: "00".repeat(32) }
    }

    #[test]
    fn the_tree_is_that_of_rfc_6962() {
        let leaves: Vec<Digest> = (1..=3).map(|n| leaf(&head(n)).unwrap()).collect();
        let node = |a: &Digest, b: &Digest| Digest::of(&[&[1], &a.as_bytes()[..], &b.as_bytes()[..]].concat());
        assert_eq!(tree(&[]), Digest::of(b""));
        assert_eq!(tree(&leaves[..1]), leaves[0]);
        assert_eq!(tree(&leaves[..2]), node(&leaves[0], &leaves[1]));
        assert_eq!(tree(&leaves), node(&node(&leaves[0], &leaves[1]), &leaves[2]));
    }

    #[test]
    fn every_head_counts_and_so_does_their_order() {
        let roots = [root(&[head(1), head(2)]), root(&[head(2), head(1)]), root(&[head(1)]), root(&[head(1), head(3)])];
        for (i, one) in roots.iter().enumerate() {
            assert!(roots.iter().skip(i + 1).all(|other| one != other));
        }
        assert_eq!(root(&[Head { hash: "00".into(), ..head(1) }]), None);
    }

    #[test]
    fn a_checkpoint_is_numbered_and_names_the_one_before() {
        let signer = Signer::from_pem(&generate_key().unwrap(), "zas-audit/s3").unwrap();
        let moved =
            MovedHead { head: AuditHead { writer: Uuid::nil(), number: 1, hash: vec![0; 32] }, records: 5, fresh: 5 };
        let first = next(&signer, None, std::slice::from_ref(&moved), OffsetDateTime::UNIX_EPOCH).unwrap();
        let second = next(&signer, Some(&first), &[moved], OffsetDateTime::UNIX_EPOCH).unwrap();
        let lines = parse(signer.verifier().open(&second.note).unwrap(), "zas-audit/s3").unwrap();
        assert_eq!((lines.number, lines.previous), (2, previous(Some(&first.note))));
        assert_eq!(lines.time, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(lines.root, BASE64.encode(root(&[head(1)]).unwrap().as_bytes()));
        assert_eq!(parse(signer.verifier().open(&second.note).unwrap(), "another"), None);
    }
}
