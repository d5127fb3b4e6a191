//! What an artifact is held against, the verdict before, and the one that is kept in its place.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use time::OffsetDateTime;
use uuid::Uuid;

use super::judging::{Before as SameInputs, Judged};
use super::{Against, Verdict, covers, inputs, no_such_policy, unreadable};
use crate::app::App;
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{NewVerdict, StoredVerdict, StoredVerificationPolicy};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::rules::{Summary, VerificationPolicy, summary};
use crate::supply_chain::signing::sign_verdict;
use crate::supply_chain::{attach, collect, rules};
use crate::telemetry::names;

/// How long nobody makes a verdict anew: whom this replica believes may be a moment behind.
const PAUSE: Duration = Duration::from_secs(5);

/// The same, of one that could not be signed or attached: what is in the way is seldom gone sooner.
const UNSIGNED: Duration = Duration::from_secs(600);

/// What an artifact is held against, read.
pub(super) enum Measure {
    Nothing,
    /// A policy that is not kept.
    Passing(Arc<VerificationPolicy>),
    /// A policy of the index.
    Kept {
        stored: Box<StoredVerificationPolicy>,
        policy: Arc<VerificationPolicy>,
    },
}

/// The verdict before.
pub(super) struct Before(StoredVerdict);

/// Everything that keeping a verdict takes.
pub(super) struct Keeping<'a> {
    pub(super) app: &'a App,
    pub(super) artifact: &'a Artifact,
    pub(super) policy: &'a StoredVerificationPolicy,
    pub(super) judged: &'a Judged,
    pub(super) verdict: &'a rules::Verdict,
    pub(super) host: Option<&'a str>,
    pub(super) told_at: Option<OffsetDateTime>,
}

/// Reads what is asked.
pub(super) async fn read(app: &App, asked: &Against) -> Result<Measure> {
    match asked {
        Against::Nothing => Ok(Measure::Nothing),
        Against::Signers { names, threshold } => {
            let policy = VerificationPolicy::signed_by(names, *threshold)
                .map_err(|error| Error::new(Code::InvalidArgument, error.to_string()).with("field", error.field))?;
            Ok(Measure::Passing(Arc::new(policy)))
        }
        Against::Document(text) => Ok(Measure::Passing(Arc::new(VerificationPolicy::parse(text).map_err(unreadable)?))),
        Against::Policy(name) => {
            let stored = app.index.verification_policy(name).await?.ok_or_else(no_such_policy)?;
            // It was read before it was kept: a newer version of this program has written it.
            let policy = VerificationPolicy::parse(&stored.document)
                .map_err(|error| Error::internal(format!("the verification policy {name} cannot be read: {error}")))?;
            Ok(Measure::Kept { stored: Box::new(stored), policy: Arc::new(policy) })
        }
    }
}

impl Measure {
    pub(super) fn policy(&self) -> Option<Arc<VerificationPolicy>> {
        match self {
            Self::Nothing => None,
            Self::Passing(policy) | Self::Kept { policy, .. } => Some(Arc::clone(policy)),
        }
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Nothing => None,
            Self::Passing(policy) => Some(policy.digest()),
            Self::Kept { stored, .. } => Some(stored.digest),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::Passing(_) => None,
            Self::Kept { stored, .. } => Some(&stored.name),
        }
    }

    /// Refuses an artifact that the policy is not for: there is nothing to be said of it.
    pub(super) fn check_scope(&self, artifact: &Artifact) -> Result<()> {
        match self.policy() {
            Some(policy) if !covers(&policy, artifact) => {
                let text = format!("The policy is not for {}: see its scope.", inputs::name(artifact));
                Err(Error::new(Code::InvalidArgument, text).with("field", "policy"))
            }
            _ => Ok(()),
        }
    }

    /// The last verdict on an artifact.
    pub(super) async fn verdict_before(
        &self,
        app: &App,
        artifact: &Artifact,
        now: OffsetDateTime,
    ) -> Result<Option<Before>> {
        let Some(name) = self.name() else { return Ok(None) };
        let (scope, key) = (artifact.scope(), inputs::key(artifact));
        let as_of = app.evidence.as_of(now);
        Ok(app.index.verdict(&scope, key, &artifact.digest, name, as_of).await?.map(Before))
    }
}

impl Before {
    pub(super) fn told_at(&self) -> Option<OffsetDateTime> {
        self.0.told_at
    }

    /// What the evidence must be for it to be the verdict still. One that could not be signed is made anew where verdicts are.
    pub(super) fn same_inputs(
        &self,
        app: &App,
        measure: &Measure,
        trust_revision: i64,
        now: OffsetDateTime,
    ) -> SameInputs {
        let is_signed = self.0.summary.is_some() || app.config.supply_chain.verdict_key.is_none();
        let is_current = Some(self.0.policy_digest) == measure.digest()
            && self.0.trust_revision == trust_revision
            && self.0.setup == app.evidence.setup()
            && self.0.valid_until.is_none_or(|until| now < until)
            && is_signed;
        if is_current { SameInputs::Of(self.0.inputs_digest) } else { SameInputs::None }
    }

    /// It is the verdict still, whatever has happened.
    pub(super) async fn confirmed(self, app: &App) -> Result<StoredVerdict> {
        if let Some(told_at) = self.0.told_at {
            app.index.confirm_verdict(self.0.id, told_at).await?;
        }
        Ok(StoredVerdict { counts: true, told_at: None, ..self.0 })
    }
}

impl Keeping<'_> {
    /// Signs a verdict where a key is configured, attaches it where it may be, and keeps it in place of the one before. One that cannot
    /// be signed or attached is kept all the same, unsigned, for else the one before would count on; it is tried again later.
    pub(super) async fn keep(&self, made: &Verdict, by: &str, audit: &[Record]) -> Result<StoredVerdict> {
        let (app, artifact) = (self.app, self.artifact);
        let signed = self.signed(made).await;
        if let Err(error) = &signed {
            counter!(names::VERDICTS_UNSIGNED).increment(1);
            let policy = &self.policy.name;
            tracing::warn!(artifact = %artifact.uri(), policy, "a verdict is kept unsigned: {}", error.for_log());
        }
        let is_to_be_signed = signed.is_err();
        let signed = signed.unwrap_or_default();
        let setup = app.evidence.setup();
        let (summary, attached) = signed.map_or((None, None), |(summary, attached)| (Some(summary), attached));
        let (id, scope, carriers) = (Uuid::now_v7(), artifact.scope(), self.judged.carriers(self.verdict));
        let new = NewVerdict {
            id,
            scope: &scope,
            key: inputs::key(artifact),
            subject: &artifact.digest,
            policy: &self.policy.name,
            policy_digest: &made.policy_digest,
            inputs_digest: &self.judged.inputs,
            trust_revision: made.trust_revision,
            setup: &setup,
            passed: made.passed,
            verdict: &made.json,
            carriers: &carriers,
            summary: summary.as_deref(),
            attached: attached.as_ref(),
            host: self.host,
            made_at: made.made_at,
            made_by: by,
            valid_until: self.verdict.valid_until,
            told_at: self.told_at,
            pause: if is_to_be_signed { UNSIGNED } else { PAUSE },
            is_to_be_signed,
            audit,
        };
        let replaced = app.index.store_verdict(new).await?;
        if let Some(replaced) = replaced.filter(|replaced| Some(*replaced) != attached) {
            self.detach(&replaced).await;
        }
        Ok(StoredVerdict {
            id,
            scope,
            key: inputs::key(artifact).to_owned(),
            subject: artifact.digest,
            policy: self.policy.name.clone(),
            policy_digest: made.policy_digest,
            inputs_digest: self.judged.inputs,
            trust_revision: made.trust_revision,
            setup,
            passed: made.passed,
            verdict: made.json.clone(),
            summary,
            attached,
            host: self.host.map(str::to_owned),
            made_at: made.made_at,
            made_by: by.to_owned(),
            valid_until: self.verdict.valid_until,
            told_at: None,
            counts: true,
        })
    }

    /// The verdict as a signed statement, and the manifest by which it is attached.
    async fn signed(&self, made: &Verdict) -> Result<Option<(Vec<u8>, Option<Digest>)>> {
        let (app, artifact) = (self.app, self.artifact);
        let Some(key) = &app.config.supply_chain.verdict_key else { return Ok(None) };
        let key = app.signing_keys()?.active(key).await?;
        let verifier = app.config.verifier();
        let policy = format!("{verifier}/verification-policies/{}", self.policy.name);
        let resource = artifact.uri();
        let said = Summary {
            subjects: artifact.subjects(),
            resource: &resource,
            verifier: &verifier,
            at: made.made_at,
            policy: (&policy, made.policy_digest),
            inputs: self.judged.inputs_of(artifact),
        };
        let statement = summary(self.verdict, said)?;
        sign_verdict(app, artifact, &key, &statement).await.map(Some)
    }

    /// Removes the verdict before. It says nothing that counts any more; where it cannot be removed it stays.
    async fn detach(&self, replaced: &Digest) {
        let removed = async {
            let Some(listed) = collect::find(self.app, self.artifact, replaced).await? else { return Ok(()) };
            let permit = self.app.authority.itself(
                super::TASK,
                crate::supply_chain::referrer::Kind::Attestation.detach(),
                self.artifact.resource(),
            );
            attach::detach(self.app, &permit, self.artifact, &listed).await
        };
        match removed.await {
            Err(error) if error.code() != Code::ManifestUnknown => {
                tracing::warn!(digest = %replaced, "a verdict that was replaced stays attached: {}", error.for_log());
            }
            _ => {}
        }
    }
}
