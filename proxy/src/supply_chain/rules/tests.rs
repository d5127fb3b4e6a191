//! Policies against evidence: what passes, what does not and why; and the principle that holds for all of them.

mod attestation;
mod document;
mod layout;
mod negative;
mod principle;
mod provenance;
mod sbom;
mod signatures;
mod support;
mod tests_passed;
mod vulnerabilities;
