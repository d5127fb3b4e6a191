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

/// The tests of the source tree.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tests {
    run: BTreeSet<String>,
    /// Those that run only where somebody asks for them.
    ignored: BTreeSet<String>,
}

impl Tests {
    fn of_the_tree() -> Self {
        let mut found = Self::default();
        for folder in ["proxy/src", "proxy/tests", "policy", "registry", "e2e"] {
            found.collect(&root().join(folder));
        }
        found
    }

    fn collect(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                self.collect(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.read(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// A test is a function behind `#[test]` or `#[tokio::test]`; attributes and comments may stand between the two.
    fn read(&mut self, text: &str) {
        let (mut is_test, mut is_ignored, mut in_comment) = (false, false, false);
        for line in text.lines().map(str::trim) {
            if in_comment || line.starts_with("/*") {
                in_comment = !line.contains("*/");
            } else if line.starts_with("#[") {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                is_ignored |= line.starts_with("#[ignore");
            } else if !line.starts_with("//") {
                if let Some(name) = function(line).filter(|_| is_test) {
                    let found = if is_ignored { &mut self.ignored } else { &mut self.run };
                    found.insert(name.to_owned());
                }
                (is_test, is_ignored) = (false, false);
            }
        }
    }
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[test]
fn every_test_that_the_list_of_attacks_names_exists_and_is_run() {
    let tests = Tests::of_the_tree();
    assert!(tests.run.contains("every_test_that_the_list_of_attacks_names_exists_and_is_run"));
    for (number, named) in rows() {
        let is_open = OPEN.iter().any(|(open, _, _)| *open == number);
        assert!(named.iter().any(|test| tests.run.contains(test)), "no test of case {number} is run");
        for test in named {
            let is_told = is_open && tests.ignored.contains(&test);
            assert!(is_told || tests.run.contains(&test), "case {number} names {test}, which is no test that is run");
        }
    }
}

#[test]
fn what_only_looks_like_a_test_is_none() {
    let mut found = Tests::default();
    found.read(
        "/* #[test]
            fn in_a_comment() {} */
         // #[test] fn in_a_line() {}
         fn helper() {}
         #[test]
         const NONE: u8 = 0;
         fn behind_something_else() {}
         #[tokio::test(flavor = \"multi_thread\")]
         #[ignore = \"slow\"]
         async fn ignored() {}
         #[test]
         /// With a comment.
         #[allow(unused)]
         fn real() {}
         #[tokio::test]
         async fn real_too() {}",
    );
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        (names(&found.run), names(&found.ignored)),
        (vec!["real".to_owned(), "real_too".to_owned()], vec!["ignored".to_owned()])
    );
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
