//! docs/attacks.md against the source tree.

use std::collections::BTreeSet;
use std::path::Path;

/// Cases whose stated result does not hold to the letter: what is stated, and what happens. It stays as short as can be; docs/attacks.md
/// repeats it.
const OPEN: &[(u32, &str, &str)] = &[
    (
        2,
        "403",
        "400: a credential without a signature is malformed, whatever else the request holds. Nothing is stored",
    ),
    (
        6,
        "403 without a policy or a signature, and POST policies held to their conditions",
        "501 for every form: browser forms (POST policies) are not there yet. Nothing of one is read",
    ),
    (
        27,
        "The others' 99th percentile is unchanged within 20 %",
        "That each slow client is closed at its deadline is asserted. What they cost others is measured by hand (below), not asserted: on a machine that is shared it would fail by chance",
    ),
    (
        29,
        "An upload of another user is out of reach",
        "An upload of another repository is. Within a repository whoever may push may go on with anybody's upload, and cancel it, if they know its id, which is random",
    ),
    (
        30,
        "With a full disk changes are answered 503, and nothing is lost",
        "Tried with a database that refuses to write, by a setting and by the error of a full disk, not by filling one. There is no log on the local disk",
    ),
    (
        31,
        "The outcome of a forwarded change is on record before the client has its answer",
        "Its intent is, before anything is forwarded. The outcome follows the registry's answer; where the process dies in between, or there is no answer, the registry is asked later, and says `found`, `absent` or `unknown`. Killed at each point of a PutObject and of a manifest's push; other changes go the same two ways, and each kind of change of the index was tried with a commit that fails when change and record are both written",
    ),
];

/// Where the page begins to speak of them.
const SECTION: &str = "\n## Where the stated result does not hold";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The page: the list, and what stands behind it.
fn page() -> (String, String) {
    let text = std::fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let (list, rest) = text.split_once(SECTION).unwrap();
    (list.to_owned(), rest.to_owned())
}

/// The rows of a table that begin with a number.
fn table(text: &str) -> Vec<(u32, Vec<String>)> {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.trim().trim_matches('|').split(" | ").map(str::trim);
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// The rows of the list: number, and what stands in backticks in the last column.
fn rows() -> Vec<(u32, Vec<String>)> {
    let named = |cells: &[String]| {
        let last = cells.last().map(String::as_str).unwrap_or_default();
        last.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    table(&page().0).iter().map(|(number, cells)| (*number, named(cells))).collect()
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
        assert!(!named.is_empty(), "nothing proves case {number}");
    }
}

#[test]
fn the_list_of_attacks_says_where_a_stated_result_does_not_hold_and_nowhere_else() {
    let said = table(&page().1);
    let open: Vec<_> =
        OPEN.iter().map(|(number, stated, here)| (*number, vec![(*stated).to_owned(), (*here).to_owned()])).collect();
    assert_eq!(said, open);
}
