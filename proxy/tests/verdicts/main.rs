//! Artifacts held against verification policies, through every layer: S3 objects and manifests of the registry, evidence that is attached
//! and removed, keys that are revoked, verdicts that are kept, signed, attached, withdrawn and made anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod changes;
mod evidence;
mod gate;
mod queue;
#[path = "../support/sidecar.rs"]
mod sidecar;
mod summary;
mod world;
