//! Who has signed: evidence of real tools, of an instance of sigstore made here, and of those who would like to be believed. And what
//! the service signs and attaches itself, over its management API, and what it refuses that others attach.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod attached;
mod attesting;
mod cosign;
mod forger;
mod instance;
mod keyed;
mod keyless;
mod legacy;
mod public_good;
mod refused;
mod rules;
#[path = "../support/sidecar.rs"]
mod sidecar;
mod signing;
mod stored;
mod support;
mod world;
