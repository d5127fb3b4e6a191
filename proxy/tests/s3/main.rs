//! The S3 API as a function of a request: no socket between the client and us, a real Postgres and the embedded registry
//! behind us. Requests are signed by AWS's own signer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is a test that fails; clippy sees only test functions as tests"
)]

mod access_keys;
mod acls;
mod artifacts;
mod attributes;
mod bad_input;
mod bearer;
mod bucket_policy;
mod buckets;
mod checksums;
mod conditional_deletes;
mod configurations;
mod copies;
mod cors;
mod expected_owner;
#[path = "../support/form.rs"]
mod form;
mod lifecycle;
mod listings;
mod metrics;
mod multipart;
mod notifications;
mod object_lock;
mod objects;
mod outages;
mod parts;
mod post_object;
mod quotas;
mod renames;
mod security;
mod sessions;
mod support;
mod tagging;
mod versioning;
