//! The audit log against a real Postgres and a registry.

mod journal;
mod retention;
mod tampering;
mod world;
