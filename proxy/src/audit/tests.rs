//! The audit log against a real Postgres and a registry.

mod clock;
mod journal;
mod query;
mod reconcile;
mod retention;
mod tampering;
mod webhook;
mod world;
