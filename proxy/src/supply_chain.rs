//! The supply chain: what is known about an artifact besides its bytes.
//!
//! `sbom` reads and checks bills of materials, `licence` evaluates what they say about licences. What does not live here: where
//! the documents are kept (`store`), who may read them (`authz`), and the search over all of them (`index`).

pub mod licence;
pub mod sbom;
