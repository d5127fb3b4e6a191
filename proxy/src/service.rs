//! [`Service`]: the sidecar as one thing that starts, runs and drains.
//!
//! What lives here: the order in which the parts start and stop, and what would keep them from starting. What does not: the parts.

mod check;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::app::App;
use crate::audit::{Keeper, Reconciler, Webhook};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::events::Sender;
use crate::gateway::Gate;
use crate::identity::Directory;
use crate::index;
use crate::lifecycle::LifecycleWorker;
use crate::listener::{ListenError, Listener};
use crate::store::zot_config::{self, Finding, Findings};
use crate::supply_chain::signing::RuleSigner;
use crate::supply_chain::verification::Upkeep;

pub use check::problems;

/// How long background work may take to end after the drain.
const WORK_LIMIT: Duration = Duration::from_secs(10);

/// A sidecar whose listeners are bound.
pub struct Service {
    app: Arc<App>,
    keeper: Keeper,
    webhooks: Vec<Webhook>,
    directories: Vec<Directory>,
    listener: Listener,
    metrics_listener: Option<Listener>,
}

impl Service {
    /// Builds the application and binds the listeners. Postgres and the registry may still be down: the service then
    /// starts, is not ready, and becomes so by itself.
    /// # Errors
    /// A value of the configuration cannot be used, or an address cannot be bound.
    pub async fn start(config: Config) -> Result<Self> {
        let findings = registry_findings(&config);
        for warning in &findings.warnings {
            tracing::warn!("registry configuration: {warning}");
        }
        for refusal in &findings.refusals {
            tracing::error!("S3 writes are refused: {refusal}");
        }
        for refusal in &findings.attaching {
            tracing::error!("nothing may be attached to S3 objects: {refusal}");
        }
        if config.access_keys.is_empty() {
            tracing::warn!("no access_keys are configured: nothing but the probes is served");
        }
        if config.listen.external_host().is_none() {
            tracing::warn!(
                "listen.external_url is unset: no signature of the older form counts, for it names the registry's host"
            );
        }
        let texts = |findings: &[Finding]| findings.iter().map(ToString::to_string).collect();
        let app = App::refusing(config, texts(&findings.refusals), texts(&findings.attaching))?;
        let (keeper, webhooks) = audit_work(&app)?;
        let directories = Directory::of(&app.config.identity.issuers, &app.index, app.identity.revocations())?;
        let listener = Listener::bind(&app.config, Arc::new(Gate::new(app.clone()))).map_err(cannot_listen)?;
        let metrics_listener = match &app.config.listen.metrics_address {
            None => None,
            Some(address) => {
                let mut config = app.config.clone();
                config.listen.address.clone_from(address);
                config.listen.tls = None;
                Some(Listener::bind(&config, Arc::new(Gate::probes_and_metrics(app.clone()))).map_err(cannot_listen)?)
            }
        };
        Ok(Self { app, keeper, webhooks, directories, listener, metrics_listener })
    }

    /// The address that was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Serves until `stop`, then drains: transfers in flight may finish within the grace period.
    pub async fn run(self, stop: CancellationToken) {
        let mut background = JoinSet::new();
        let mut work = JoinSet::new();
        work.spawn(prepare_index(self.app.clone(), stop.clone()));
        work.spawn(sweep(self.app.clone(), stop.clone()));
        work.spawn(look_after_artifacts(self.app.clone(), stop.clone()));
        work.spawn(verify_artifacts(self.app.clone(), stop.clone()));
        work.spawn(tell_events(self.app.clone(), stop.clone()));
        work.spawn(follow_changes(self.app.clone(), stop.clone()));
        work.spawn(watch_directories(self.app.clone(), self.directories, stop.clone()));
        // Audit goes on until the last request is answered, and then writes what is left.
        let drained = CancellationToken::new();
        work.spawn(audit(self.app.clone(), self.keeper, self.webhooks, drained.clone()));
        if let Some(metrics) = self.metrics_listener {
            // Probes answer until the very end, so that an orchestrator sees the drain.
            background.spawn(async move {
                metrics.run(CancellationToken::new()).await;
            });
        }
        let report = self.listener.run(stop.clone()).await;
        stop.cancel();
        drained.cancel();
        // What the sweeper has begun it ends: a blob that it has condemned would otherwise wait for another.
        // And the uploads that the drain has cut are cancelled.
        let clean_ups = tokio::time::timeout(WORK_LIMIT, self.app.blobs.wait_for_clean_ups());
        let (work, clean_ups) = tokio::join!(tokio::time::timeout(WORK_LIMIT, work.join_all()), clean_ups);
        if work.is_err() {
            tracing::warn!("background work or the audit log did not stop in time");
        }
        if clean_ups.is_err() {
            tracing::warn!("upload sessions are left to the sweeper: they were not cancelled in time");
        }
        background.shutdown().await;
        tracing::info!(?report, "drained");
    }
}

fn cannot_listen(error: ListenError) -> Error {
    Error::internal(error)
}

/// What the registry's own configuration says about S3 writes. An unreadable file is a refusal: nothing is known then.
#[must_use]
pub fn registry_findings(config: &Config) -> Findings {
    let Some(path) = &config.store.zot_config else {
        let unknown = Finding {
            field: "store.zot_config".to_owned(),
            found: "unset".to_owned(),
            wanted: "Zot's configuration file, where the registry is a Zot: its garbage collection deletes S3 objects \
                     unless it is switched off for them, and nobody checks that now"
                .to_owned(),
        };
        return Findings { warnings: vec![unknown], ..Findings::default() };
    };
    match std::fs::read_to_string(path) {
        Ok(text) => zot_config::check(&text, &config.store.prefix),
        Err(error) => Findings {
            refusals: vec![Finding {
                field: "store.zot_config".to_owned(),
                found: format!("{}: {error}", path.display()),
                wanted: "a file that can be read".to_owned(),
            }],
            ..Findings::default()
        },
    }
}

/// Brings the schema up to date, or waits until somebody else has, however long Postgres takes to come up; then the service
/// is ready.
async fn prepare_index(app: Arc<App>, stop: CancellationToken) {
    let mut pause = Duration::from_millis(200);
    loop {
        match index_is_prepared(&app).await {
            Ok(()) => return app.readiness.index_is_prepared(),
            Err(error) => tracing::warn!("the index is not ready yet: {}", error.for_log()),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            () = stop.cancelled() => return,
        }
    }
}

async fn index_is_prepared(app: &App) -> Result<(), Error> {
    prepare_schema(app).await?;
    // Who is let in before the policies, and what was revoked, are known is answered 503.
    if let Some(revocations) = app.identity.revocations() {
        revocations.refresh(&app.index).await?;
    }
    app.trust.refresh(&app.index).await?;
    app.authority.policies().refresh(&app.index).await
}

async fn prepare_schema(app: &App) -> Result<(), Error> {
    if app.config.database.migrate {
        return index::migrate(&app.index).await;
    }
    let newer = index::check_schema(&app.index).await?;
    if !newer.is_empty() {
        tracing::warn!(
            "the database has migrations that this version does not know: {newer:?}; \
             that is right only while an update is rolled out"
        );
    }
    Ok(())
}

/// Sweeps, and lets go what expires by rules, once the index is there.
async fn sweep(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    let lifecycle = LifecycleWorker::new(app.clone());
    tokio::join!(
        app.blobs.run_sweeper(stop.clone()),
        lifecycle.run(stop.clone()),
        admin::forget_answers(&app.index, stop),
    );
}

/// Finds digests of objects that came in parts, looks after what refers to objects, and signs by rules, once the index is there.
async fn look_after_artifacts(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    let (signer, evidence) = (RuleSigner::new(app.clone()), app.evidence.clone());
    tokio::join!(
        app.digester.run(stop.clone()),
        app.referrers.run(stop.clone()),
        evidence.run(app.clone(), stop.clone()),
        signer.run(stop),
    );
}

/// Carries out verifications that nobody waits for, and makes verdicts anew, once the index is there.
async fn verify_artifacts(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    let upkeep = Upkeep::new(Arc::clone(&app));
    tokio::join!(admin::carry_out_verifications(&app, stop.clone()), upkeep.run(stop));
}

/// Tells webhooks of events, once the index is there.
async fn tell_events(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    let sender = Sender::new(app.index.clone(), app.event_targets.clone(), app.config.events.clone());
    sender.run(stop).await;
}

/// Hears what other replicas change, once the index is there.
async fn follow_changes(app: Arc<App>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    let policies = app.authority.policies().run(&app.index, &app.feed, stop.clone());
    let trust = app.trust.run(&app.index, &app.feed, stop.clone());
    let keys = follow_keys(&app, stop.clone());
    let revocations = async {
        if let Some(revocations) = app.identity.revocations() {
            revocations.run(&app.index, &app.feed, stop.clone()).await;
        }
    };
    let issuers = app.identity.issuers().warm_up();
    tokio::join!(app.feed.run(&app.index, stop.clone()), policies, trust, keys, revocations, issuers);
}

/// Watches the directories of issuers, once the index is there.
async fn watch_directories(app: Arc<App>, directories: Vec<Directory>, stop: CancellationToken) {
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = stop.cancelled() => return,
    }
    futures::future::join_all(directories.iter().map(|directory| directory.run(stop.clone()))).await;
}

/// Forgets access keys that were changed; and seals anew what is sealed under an older key of the ring.
async fn follow_keys(app: &App, stop: CancellationToken) {
    let Ok(keys) = app.identity.stored() else { return };
    let reseal = async {
        match keys.reseal().await {
            Ok(0) => {}
            Ok(sealed) => tracing::info!(sealed, "access keys were sealed anew under the first key of the ring"),
            Err(error) => tracing::error!("access keys could not be sealed anew: {}", error.for_log()),
        }
    };
    tokio::join!(reseal, reseal_signing_keys(app), keys.run(app.feed.subscribe(), stop.clone()));
}

/// Seals signing keys anew that are sealed under an older key of the ring.
async fn reseal_signing_keys(app: &App) {
    let Ok(keys) = app.signing_keys() else { return };
    match keys.reseal().await {
        Ok(0) => {}
        Ok(sealed) => tracing::info!(sealed, "signing keys were sealed anew under the first key of the ring"),
        Err(error) => tracing::error!("signing keys could not be sealed anew: {}", error.for_log()),
    }
}

/// What goes on beside the audit queue: upkeep, and those who are told.
fn audit_work(app: &App) -> Result<(Keeper, Vec<Webhook>), Error> {
    let config = &app.config.audit;
    let keeper = Keeper::new(app.index.clone(), app.store.clone(), &app.config.store.prefix, config.clone())
        .map_err(|error| Error::internal(format!("audit.checkpoint_key_file: {error}")))?;
    let webhooks = config.webhooks.iter().map(|webhook| Webhook::new(app.index.clone(), webhook));
    Ok((keeper, webhooks.collect::<Result<_, _>>()?))
}

/// Writes audit records and looks after them, once the index is there: the queue first, then what is to be sealed.
async fn audit(app: Arc<App>, keeper: Keeper, webhooks: Vec<Webhook>, drained: CancellationToken) {
    if !app.config.audit.enabled {
        return tracing::warn!("audit.enabled is false: nothing is on record");
    }
    tokio::select! {
        () = app.readiness.wait_for_index() => {}
        () = drained.cancelled() => return,
    }
    let after = app.config.audit.reconcile_after;
    let reconciler = Reconciler::new(app.index.clone(), app.store.clone(), after);
    let reconciling = reconciler.run(drained.clone());
    let written = CancellationToken::new();
    let writing = async {
        app.journal.run(drained).await;
        written.cancel();
    };
    let telling = futures::future::join_all(webhooks.into_iter().map(|webhook| webhook.run(written.clone())));
    tokio::join!(writing, reconciling, keeper.run(written.clone()), telling);
}

#[cfg(test)]
mod tests;
