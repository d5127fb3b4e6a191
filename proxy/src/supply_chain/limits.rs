//! How much of what comes from outside is read. Every one of them is checked before the work that it bounds.

/// Bytes of a bundle: of a payload in base64, and of what proves it.
pub const BUNDLE_BYTES: usize = 96 << 20;

/// Bytes of what a DSSE envelope signs: of the longest bill of materials that is read, and of the statement around it.
pub const PAYLOAD_BYTES: usize = 65 << 20;

/// Bytes of the text that a legacy signature is over.
pub const LEGACY_PAYLOAD_BYTES: usize = 1 << 20;

/// Bytes of one annotation of a legacy signature: a certificate, a chain, an entry of a log.
pub const ANNOTATION_BYTES: usize = 256 << 10;

/// Subjects of a statement.
pub const SUBJECTS: usize = 10_000;

/// Digests of one subject.
pub const DIGESTS: usize = 16;

/// Entries of transparency logs in a bundle, each of which costs signatures to check.
pub const LOG_ENTRIES: usize = 8;

/// Timestamps in a bundle, each of which costs signatures to check.
pub const TIMESTAMPS: usize = 8;

/// Bytes of a key in PEM.
pub const KEY_BYTES: usize = 16 << 10;

/// Bytes of a `trusted_root.json`.
pub const TRUSTED_ROOT_BYTES: usize = 1 << 20;

/// Bytes of a name, a type or a reference.
pub const NAME_BYTES: usize = 2048;

/// Signatures in one legacy manifest.
pub const LEGACY_SIGNATURES: usize = 64;

/// Pieces of evidence that are looked at for one artifact.
pub const EVIDENCE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::supply_chain::sbom::Limits;
    use crate::supply_chain::statement::{Statement, Subject};
    use serde_json::value::RawValue;

    #[test]
    fn the_longest_bill_of_materials_is_attested_too_and_fits_a_bundle() {
        let text = format!("\"{}\"", "a".repeat(Limits::default().bytes - 2));
        let predicate = RawValue::from_string(text).unwrap();
        let subjects = vec![Subject::new("app", &Digest::of(b"app"))];
        let payload = Statement::new(subjects, "https://cyclonedx.org/bom", &predicate).unwrap().to_payload().unwrap();
        assert!(payload.len() > Limits::default().bytes);
        assert!(Statement::parse(&payload).is_ok());
        assert!(PAYLOAD_BYTES.div_ceil(3) * 4 < BUNDLE_BYTES - ANNOTATION_BYTES);
    }
}
