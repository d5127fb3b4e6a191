//! Reading what was found: manifests first, then the documents that they name, as many and as much as is read of one artifact.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::found::Found;
use super::{Collected, Content, Document, LeftOut, Listed, WhyLeftOut};
use crate::app::App;
use crate::config;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::dsse;
use crate::supply_chain::legacy::{Layer, SIMPLE_SIGNING};
use crate::supply_chain::limits::BUNDLE_BYTES;
use crate::supply_chain::manifest::{BUNDLES, Descriptor, layers};
use crate::supply_chain::verify::Evidence;

/// What is asked of the registry at once for one artifact.
const AT_ONCE: usize = 8;

/// A document that is to be read.
struct Wanted {
    carrier: Listed,
    layer: Descriptor,
}

/// What may still be read of one artifact.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    documents: u64,
    bytes: u64,
    deadline: Instant,
}

impl Budget {
    /// What is read of one artifact at once: `supply_chain.evidence_documents`, `evidence_bytes` and `evidence_timeout`.
    #[must_use]
    pub fn new(config: &config::SupplyChain) -> Self {
        Self {
            documents: u64::from(config.evidence_documents),
            bytes: config.evidence_bytes.as_u64(),
            deadline: Instant::now() + config.evidence_timeout,
        }
    }

    /// Ends after `span` at the latest.
    #[must_use]
    pub fn ending_within(self, span: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + span), ..self }
    }

    /// Without so many documents, which are known.
    #[must_use]
    pub fn without(self, documents: u64) -> Self {
        Self { documents: self.documents.saturating_sub(documents), ..self }
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Whether there is room for documents of these sizes, in bytes.
    fn fits(&self, sizes: impl Iterator<Item = u64>) -> bool {
        let (documents, bytes) = sizes.fold((0_u64, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
        documents <= self.documents && bytes <= self.bytes
    }

    /// Takes room for a document; whether there was.
    fn take(&mut self, size: u64) -> bool {
        if !self.fits(std::iter::once(size)) {
            return false;
        }
        self.documents -= 1;
        self.bytes -= size;
        true
    }
}

/// How far reading may go.
struct Reader<'a> {
    app: &'a App,
    repository: &'a str,
    budget: &'a mut Budget,
    collected: Collected,
}

/// Reads what was found, in its order.
pub(super) async fn read(app: &App, artifact: &Artifact, found: Vec<Found>) -> Result<Collected> {
    let mut budget = Budget::new(&app.config.supply_chain);
    let mut reader = Reader::new(app, artifact, &mut budget);
    let wanted = reader.manifests(found).await?;
    let wanted = reader.within_bounds(wanted)?;
    reader.documents(wanted).await?;
    Ok(reader.collected)
}

/// Reads one thing that was found, if there is room for all of it: otherwise nothing of it is read, and the room is for others.
pub(super) async fn read_one(app: &App, artifact: &Artifact, found: Found, budget: &mut Budget) -> Result<Collected> {
    let mut reader = Reader::new(app, artifact, budget);
    let listed = found.listed.clone();
    let wanted = reader.manifests(vec![found]).await?;
    if !reader.budget.fits(wanted.iter().map(|document| document.layer.size).filter(|size| is_read(*size))) {
        reader.leave_out(&listed, WhyLeftOut::TooMuch);
        return Ok(reader.collected);
    }
    let wanted = reader.within_bounds(wanted)?;
    reader.documents(wanted).await?;
    Ok(reader.collected)
}

/// Whether a document of so many bytes is read at all.
const fn is_read(size: u64) -> bool {
    size <= BUNDLE_BYTES as u64
}

impl<'a> Reader<'a> {
    fn new(app: &'a App, artifact: &'a Artifact, budget: &'a mut Budget) -> Self {
        Self { app, repository: artifact.referrers_at(), budget, collected: Collected::default() }
    }
}

impl Reader<'_> {
    /// The documents that the manifests name.
    async fn manifests(&mut self, found: Vec<Found>) -> Result<Vec<Wanted>> {
        let (app, repository, deadline) = (self.app, self.repository, self.budget.deadline);
        let each = found.into_iter().map(|found| async move {
            let bytes = match found.manifest {
                Some(bytes) => Ok(Some(bytes)),
                None => {
                    let digest = found.listed.digest.to_string();
                    let manifest = within(deadline, app.store.get_manifest(repository, &digest)).await;
                    manifest.map(|manifest| manifest.flatten().map(|manifest| manifest.bytes))
                }
            };
            (found.listed, bytes)
        });
        let read: Vec<(Listed, Result<Option<Bytes>>)> = stream::iter(each).buffered(AT_ONCE).collect().await;
        let mut wanted = Vec::new();
        for (listed, bytes) in read {
            match bytes? {
                Some(bytes) => match documents_of(&bytes) {
                    Some(layers) => {
                        wanted.extend(layers.into_iter().map(|layer| Wanted { carrier: listed.clone(), layer }));
                    }
                    None => self.leave_out(&listed, WhyLeftOut::Unreadable),
                },
                None if Instant::now() >= deadline => self.leave_out(&listed, WhyLeftOut::TooLate),
                None => self.leave_out(&listed, WhyLeftOut::Unreadable),
            }
        }
        Ok(wanted)
    }

    /// What of it is read. The memory for it is taken before anything is.
    fn within_bounds(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Wanted>> {
        let mut kept = Vec::new();
        for document in wanted {
            let size = document.layer.size;
            if !is_read(size) {
                self.leave_out(&document.carrier, WhyLeftOut::TooLarge);
            } else if !self.budget.take(size) {
                self.leave_out(&document.carrier, WhyLeftOut::TooMuch);
            } else {
                let memory = self.app.documents.take(size).ok_or_else(|| {
                    Error::from(Code::SlowDown).detail("supply_chain.memory is in use by documents of other requests")
                })?;
                self.collected.memory.push(memory);
                kept.push(document);
            }
        }
        Ok(kept)
    }

    async fn documents(&mut self, wanted: Vec<Wanted>) -> Result<()> {
        let (app, repository, deadline) = (self.app, self.repository, self.budget.deadline);
        let each = wanted.into_iter().map(|wanted| async move {
            let bytes = within(deadline, blob(app, repository, &wanted.layer)).await;
            (wanted, bytes)
        });
        let read: Vec<_> = stream::iter(each).buffered(AT_ONCE).collect().await;
        for (wanted, bytes) in read {
            match bytes? {
                Some(Some(bytes)) => self.collected.documents.push(document(wanted, bytes)),
                Some(None) => self.leave_out(&wanted.carrier, WhyLeftOut::Unreadable),
                None => self.leave_out(&wanted.carrier, WhyLeftOut::TooLate),
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, listed: &Listed, why: WhyLeftOut) {
        let what = listed.tag.clone().unwrap_or_else(|| listed.digest.to_string());
        self.collected.left_out.push(LeftOut { what: Some(what), why });
    }
}

/// Until the deadline; `None` where it has passed.
async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    timeout_at(deadline, work).await.ok().transpose()
}

/// The layers of a manifest that are documents; `None` where it is none, or says to hold a bundle and holds more.
fn documents_of(manifest: &[u8]) -> Option<Vec<Descriptor>> {
    let layers = layers(manifest).ok()?;
    let is_bundle = layers.iter().any(|layer| layer.media_type.starts_with(BUNDLES));
    (!is_bundle || layers.len() == 1).then_some(layers)
}

/// The bytes of a blob; `None` where it is not what its manifest says.
async fn blob(app: &App, repository: &str, layer: &Descriptor) -> Result<Option<Vec<u8>>> {
    let stream = app.store.get_blob(repository, &layer.digest, layer.size, 0..layer.size).await;
    let read = async {
        stream?
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    };
    match read.await {
        Ok(bytes) if Digest::of(&bytes) == layer.digest => Ok(Some(bytes)),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.code(), Code::UpstreamUnavailable | Code::SlowDown) => Err(error),
        // Whoever has attached it has named a blob that is not there, or is of another size.
        Err(error) => {
            tracing::debug!(repository, digest = %layer.digest, "a document is not read: {}", error.for_log());
            Ok(None)
        }
    }
}

fn document(wanted: Wanted, bytes: Vec<u8>) -> Document {
    let Wanted { carrier, layer } = wanted;
    let media_type = layer.media_type.as_str();
    let content = if media_type.starts_with(BUNDLES) {
        Content::Evidence(Evidence::Bundle(bytes))
    } else if media_type == SIMPLE_SIGNING || media_type == dsse::MEDIA_TYPE {
        let annotations = layer.annotations.clone();
        Content::Evidence(Evidence::Legacy(Layer { media_type: media_type.to_owned(), bytes, annotations }))
    } else if media_type == dsse::IN_TOTO {
        Content::Statement(bytes)
    } else {
        Content::Other(bytes)
    };
    Document { carrier, digest: layer.digest, media_type: layer.media_type, annotations: layer.annotations, content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::bundle;
    use serde_json::{Value, json};

    fn manifest(types: &[&str]) -> Vec<u8> {
        let layer =
            |media_type: &&str| json!({"mediaType": media_type, "digest": Digest::of(b"x").to_string(), "size": 1});
        let layers: Vec<Value> = types.iter().map(layer).collect();
        json!({"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": Digest::of(b"{}").to_string(), "size": 2},
            "layers": layers})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn what_is_read_of_one_artifact_is_counted_over_all_that_refers_to_it() {
        let config = config::SupplyChain {
            evidence_documents: 3,
            evidence_bytes: bytesize::ByteSize::b(10),
            ..config::SupplyChain::default()
        };
        let mut budget = Budget::new(&config);
        assert!(budget.fits([4, 4].into_iter()) && !budget.fits([4, 7].into_iter()));
        assert!(!budget.fits([1, 1, 1, 1].into_iter()));
        assert!(budget.take(4) && !budget.take(7) && budget.take(6));
        assert!(!budget.take(1), "all bytes were read");
        assert!(!budget.without(1).take(0), "and all documents, with one that is known");
        assert!(!budget.is_over() && budget.ending_within(Duration::ZERO).is_over());
    }

    #[test]
    fn a_bundle_stands_alone_as_cosign_wants_it() {
        assert_eq!(documents_of(&manifest(&[bundle::MEDIA_TYPE])).map(|layers| layers.len()), Some(1));
        assert!(documents_of(&manifest(&[bundle::MEDIA_TYPE, "text/plain"])).is_none());
        assert_eq!(documents_of(&manifest(&["text/plain", "text/plain"])).map(|layers| layers.len()), Some(2));
        assert!(documents_of(b"{}").is_none());
    }

    #[test]
    fn a_document_is_what_its_layer_says() {
        let read = |media_type: &str| {
            let layer = Descriptor::of(media_type, b"bytes");
            let carrier = Listed {
                digest: Digest::of(b"m"),
                size: 1,
                artifact_type: None,
                kinds: Vec::new(),
                annotations: Default::default(),
                subject: Digest::of(b"s"),
                tag: None,
            };
            document(Wanted { carrier, layer }, b"bytes".to_vec())
        };
        assert!(matches!(read(bundle::MEDIA_TYPE).content, Content::Evidence(Evidence::Bundle(_))));
        assert!(matches!(read(SIMPLE_SIGNING).content, Content::Evidence(Evidence::Legacy(_))));
        assert!(matches!(read(dsse::MEDIA_TYPE).content, Content::Evidence(Evidence::Legacy(_))));
        assert!(matches!(read(dsse::IN_TOTO).content, Content::Statement(_)));
        assert!(matches!(read("application/spdx+json").content, Content::Other(_)));
        assert_eq!(read("application/spdx+json").bytes(), b"bytes");
    }
}
