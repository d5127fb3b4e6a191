//! An embedded OCI distribution 1.1 registry on a local folder.
//!
//! [`Registry`] is a function of a request: [`Registry::call`] needs no socket. [`Server`] puts it on a TCP address.
//! Each repository is an OCI image layout below the root folder, so that other tools can read it, and an acknowledged
//! write has been synced to the disk. Tests inject faults through [`Registry::faults`] and count requests there.
//!
//! What does not live here: authentication, authorization, TLS, garbage collection and anything that knows S3. The
//! registry serves development and tests; it is not meant as a production upstream.

mod api;
mod body;
mod digest;
mod error;
mod faults;
mod manifest;
mod name;
mod options;
mod query;
mod range;
mod registry;
mod response;
mod route;
mod server;
mod storage;
#[cfg(test)]
mod testing;

pub use body::Body;
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use error::Error;
pub use faults::{Fault, FaultKind, Faults, Injected};
pub use name::{InvalidName, InvalidReference, Reference, RepositoryName, Tag};
pub use options::Options;
pub use registry::Registry;
pub use route::Route;
pub use server::Server;
