//! How much of a document is read. All bounds are on by default.

/// The bounds of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest document, in bytes.
    pub bytes: usize,
    /// Largest part that is held as a tree at once, in bytes: one element of a large list, or all that stands outside of the
    /// large lists.
    pub element_bytes: usize,
    /// Deepest nesting.
    pub depth: usize,
    /// Most components.
    pub components: usize,
    /// Most edges between components.
    pub edges: usize,
    /// Longest text that the model keeps, in bytes; longer ones are cut, and a finding says so.
    pub text_bytes: usize,
    /// Most findings that are given; all are counted.
    pub findings: usize,
    /// Most findings that are looked for: then reading ends.
    pub counted_findings: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            element_bytes: 16 << 20,
            depth: 64,
            components: 250_000,
            edges: 1_000_000,
            text_bytes: 4096,
            findings: 100,
            counted_findings: 10_000,
        }
    }
}
