//! Verdicts: signed with a key of their own, and attached where that hides nothing.

use super::form::has_only_legacy;
use super::measured::{Operation, measured};
use super::{attach_bundle, note, wrong_usage};
use crate::app::App;
use crate::digest::Digest;
use crate::error::Result;
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::keys::{ActiveKey, Usage};
use crate::supply_chain::referrer::Kind;
use crate::supply_chain::statement::Statement;
use crate::supply_chain::verification::TASK;

/// Signs a verdict, and attaches it unless the artifact has only older signatures or attestations: a first bundle would hide them from cosign. The bundle,
/// and the digest of the manifest by which it is attached.
///
/// # Errors
/// `InvalidRequest`: the key is none for verdicts; those of [`attach`](crate::supply_chain::attach::attach).
pub(crate) async fn sign_verdict(
    app: &App,
    artifact: &Artifact,
    key: &ActiveKey,
    statement: &Statement,
) -> Result<(Vec<u8>, Option<Digest>)> {
    if key.usage() != Usage::Verdict {
        return Err(wrong_usage(key, "A verdict is signed with a key for verdicts: see supply_chain.verdict_key."));
    }
    let bundle = measured(Operation::Verdict, key, key.attest(statement)).await?;
    let json = bundle.to_json()?;
    if has_only_legacy(app, artifact).await? {
        return Ok((json, None));
    }
    let permit = app.authority.itself(TASK, Kind::Attestation.attach(), artifact.resource());
    let signed = (&bundle, statement.predicate_type.as_str());
    let made = attach_bundle(app, &permit, artifact, key, signed, &note(key, Some("a verdict"))).await?;
    Ok((json, Some(made.digest)))
}
