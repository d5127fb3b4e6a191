//! The supply-chain API: keys that sign, whose signatures are believed, signatures and attestations of artifacts, and verdicts on them.
//!
//! One file a resource, as everywhere in `admin`. What does not live here: what any of it does (`crate::supply_chain`).

mod artifact;
mod attest;
mod attestations;
mod components;
mod referrers;
mod sbom;
mod sboms;
mod sign;
mod signer;
mod signing_key;
mod signing_key_generations;
mod signing_keys;
mod signing_queue;
mod signing_rules;
mod trusted_identities;
mod trusted_keys;
mod verdicts;
mod verification_policies;
mod verification_schema;
mod verifications;
mod verified;
mod verify;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use verifications::carry_out_verifications;

use crate::app::App;

/// Keys, trust and rules.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(signing_keys::list_signing_keys, signing_keys::create_signing_key))
        .routes(routes!(signing_keys::get_signing_key))
        .routes(routes!(signing_keys::get_public_key))
        .routes(routes!(signing_keys::rotate_signing_key))
        .routes(routes!(
            signing_key_generations::get_signing_key_generation,
            signing_key_generations::change_signing_key_generation
        ))
        .routes(routes!(signing_key_generations::revoke_signing_key_generation))
        .routes(routes!(signing_key_generations::export_signing_key_generation))
        .routes(routes!(trusted_keys::list_trusted_keys, trusted_keys::add_trusted_key))
        .routes(routes!(
            trusted_keys::get_trusted_key,
            trusted_keys::change_trusted_key,
            trusted_keys::delete_trusted_key
        ))
        .routes(routes!(trusted_keys::revoke_trusted_key))
        .routes(routes!(trusted_identities::list_trusted_identities, trusted_identities::add_trusted_identity))
        .routes(routes!(
            trusted_identities::get_trusted_identity,
            trusted_identities::change_trusted_identity,
            trusted_identities::delete_trusted_identity
        ))
        .routes(routes!(trusted_identities::revoke_trusted_identity))
        .routes(routes!(
            signing_rules::get_signing_rules,
            signing_rules::put_signing_rules,
            signing_rules::delete_signing_rules
        ))
        .routes(routes!(signing_queue::list_signing_queue))
        .routes(routes!(signing_queue::retry_signing))
        .routes(routes!(components::find_components))
        .routes(routes!(verification_policies::list_verification_policies))
        .routes(routes!(
            verification_policies::get_verification_policy,
            verification_policies::put_verification_policy,
            verification_policies::delete_verification_policy
        ))
        .routes(routes!(verification_policies::get_verification_policy_history))
        .routes(routes!(verdicts::get_verdict))
        .routes(routes!(verdicts::get_verdict_summary))
        .routes(routes!(verifications::get_verification))
}

/// What is said of artifacts: bodies may be as large as documents are, `document_bytes`.
pub(super) fn artifact_routes(document_bytes: usize) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(sign::sign_artifact))
        .routes(routes!(verify::verify_artifact))
        .routes(routes!(verdicts::list_verdicts))
        .routes(routes!(attest::attest_artifact))
        .routes(routes!(referrers::list_referrers))
        .routes(routes!(attestations::get_attestation, attestations::delete_attestation))
        .routes(routes!(sboms::attach_sbom))
        .routes(routes!(sboms::list_sboms))
        .routes(routes!(sboms::get_sbom, sboms::delete_sbom))
        .routes(routes!(sbom::validate_sbom))
        .layer(DefaultBodyLimit::max(document_bytes))
}
