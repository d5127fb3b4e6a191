//! Who has signed: evidence of real tools, of an instance of sigstore made here, and of those who would like to be believed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

mod cosign;
mod instance;
mod keyed;
mod keyless;
mod legacy;
mod public_good;
mod stored;
mod support;
