//! What tests of this room share.

/// A fixture, as text.
pub(super) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/supply_chain/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
