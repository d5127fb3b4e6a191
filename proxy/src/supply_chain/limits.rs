//! How much of what comes from outside is read. Every one of them is checked before the work that it bounds.

/// Bytes of a bundle. An SBOM of 64 MiB is as long as this in base64.
pub const BUNDLE_BYTES: usize = 96 << 20;

/// Bytes of what a DSSE envelope signs.
pub const PAYLOAD_BYTES: usize = 64 << 20;

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
