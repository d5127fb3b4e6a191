//! The supply chain: what is said about an artifact besides its bytes, who says it, and whether that holds.
//!
//! Signatures, from the bytes up: [`statement`] (what is said of which artifact), [`dsse`] (who says it), [`bundle`] (a signature with all
//! that is needed to check it), [`legacy`] (how cosign signed before bundles), [`manifest`] (how either lies in a registry),
//! [`keys`] (what we sign with), [`mod@sign`] (all of it put together) and [`verify`] (who has signed, and why not).
//! Contents: [`sbom`] reads and checks bills of materials, [`licence`] evaluates what they say about licences, [`predicate`] holds statements to
//! the form of their type, `scan` reads what scanners have found, [`facts`] is what policies ask of an artifact.
//! All of these but the store of keys are pure: bytes in, bytes or a reason out, without network or database. The present is an
//! argument; only `sigstore-verify` looks at the clock, for log entries of the future.
//! Around them, with network and database: [`artifact`] (what is spoken of, by name), [`mod@attach`] and [`mod@collect`] (what refers to
//! it), [`trust`] (whom this replica believes now), [`signing`] (signatures made and attached, on request and by rules of buckets),
//! [`evidence`] (what is known of artifacts, kept for policies that ask).
//! What does not live here: routes (`admin/supply_chain`), who may ask (`authz`), the rows (`index/`), and what a verdict is worth to
//! whom: that is policy. `docs/supply-chain-formats.md` describes the formats, `docs/adr/0009` why they are read here.

pub mod artifact;
pub mod attach;
pub mod bundle;
mod checked;
pub mod collect;
pub mod dsse;
mod encoding;
pub mod evidence;
pub mod facts;
pub mod keys;
pub mod legacy;
pub mod licence;
pub mod limits;
mod malformed;
pub mod manifest;
mod media_type;
pub mod predicate;
pub mod referrer;
pub mod rules;
pub mod sbom;
pub mod sboms;
mod scan;
pub mod sign;
pub mod signing;
pub mod statement;
#[cfg(test)]
mod tests;
pub mod trust;
pub mod verification;
pub mod verify;

pub use malformed::Malformed;
