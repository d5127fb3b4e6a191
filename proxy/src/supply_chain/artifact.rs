//! What is signed, attested and verified: an S3 object or a manifest of the registry, by one kind of name.
//!
//! [`ArtifactRef`] is the name, as clients write it; [`resolve`] makes an [`Artifact`] of it, for whoever holds the right to what it
//! names. What does not live here: what refers to an artifact (`attach`, `collect`), and who may do what (`authz`).

mod reference;
mod resolve;
mod resolved;

pub use reference::{ArtifactRef, ManifestRef, ParseArtifactRefError};
pub use resolve::resolve;
pub use resolved::{Artifact, Home, ObjectContent};
