//! The Zot Artifact Store sidecar, in the order in which a request meets it:
//! `listener` -> `gateway` -> `identity` -> `authz` -> `s3` | `sts` | `oci` | `admin` -> `blobs` -> `store` + `index`.
//!
//! `docs/architecture.md` walks a PUT, a GET and an OCI push through these rooms.

pub mod admin;
pub mod app;
pub mod artifacts;
pub mod audit;
pub mod authz;
pub mod blobs;
pub mod bucket_configuration;
pub mod config;
pub mod dev;
pub mod digest;
pub mod error;
pub mod events;
pub mod failpoint;
pub mod free_port;
pub mod fsck;
pub mod gateway;
pub mod identity;
pub mod index;
pub mod lifecycle;
pub mod listener;
pub mod logout;
pub mod oci;
pub mod postgres;
pub mod rates;
pub mod readiness;
pub mod rest;
pub mod s3;
pub mod service;
pub mod store;
pub mod sts;
pub mod supply_chain;
pub mod telemetry;
pub mod webhook;
