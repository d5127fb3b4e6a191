//! [`Webhook`]: tells one receiver of every record, at least once, chain by chain and in the order of their seals.
//!
//! A seal is one POST of lines of JSON. The cursor moves on only after a 2xx; any replica may be the one that tells.

use std::time::Duration;

use metrics::counter;
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::render;
use crate::config::AuditWebhook;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::telemetry::names;
use crate::webhook::{Receiver, check_url};

/// What the lines of a body are.
const LINES: &str = "application/x-ndjson";

/// How long a process keeps a webhook to itself; longer than one delivery takes.
const LEASE: Duration = Duration::from_secs(60);

/// How often the log is looked at, and the longest pause after failures.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Chains that are looked at in one round, and seals of each.
const CHAINS: u32 = 100;
const SEALS: u32 = 10;

/// Tells one receiver.
#[derive(Debug)]
pub struct Webhook {
    index: Index,
    config: AuditWebhook,
    receiver: Receiver,
}

/// Whether a receiver can be told.
/// # Errors
/// What is wrong with its configuration, and what is wanted.
pub fn check(config: &AuditWebhook) -> std::result::Result<(), String> {
    if config.name.is_empty() {
        return Err("name: must not be empty".to_owned());
    }
    check_url(&config.url).map_err(|wrong| format!("url: {wrong}"))
}

impl Webhook {
    /// Connects to nobody yet.
    /// # Errors
    /// `InternalError` where the configuration cannot be used.
    pub fn new(index: Index, config: &AuditWebhook) -> Result<Self> {
        check(config).map_err(|wrong| Error::internal(format!("audit.webhooks {}: {wrong}", config.name)))?;
        let receiver = Receiver::new(&config.url, config.secret.as_ref())?;
        Ok(Self { index, config: config.clone(), receiver })
    }

    /// Tells until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            match self.round().await {
                Ok(()) => pause = PAUSES.0,
                Err(error) => {
                    tracing::warn!(webhook = self.config.name, "audit records wait: {}", error.for_log());
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Tells of what is new, where it is this process's turn.
    /// # Errors
    /// `IndexUnavailable`, or the receiver did not take it: then it is told again.
    pub async fn round(&self) -> Result<()> {
        loop {
            if !self.index.lease_audit_webhook(&self.config.name, LEASE).await? {
                return Ok(());
            }
            let backlog = self.index.audit_backlog(&self.config.name, CHAINS).await?;
            if backlog.is_empty() {
                return Ok(());
            }
            for (writer, told, last) in backlog {
                self.tell_chain(writer, told, last).await?;
            }
        }
    }

    /// Tells of a chain's seals behind `told`; `last` is there, or was retired.
    async fn tell_chain(&self, writer: Uuid, told: i64, last: i64) -> Result<()> {
        let seals = self.index.audit_seals(writer, told, OffsetDateTime::UNIX_EPOCH, SEALS).await?;
        // What went with a day before anybody was told is on record as a gap (`keeper.rs`).
        let retired = seals.first().map_or(last, |first| first.number.saturating_sub(1)).saturating_sub(told);
        if retired > 0 {
            let webhook = &self.config.name;
            tracing::warn!(webhook, %writer, seals = retired, "a webhook goes on behind seals that were retired");
        }
        if seals.is_empty() {
            return self.index.set_audit_cursor(&self.config.name, writer, last).await;
        }
        for seal in seals {
            let mut events = self.index.audit_events_of(&seal.times, &seal.ids).await?;
            events.sort_by_key(|event| (event.time, event.id));
            let gone = seal.ids.len().saturating_sub(events.len());
            if gone > 0 {
                let webhook = &self.config.name;
                tracing::warn!(webhook, %writer, seal = seal.number, records = gone, "a webhook is not told of records that are gone");
                let gone = u64::try_from(gone).unwrap_or(u64::MAX);
                counter!(names::AUDIT_UNTOLD, "webhook" => webhook.clone()).increment(gone);
            }
            let mut body = String::new();
            for event in &events {
                body.push_str(&render(event, self.config.format));
                body.push('\n');
            }
            if !body.is_empty() {
                let outcome = self.receiver.post(LINES, body).await;
                let label = if outcome.is_ok() { "ok" } else { "error" };
                counter!(names::AUDIT_WEBHOOK, "webhook" => self.config.name.clone(), "outcome" => label).increment(1);
                outcome?;
            }
            self.index.set_audit_cursor(&self.config.name, writer, seal.number).await?;
            if !self.index.lease_audit_webhook(&self.config.name, LEASE).await? {
                break;
            }
        }
        Ok(())
    }
}
