//! One gate before every operation of every door: nobody who may not is served, and whoever has just the right that it needs is.
//!
//! What operations there are the code says (`operations.rs`), so that a new one without a case fails here. Each is tried by nobody, by
//! somebody without rights, and by somebody with every right but the one that is needed; each must be refused as the door's protocol
//! refuses, be on record where it is known who asked, reach the registry with nothing, and leave the index as it was. Then somebody
//! with just that right does it, and that is on record too.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

mod artifacts;
#[path = "../support/ask.rs"]
mod ask;
mod case;
mod configurations;
mod logout;
mod oci;
mod operations;
mod rest;
mod s3;
mod sboms;
#[path = "../support/sidecar.rs"]
mod sidecar;
mod sts;
mod supply_chain;
mod token;
mod trial;
mod verdicts;

use std::time::Duration;

use zas_policy::Action;
use zas_proxy::config::{AuditReads, Config};
use zas_proxy::gateway::Door;

use operations::operations;
use sidecar::Sidecar;

/// Operations that are not tried. It stays empty: whoever adds an operation adds its case.
const NOT_TRIED: &[&str] = &[];

/// Operations that are for everybody, and why.
const FOR_EVERYBODY: &[(&str, &str)] = &[
    ("GET /-/livez", "a probe tells that the process answers, and nothing else"),
    ("GET /-/readyz", "a probe tells which part is not ready, and not why"),
    ("GET /-/api/openapi.json", "the description of the API is the same for every installation"),
];

/// A sidecar that commits the record of a refusal or a read before it answers, and does nothing by itself.
async fn sidecar() -> Sidecar {
    Sidecar::start(|config: &mut Config| {
        config.audit.reads = AuditReads::Strict;
        config.identity.issuers[0].logout_audiences = Some(vec!["cli".to_owned()]);
        config.blobs.sweep_interval = Duration::from_secs(3600);
        config.supply_chain.index_evidence = false;
        config.supply_chain.verdict_key = Some(verdicts::KEY.to_owned());
        config.supply_chain.verification_workers = 0;
        config.supply_chain.refresh_verdicts = false;
        config.s3.encryption_at_rest = true;
    })
    .await
}

#[test]
fn the_list_of_operations_that_are_not_tried_is_empty() {
    assert_eq!(NOT_TRIED, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_s3_operation_is_done_without_its_right_and_each_is_done_with_it() {
    let sidecar = sidecar().await;
    let cases = s3::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::S3).await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_oci_operation_is_done_without_its_right_and_each_is_done_with_it() {
    let sidecar = sidecar().await;
    let cases = oci::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::Oci).await, cases).await;
}

/// The same routes below `s3/`, where they are about objects.
#[tokio::test(flavor = "multi_thread")]
async fn no_operation_on_objects_as_artifacts_is_done_without_its_right_and_each_is_done_with_it() {
    let sidecar = sidecar().await;
    let cases = artifacts::cases(&sidecar).await;
    let mut operations = operations(&sidecar, Door::Oci).await;
    operations.retain(|operation| operation.contains("{name}"));
    assert!(operations.remove(artifacts::FOR_NOBODY));
    trial::try_all(&sidecar, &operations, cases).await;
    artifacts::try_what_is_for_nobody(&sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_of_the_management_api_is_done_without_its_right_and_each_is_done_with_it() {
    let sidecar = sidecar().await;
    let cases = rest::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::Rest).await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sts_operation_is_done_without_its_right_and_each_is_done_with_it() {
    let sidecar = sidecar().await;
    let cases = sts::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::Sts).await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_out_without_the_word_of_the_issuer() {
    let sidecar = self::sidecar().await;
    let cases = logout::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::Logout).await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_worth_more_than_the_rights_of_who_asked_for_it() {
    let sidecar = sidecar().await;
    let cases = token::cases(&sidecar).await;
    trial::try_all(&sidecar, &operations(&sidecar, Door::Token).await, cases).await;
}

/// Services of which every action is asked for by some operation: an action that nothing asks for protects nothing.
const WHOLE: [&str; 4] = ["oci:", "admin:", "audit:", "sts:"];

/// What nobody can be kept from (AWS STS, GetCallerIdentity).
const NEVER_DENIED: [Action; 1] = [Action::GetCallerIdentity];

#[tokio::test(flavor = "multi_thread")]
async fn every_action_that_a_policy_may_name_is_asked_for_by_some_operation() {
    let sidecar = sidecar().await;
    let cases = [
        oci::cases(&sidecar).await,
        rest::cases(&sidecar).await,
        sts::cases(&sidecar).await,
        logout::cases(&sidecar).await,
        token::cases(&sidecar).await,
    ];
    let attempts = cases.iter().flatten().flat_map(|case| &case.refused);
    let asked: Vec<Action> = attempts.filter_map(|attempt| attempt.denied).collect();
    let named = Action::ALL.iter().filter(|action| WHOLE.iter().any(|service| action.as_str().starts_with(service)));
    let idle: Vec<_> = named.filter(|action| !asked.contains(action) && !NEVER_DENIED.contains(action)).collect();
    assert!(idle.is_empty(), "nothing asks for {idle:?}");
}
