//! What is known of artifacts, over sockets: rules that let nothing unsigned leave, at both doors; bills of materials by REST, and the
//! search over what they list.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod components;
mod disguised;
mod gate;
mod ingest;
mod sboms;
#[path = "../support/sidecar.rs"]
mod sidecar;
mod speed;
mod world;
