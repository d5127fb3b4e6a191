//! What was put or deleted at the registry: which artifacts it is about.

use std::time::Duration;

use serde::Deserialize;

use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::index::{Index, Push, SbomScope, ScopeKind};
use crate::store::Manifest;
use crate::supply_chain::referrer::ReferrerTag;

/// How long a request about a manifest may take before it is asked what became of it.
const GRACE: Duration = Duration::from_secs(120);

/// How often the registry is asked about a manifest that it does not give and does not say to be gone.
const ATTEMPTS: i32 = 20;

#[derive(Deserialize)]
struct Said {
    subject: Option<Named>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Named {
    digest: String,
}

/// A request about a manifest that is under way.
#[derive(Debug)]
pub struct Pushing {
    evidence: EvidenceIndex,
    index: Index,
    repository: String,
    references: Vec<String>,
}

impl Pushing {
    /// Says that it is over. Nobody waits for that.
    pub fn ended(&self) {
        let (evidence, index) = (self.evidence.clone(), self.index.clone());
        let (repository, references) = (self.repository.clone(), self.references.clone());
        tokio::spawn(async move {
            match index.pushed(&repository, &references).await {
                Ok(()) => evidence.0.due.notify_one(),
                Err(error) => {
                    tracing::debug!(repository, ?references, "a push is asked about later: {}", error.for_log());
                }
            }
        });
    }
}

impl EvidenceIndex {
    /// Writes down that a manifest is about to be put, by its digest and by each tag that is set: before anything is sent, so that none is
    /// missed. Where this replica looks at what was attached, it is told when the request is over.
    ///
    /// # Errors
    /// `IndexUnavailable`: nothing may be sent then, for a signature that goes unnoticed would count on.
    pub async fn expect_push(&self, app: &App, repository: &str, references: &[String]) -> Result<Option<Pushing>> {
        app.index.expect_push(repository, references, GRACE).await?;
        Ok(self.pushing(app, repository, references))
    }

    /// The same of a manifest that is about to be deleted. What it has said counts no moment longer, and again where it is found to be
    /// there still.
    ///
    /// # Errors
    /// As [`expect_push`](Self::expect_push).
    pub async fn expect_deletion(&self, app: &App, repository: &str, references: &[String]) -> Result<Option<Pushing>> {
        let concerned = app.index.expect_deletion(repository, references, GRACE).await?;
        // The notice comes to this replica too, and not before the answer.
        for digest in concerned {
            let scope = SbomScope { kind: ScopeKind::Repository, name: repository.to_owned() };
            self.was_told_of(&Subject { scope, digest });
        }
        Ok(self.pushing(app, repository, references))
    }

    fn pushing(&self, app: &App, repository: &str, references: &[String]) -> Option<Pushing> {
        app.config.supply_chain.index_evidence.then(|| Pushing {
            evidence: self.clone(),
            index: app.index.clone(),
            repository: repository.to_owned(),
            references: references.to_vec(),
        })
    }

    /// Finds out what a push is about, and has that looked at.
    pub(super) async fn follow(&self, app: &App, push: &Push) -> Result<()> {
        let manifest = match app.store.get_manifest(&push.repository, &push.reference).await {
            Err(error) if error.code() == Code::InternalError && push.attempts > ATTEMPTS => {
                tracing::warn!("a manifest cannot be had of the registry, and is passed over: {}", error.for_log());
                None
            }
            manifest => manifest?,
        };
        let scope = SbomScope { kind: ScopeKind::Repository, name: push.repository.clone() };
        for subject in about(&push.reference, manifest.as_ref()) {
            app.index.expect_evidence(&scope, &subject).await?;
        }
        if let (None, Ok(digest)) = (&manifest, push.reference.parse::<Digest>()) {
            app.index.forget_manifest(&push.repository, &digest).await?;
        }
        app.index.forget_push(push).await
    }
}

/// The artifacts that a manifest under this tag or digest is about: its subject, that of its tag; and an index itself, for what is said of
/// it is said of its manifests.
fn about(reference: &str, manifest: Option<&Manifest>) -> Vec<Digest> {
    let tagged = match ReferrerTag::parse(reference) {
        Some(ReferrerTag::One { subject, .. } | ReferrerTag::List(subject)) => Some(subject),
        None => None,
    };
    let said = manifest.and_then(|manifest| Some((manifest, serde_json::from_slice::<Said>(&manifest.bytes).ok()?)));
    let subject = said.as_ref().and_then(|(_, said)| said.subject.as_ref()?.digest.parse().ok());
    // The list that clients keep of referrers is no artifact.
    let index =
        said.filter(|(_, said)| said.manifests.is_some() && tagged.is_none()).map(|(manifest, _)| manifest.digest);
    let mut about: Vec<Digest> = tagged.into_iter().chain(subject).chain(index).collect();
    about.dedup();
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::manifest::legacy_tag;
    use serde_json::{Value, json};

    fn manifest(value: &Value) -> Manifest {
        let bytes = value.to_string().into_bytes();
        Manifest { media_type: String::new(), digest: Digest::of(&bytes), bytes: bytes.into() }
    }

    #[test]
    fn a_push_is_about_what_it_refers_to_and_an_index_about_itself() {
        let subject = Digest::of(b"subject");
        let referrer = manifest(&json!({"layers": [], "subject": {"digest": subject.to_string()}}));
        let by_digest = referrer.digest.to_string();
        assert_eq!(about(&by_digest, Some(&referrer)), [subject]);
        assert_eq!(about(&legacy_tag(&subject, "sig"), Some(&manifest(&json!({"layers": []})))), [subject]);
        assert_eq!(about(&legacy_tag(&subject, "att"), Some(&referrer)), [subject]);
        assert_eq!(about(&legacy_tag(&subject, "sig"), None), [subject]);
        let index = manifest(&json!({"manifests": []}));
        assert_eq!(about("v1", Some(&index)), [index.digest]);
        assert_eq!(about(&format!("sha256-{}", subject.hex()), Some(&index)), [subject]);
    }

    #[test]
    fn an_image_and_what_is_no_manifest_are_about_nothing() {
        assert!(about("v1", Some(&manifest(&json!({"layers": []})))).is_empty());
        assert!(about("v1", Some(&manifest(&json!("text")))).is_empty());
        assert!(about("v1", None).is_empty());
    }
}
