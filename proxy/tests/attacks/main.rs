//! Attacks on a whole sidecar, and the list of attacks itself (docs/attacks.md): each case of it names tests that exist.
//!
//! What lives here: cases that no part can be tested for alone. Most cases are tested beside the part that holds them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

#[path = "../support/ask.rs"]
mod ask;
mod browsers;
mod confinement;
mod crash;
mod end;
#[path = "../support/form.rs"]
mod form;
mod forms;
mod list;
mod operators;
mod outage;
#[path = "../support/program.rs"]
mod program;
mod rotation;
#[path = "../support/sidecar.rs"]
mod sidecar;
#[path = "../support/signing.rs"]
mod signing;
mod slow;
