//! Documents of every format and version, from `proxy/tests/supply_chain_artifacts`: all describe the same artifact.

mod corpus;
mod invalid;
mod robust;
mod valid;

use super::*;

/// Every document of the folder, by its name.
pub(super) const DOCUMENTS: [(&str, &str); 17] = [
    ("cyclonedx-1.2.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.2.json")),
    ("cyclonedx-1.3.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.3.json")),
    ("cyclonedx-1.4.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.4.json")),
    ("cyclonedx-1.5.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.5.json")),
    ("cyclonedx-1.6.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.6.json")),
    ("cyclonedx-1.7.json", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.7.json")),
    ("cyclonedx-1.2.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.2.xml")),
    ("cyclonedx-1.3.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.3.xml")),
    ("cyclonedx-1.4.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.4.xml")),
    ("cyclonedx-1.5.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.5.xml")),
    ("cyclonedx-1.6.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.6.xml")),
    ("cyclonedx-1.7.xml", include_str!("../../../tests/supply_chain_artifacts/cyclonedx-1.7.xml")),
    ("spdx-2.2.json", include_str!("../../../tests/supply_chain_artifacts/spdx-2.2.json")),
    ("spdx-2.3.json", include_str!("../../../tests/supply_chain_artifacts/spdx-2.3.json")),
    ("spdx-2.2.spdx", include_str!("../../../tests/supply_chain_artifacts/spdx-2.2.spdx")),
    ("spdx-2.3.spdx", include_str!("../../../tests/supply_chain_artifacts/spdx-2.3.spdx")),
    ("spdx-3.0.1.json", include_str!("../../../tests/supply_chain_artifacts/spdx-3.0.1.json")),
];

pub(super) fn document(name: &str) -> &'static str {
    DOCUMENTS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no document {name}")).1
}

pub(super) fn reading(text: &str) -> Reading {
    read(text.as_bytes(), None, &Limits::default()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The findings of a document, each as `rule place: text`.
pub(super) fn findings(text: &str) -> Vec<String> {
    let report = reading(text).report;
    report.findings().iter().map(|finding| format!("{} {finding}", finding.rule.as_str())).collect()
}
