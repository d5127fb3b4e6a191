//! Checking the whole log: every record against its seal, every seal against its chain, every chain against the
//! checkpoints, and the checkpoints against those in the registry.
//!
//! Streams: what is held in memory is a page of records, the heads that checkpoints name, and two numbers a day. Runs
//! beside a service that goes on writing: what is younger than a minute is left for the next time.

mod chain;
mod days;
mod expected;
mod finding;
mod retirement;

use time::{Duration, OffsetDateTime};

pub use finding::{Finding, Report};

use self::days::Days;
use self::expected::Expected;
use self::retirement::Retirement;
use super::note::Verifier;
use super::{checkpoint, publish};
use crate::error::Result;
use crate::index::Index;
use crate::store::Store;

/// How old an event is when it must be on record for certain: longer than any statement takes.
const SETTLED: Duration = Duration::seconds(60);

/// How much the clocks of Postgres and of the processes may differ.
const SKEW: Duration = Duration::minutes(10);

/// What is to be checked.
#[derive(Debug)]
pub struct Options<'a> {
    /// From then on; unset: from the beginning. What came before is taken on trust then.
    pub from: Option<OffsetDateTime>,
    /// Up to then; unset: up to a minute ago.
    pub to: Option<OffsetDateTime>,
    /// The key that checkpoints are signed with; unset: signatures are not looked at.
    pub verifier: Option<&'a Verifier>,
    /// The registry that holds the published checkpoints; unset: they are not looked at.
    pub store: Option<&'a Store>,
    /// `store.prefix`.
    pub prefix: &'a str,
}

/// What holds for one run.
struct Run<'a> {
    index: &'a Index,
    options: &'a Options<'a>,
    retirement: Retirement,
    days: Days,
    expected: Expected,
    report: Report,
}

/// Checks the log; what is wrong is in the report, in the order in which it is found.
/// # Errors
/// `IndexUnavailable`, or what the registry says: then nothing is known.
pub async fn verify(index: &Index, options: &Options<'_>) -> Result<Report> {
    let to = options.to.unwrap_or_else(|| OffsetDateTime::now_utc() - SETTLED);
    // The order matters while others write: what is read first is contained in what is read later.
    let published_up_to = index.published_audit_checkpoint().await?;
    let published = match options.store {
        Some(store) => {
            publish::published(store, options.prefix, options.from.unwrap_or(OffsetDateTime::UNIX_EPOCH)).await
        }
        None => Ok(Vec::new()),
    };
    let mut run = Run {
        index,
        options,
        retirement: Retirement::default(),
        days: Days::new(options.from, to),
        expected: Expected::default(),
        report: Report::default(),
    };
    run.expect_heads_of_writers().await?;
    run.check_checkpoints(published, published_up_to).await?;
    run.weigh_tombstones().await?;
    run.days.retire(run.retirement.days());
    run.days.read_events(index).await?;
    run.days.read_unsealed(index).await?;
    run.check_chains().await?;
    let (retired_days, not_retired) = run.retirement.settle();
    run.report.retired_days = retired_days;
    run.report.findings.extend(not_retired);
    run.report.findings.extend(run.days.unaccounted(index).await?);
    Ok(run.report)
}

impl Run<'_> {
    /// Each writer noted its own head: a chain that was cut off is found even before the next checkpoint.
    async fn expect_heads_of_writers(&mut self) -> Result<()> {
        for head in self.index.audit_heads().await? {
            self.expected.add(&checkpoint::Head::from(&head), "its writer's row".to_owned(), None);
        }
        Ok(())
    }
}
