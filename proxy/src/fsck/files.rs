//! Blobs in the registry's folder that the index does not know: asked for with `--registry-root`, where fsck runs beside the registry.
//!
//! Every blob has its row before its first byte is sent, and keeps it until it was deleted (docs/architecture.md, "The blob
//! invariant"); so one that the registry has, and that has no row before and after it was seen, is an orphan. Nothing in the folder is
//! changed here. A repository's folder is walked in the order in which the file system gives it, and so as a whole: a run that was
//! killed begins with the repository again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::blobs::repair_record;
use super::finding::Mended;
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Repair, Tally};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::BlobRef;
use crate::index::fsck::CheckedRepository;

/// Names of files that are looked up at once.
const BATCH: usize = 500;

/// Batches that wait to be looked up.
const AHEAD: usize = 2;

impl Walk<'_> {
    pub(super) async fn files(&mut self) -> Result<()> {
        let context = self.context;
        let Some(root) = &context.options.registry_root else { return Ok(()) };
        context.expect_root(root).await?;
        loop {
            let page = context.index.fsck_repositories(self.place()?.unwrap_or(0), context.effort.page).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.each(page, |found| json!(found.repository.id), |found| context.folder(root, found)).await?;
        }
    }
}

impl Context {
    /// A wrong folder must not look like one without orphans.
    async fn expect_root(&self, root: &Path) -> Result<()> {
        let below = root.join(&self.prefix);
        if below.is_dir() || (root.is_dir() && self.index.fsck_blobs(None, 1).await?.is_empty()) {
            return Ok(());
        }
        Err(Error::internal(format!(
            "{} is not there: is --registry-root the folder of the store of S3 bytes?",
            below.display()
        )))
    }

    async fn folder(&self, root: &Path, checked: CheckedRepository) -> Result<Tally> {
        let mut found = Found::new(self);
        if checked.repository.store != self.store.name() {
            return Ok(found.tally);
        }
        let folder = root.join(&checked.repository.name);
        let mut blobs = names_in(folder.join("blobs").join("sha256"), Duration::ZERO);
        while let Some(names) = blobs.recv().await {
            let names = names?;
            found.tally.looked_at(Phase::Files, names.len() as u64);
            // Whatever has another name is no blob.
            let digests: Vec<Digest> = names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect();
            self.blob_files(&checked, digests, &mut found).await?;
        }
        let old = self.config.session_ttl.max(self.options.stale_after);
        let mut uploads = names_in(folder.join(".uploads"), old);
        while let Some(names) = uploads.recv().await {
            for name in names? {
                let detail = format!("The file .uploads/{} has not changed for {old:?}.", name.escape_debug());
                found.report(&Finding::new(Kind::LeftoverUpload, detail).at(&checked.repository.name));
            }
        }
        Ok(found.tally)
    }

    async fn blob_files(&self, checked: &CheckedRepository, digests: Vec<Digest>, found: &mut Found<'_>) -> Result<()> {
        let known = self.index.fsck_known_blobs(checked.repository.id, &digests).await?;
        for digest in digests.into_iter().filter(|digest| !known.contains(digest)) {
            // The registry says the size, and that it takes the file for a blob.
            let Ok(Some(size)) = self.head(&checked.repository.name, &digest).await? else { continue };
            let blob = BlobRef { repository_id: checked.repository.id, digest };
            if self.index.fsck_blob(blob).await?.is_some() {
                continue;
            }
            let mended = if self.repairs(Repair::Orphans) {
                let record = repair_record("AdoptOrphan").reference(&checked.repository.name).digest(digest);
                match self.index.fsck_adopt(blob, size, self.config.pin_ttl, &[record]).await {
                    Ok(()) => Mended::Done(format!("made known, and left to the sweep in {:?}", self.config.pin_ttl)),
                    Err(error) if error.code() == Code::OperationAborted => continue,
                    Err(error) => return Err(error),
                }
            } else {
                Mended::Untried
            };
            let finding = Finding::new(Kind::OrphanBlob, format!("The index does not know its {size} bytes."));
            found.report(&finding.at(&checked.repository.name).digest(&digest).mended(mended));
        }
        Ok(())
    }
}

/// Names of the files in a folder that have not changed for `age`, batch by batch; none where there is no folder.
fn names_in(folder: PathBuf, age: Duration) -> mpsc::Receiver<Result<Vec<String>>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let sent = send_names(&folder, age, &sender);
        if let Err(error) =
            sent.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        {
            // Nobody listens where the run has ended.
            let _ = sender.blocking_send(Err(Error::internal(format!("{}: {error}", folder.display()))));
        }
    });
    receiver
}

fn send_names(folder: &Path, age: Duration, sender: &mpsc::Sender<Result<Vec<String>>>) -> io::Result<()> {
    let mut names = Vec::with_capacity(BATCH);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !age.is_zero() && !is_older(&entry, age) {
            continue;
        }
        names.extend(entry.file_name().into_string());
        if names.len() >= BATCH && sender.blocking_send(Ok(std::mem::take(&mut names))).is_err() {
            return Ok(());
        }
    }
    if !names.is_empty() {
        let _ = sender.blocking_send(Ok(names));
    }
    Ok(())
}

/// A file that is gone by now is not.
fn is_older(entry: &std::fs::DirEntry, age: Duration) -> bool {
    let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|elapsed| elapsed >= age)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(folder: &Path, age: Duration) -> Result<Vec<String>> {
        let (mut receiver, mut all) = (names_in(folder.to_owned(), age), Vec::new());
        while let Some(names) = receiver.recv().await {
            let names = names?;
            assert!(names.len() <= BATCH);
            all.extend(names);
        }
        all.sort();
        Ok(all)
    }

    #[tokio::test]
    async fn every_name_comes_once_and_a_folder_that_is_not_there_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..2 * BATCH + 1).map(|n| format!("{n:05}")).collect();
        for name in &names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(all(folder.path(), Duration::ZERO).await.unwrap(), names);
        assert!(all(folder.path(), Duration::from_secs(3600)).await.unwrap().is_empty(), "all of them are new");
        assert!(all(&folder.path().join("none"), Duration::ZERO).await.unwrap().is_empty());
        assert!(all(&folder.path().join("00000"), Duration::ZERO).await.is_err(), "a file is no folder");
    }
}
