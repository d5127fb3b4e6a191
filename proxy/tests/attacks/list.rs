//! docs/attacks.md against the source tree.

use std::collections::BTreeSet;
use std::path::Path;

/// Cases that nothing proves yet. It stays as short as can be; the list says why.
const OPEN: &[u32] = &[];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The rows of the table: number, and what stands in backticks in the last column.
fn rows() -> Vec<(u32, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells.first()?.parse().ok()?;
        let named = cells.last()?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((number, named))
    });
    rows.collect()
}

/// The functions of every Rust file.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["proxy/src", "proxy/tests", "policy", "registry", "e2e"] {
        collect(&root().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_list_of_attacks_names_exists() {
    let functions = functions();
    assert!(functions.contains("every_test_that_the_list_of_attacks_names_exists"));
    for (number, named) in rows() {
        for test in named {
            assert!(functions.contains(&test), "case {number} names {test}, which is nowhere");
        }
    }
}

#[test]
fn the_list_of_attacks_has_every_case_once_and_a_test_for_each() {
    let rows = rows();
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    for (number, named) in rows {
        assert_eq!(named.is_empty(), OPEN.contains(&number), "case {number}");
    }
}
