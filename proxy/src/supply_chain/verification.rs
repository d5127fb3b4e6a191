//! Verifying artifacts: all evidence is found, who has made it is asked, and it is held against a policy.
//!
//! [`verify`] does it once, for whoever holds the right to; what it finds against a policy of the index is kept as the verdict of that
//! policy on that artifact, signed where a key for verdicts is configured, and made again only when something has changed: the policy,
//! the evidence, whom we believe, or the time. [`Upkeep`] makes verdicts anew that have lapsed.
//! What does not live here: what a policy means (`rules`), who may ask (`authz`), the rows (`index/verdict.rs`), and the queue of those
//! who do not wait (`admin`).

mod evidence;
mod inputs;
mod judging;
mod kept;
mod measured;
mod on_record;
mod upkeep;

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

pub use evidence::{Judgement, Shown};
pub use upkeep::{TASK, Upkeep};

use self::judging::Judging;
use self::kept::Measure;
use self::measured::measured;
use self::on_record::OnRecord;
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::StoredVerdict;
use crate::supply_chain::artifact::{Artifact, ArtifactRef, resolve};
use crate::supply_chain::collect::{LeftOut, collect};
use crate::supply_chain::rules::VerificationPolicy;

/// What an artifact is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// Nothing: only who has made which evidence is asked.
    Nothing,
    /// That enough of these signers have signed.
    Signers {
        /// Their names.
        names: Vec<String>,
        /// How many of them.
        threshold: usize,
    },
    /// A policy that is not kept: its document.
    Document(String),
    /// A policy of the index, by its name.
    Policy(String),
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Which artifact.
    pub artifact: &'a ArtifactRef,
    /// Against what.
    pub against: &'a Against,
    /// Host and port at which clients reach the registry: older signatures name it. Unset: it is not known, and any host will do.
    pub host: Option<&'a str>,
}

/// What came of it.
#[derive(Debug)]
pub struct Verification {
    /// The artifact as it was found.
    pub artifact: Artifact,
    /// Each piece of evidence, and who has made it.
    pub evidence: Vec<Judgement>,
    /// What was not looked at.
    pub left_out: Vec<LeftOut>,
    /// The verdict, where there was something to hold it against.
    pub verdict: Option<Verdict>,
}

/// A verdict, kept or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether the artifact has passed.
    pub passed: bool,
    /// The verdict as JSON: rules, levels, and until when it counts.
    pub json: String,
    /// The digest of the policy's text.
    pub policy_digest: Digest,
    /// By which revision of whom we believe it was made.
    pub trust_revision: i64,
    /// When.
    pub made_at: OffsetDateTime,
    /// As it is kept; unset where the policy is not one of the index.
    pub kept: Option<Box<StoredVerdict>>,
    /// Whether it was made before, and nothing has changed since.
    pub is_cached: bool,
}

/// Verifies an artifact. The permit is for the right to verify it; the outcome is on record under it, an error too.
///
/// # Errors
/// `NoSuchEntity`: there is no such policy; `InvalidArgument`: it is not for this artifact, or what it is held against cannot be read; those of
/// [`resolve`] and [`collect`]; `TrustUnavailable`; `SlowDown` where too much is verified at once. A bad artifact is no error but a verdict.
pub async fn verify(app: &App, permit: &Permit, question: Question<'_>) -> Result<Verification> {
    let label = match question.against {
        Against::Policy(name) => name.as_str(),
        Against::Nothing | Against::Signers { .. } | Against::Document(_) => "",
    };
    let begun = Instant::now();
    let outcome = measured(label, Box::pin(verify_unmeasured(app, permit, question, begun))).await;
    if let Err(error) = &outcome {
        on_record::failed(app, permit, label, (error, begun)).await;
    }
    outcome
}

async fn verify_unmeasured(app: &App, permit: &Permit, question: Question<'_>, begun: Instant) -> Result<Verification> {
    let measure = kept::read(app, question.against).await?;
    let artifact = resolve(app, permit, question.artifact).await?;
    measure.check_scope(&artifact)?;
    let now = OffsetDateTime::now_utc();
    let before = measure.verdict_before(app, &artifact, now).await?;
    // Evidence is looked for after that: what happens meanwhile is not lost.
    let mut collected = collect(app, &artifact).await?;
    let left_out = std::mem::take(&mut collected.left_out);
    let snapshot = app.trust.current()?;
    let judging = Judging {
        collected,
        is_whole: !left_out.iter().any(LeftOut::may_be_of_consequence),
        artifact: artifact.clone(),
        snapshot: Arc::clone(&snapshot),
        host: question.host.map(str::to_owned),
        verdict_key: app.config.supply_chain.verdict_key.clone(),
        policy: measure.policy(),
        before: before.as_ref().map(|before| before.same_inputs(app, &measure, snapshot.revision, now)),
        now,
    };
    let judged = judging.run(&app.judging).await?;
    let told = OnRecord { app, permit, artifact: &artifact, judged: &judged, begun };
    let verdict = conclude(&told, &measure, before, (snapshot.revision, question.host, now)).await?;
    Ok(Verification { artifact, evidence: judged.evidence, left_out, verdict })
}

/// Keeps what was found, and puts it on record.
async fn conclude(
    told: &OnRecord<'_>,
    measure: &Measure,
    before: Option<kept::Before>,
    (trust_revision, host, now): (i64, Option<&str>, OffsetDateTime),
) -> Result<Option<Verdict>> {
    let OnRecord { app, permit, artifact, judged, .. } = *told;
    let policy = measure.name().unwrap_or("no kept policy");
    let (Some(policy_digest), Some(verdict)) = (measure.digest(), &judged.verdict) else {
        let Some(before) = before.filter(|_| judged.is_as_before) else {
            told.keep(told.signatures()).await?;
            return Ok(None);
        };
        let stored = before.confirmed(app).await?;
        told.keep(told.verdict(policy, stored.passed)).await?;
        return Ok(Some(Verdict::cached(stored)));
    };
    let json = serde_json::to_string(verdict).map_err(Error::internal)?;
    let mut made = Verdict {
        passed: verdict.passed,
        json,
        policy_digest,
        trust_revision,
        made_at: now,
        kept: None,
        is_cached: false,
    };
    let record = told.verdict(policy, verdict.passed);
    match measure {
        Measure::Kept { stored, .. } => {
            let told_at = before.and_then(|before| before.told_at());
            let keeping = kept::Keeping { app, artifact, policy: stored, judged, verdict, host, told_at };
            let by = permit.principal().to_string();
            made.kept = Some(Box::new(keeping.keep(&made, &by, record.as_slice()).await?));
        }
        Measure::Nothing | Measure::Passing(_) => told.keep(record).await?,
    }
    Ok(Some(made))
}

impl Verdict {
    fn cached(stored: StoredVerdict) -> Self {
        Self {
            passed: stored.passed,
            json: stored.verdict.clone(),
            policy_digest: stored.policy_digest,
            trust_revision: stored.trust_revision,
            made_at: stored.made_at,
            kept: Some(Box::new(stored)),
            is_cached: true,
        }
    }
}

/// A policy that is not there.
fn no_such_policy() -> Error {
    Error::new(Code::NoSuchEntity, "There is no verification policy of this name.").with("field", "policy")
}

/// A policy that cannot be held against something.
fn unreadable(error: crate::supply_chain::rules::PolicyError) -> Error {
    Error::from(error)
}

/// Whether a policy is for an artifact.
fn covers(policy: &VerificationPolicy, artifact: &Artifact) -> bool {
    policy.covers(&inputs::name(artifact))
}
