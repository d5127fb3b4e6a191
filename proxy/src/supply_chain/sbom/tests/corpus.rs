//! The examples that CycloneDX publishes with its schemas, and what tools write: a folder that `SBOM_CORPUS` names.
//!
//! Files that begin with `valid` must be valid and those that begin with `invalid` must not; of all others it is only said what
//! was found.

use std::path::{Path, PathBuf};

use super::*;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ["json", "xml", "spdx"].iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
}

#[test]
#[ignore = "needs a folder of documents: SBOM_CORPUS=… cargo test -p zas-proxy --lib documents_of_others -- --ignored --nocapture"]
fn documents_of_others_are_judged_as_their_names_say() {
    let folder = std::env::var("SBOM_CORPUS").expect("SBOM_CORPUS names a folder");
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    let (mut read_files, mut wrong) = (0, 0);
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = match read(&std::fs::read(&path).unwrap(), None, &Limits::default()) {
            Err(Refusal::Unrecognised | Refusal::Unsupported(_)) => continue,
            Err(refusal) => Err(vec![refusal.to_string()]),
            Ok(reading) if reading.report.is_valid() => Ok(reading.sbom.components.len()),
            Ok(reading) => {
                let findings = reading.report.findings().iter().take(3);
                Err(findings.map(|finding| format!("{} {finding}", finding.rule.as_str())).collect())
            }
        };
        read_files += 1;
        let is_wrong = name.starts_with("valid") && outcome.is_err() || name.starts_with("invalid") && outcome.is_ok();
        wrong += i32::from(is_wrong);
        if is_wrong || !name.contains("valid") {
            println!("{} {name}: {outcome:?}", if is_wrong { "WRONG" } else { "     " });
        }
    }
    println!("{read_files} documents, {wrong} judged otherwise than their names say");
    assert!(read_files > 0 && wrong == 0);
}
