//! Walking through the registry: what refers to tagged manifests and was pushed past us, or before we were there.
//!
//! One repository after the other, one replica at a time, from where the last one stopped; and never with more than a tenth of the
//! registry's time, for it reads a whole repository to list what refers to one manifest.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{EvidenceIndex, Subject};
use crate::app::App;
use crate::error::Result;
use crate::index::{SbomScope, ScopeKind};
use crate::oci::Name;
use crate::supply_chain::collect;
use crate::supply_chain::referrer::{Kind, ReferrerTag};

/// How often it is asked whether the walk is due.
const ROUND: Duration = Duration::from_secs(60);

/// How long nobody else walks; a repository that takes longer is begun again by somebody.
const LEASE: Duration = Duration::from_secs(3600);

/// Tags of one repository that are looked at.
const TAGS: u32 = 1000;

/// What the registry rests for each moment that it was asked.
const REST: u32 = 9;

impl EvidenceIndex {
    pub(super) async fn crawl(&self, app: &App) {
        if app.config.supply_chain.reconcile_interval.is_zero() {
            return;
        }
        loop {
            sleep(ROUND.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await;
            if let Err(error) = self.walk(app).await {
                tracing::debug!("the walk through the registry waits: {}", error.for_log());
            }
        }
    }

    /// Goes on from where the last one has stopped, to the end, where that is due.
    ///
    /// # Errors
    /// `UpstreamUnavailable`, `IndexUnavailable`: it goes on from there.
    pub async fn walk(&self, app: &App) -> Result<()> {
        let Some(mut repository) = app.index.claim_crawl(LEASE).await? else { return Ok(()) };
        loop {
            let (names, _) = app.store.catalog(&repository, 1).await?;
            let Some(name) = names.into_iter().next().filter(|name| *name > repository) else {
                return app.index.crawled("", app.config.supply_chain.reconcile_interval).await;
            };
            let is_theirs = Name::parse(&name).is_some_and(|parsed| !parsed.is_reserved(&app.config.store.prefix));
            if is_theirs {
                self.walk_through(app, &name).await?;
            }
            repository = name;
            app.index.crawled(&repository, LEASE).await?;
        }
    }

    /// Has those of a repository's tagged manifests looked at that something refers to.
    async fn walk_through(&self, app: &App, name: &str) -> Result<()> {
        let (tags, _) = app.store.tags(name, "", TAGS).await?;
        for tag in tags.iter().filter(|tag| ReferrerTag::parse(tag).is_none()) {
            let begun = Instant::now();
            let Some(manifest) = app.store.get_manifest(name, tag).await? else { continue };
            let scope = SbomScope { kind: ScopeKind::Repository, name: name.to_owned() };
            let subject = Subject { scope, digest: manifest.digest };
            if let Some(found) = subject.find(app).await? {
                let (listed, _) = collect::list(app, &found.artifact).await?;
                if listed.iter().any(|listed| listed.kinds != [Kind::Other]) {
                    app.index.expect_evidence(&subject.scope, &subject.digest).await?;
                    self.0.due.notify_one();
                }
            }
            sleep(begun.elapsed() * REST).await;
        }
        Ok(())
    }
}
