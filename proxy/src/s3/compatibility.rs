//! `docs/s3-compatibility.md`, made from the code: every operation of S3, and what becomes of it here.
//!
//! Whether an operation is here nobody writes down: [`Operation`] says it. What is written down, in `buckets` and `objects`, is what
//! S3 has (its service model of 2026, and the form upload that the model leaves out), and what there is to say of each operation.
//! What does not live here: the operations themselves, and what holds for all of them (`docs/s3.md`).

mod buckets;
mod objects;

use std::fmt::Write;

use super::operation::Operation;

/// An operation of S3.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Its name in S3's service model.
    name: &'static str,
    /// Method and path, with what makes it this operation and no other.
    request: &'static str,
    /// What there is to say of it.
    note: Note,
}

/// What there is to say of an operation, for either case.
#[derive(Debug, Clone, Copy)]
enum Note {
    /// How it differs from AWS's once it is here.
    Here(&'static str),
    /// That, and why it is not here as long as it is not.
    HereOrNot(&'static str, &'static str),
    /// How it differs once the operation named first is here, which sets what this one reads or removes; and what it answers until then.
    With(&'static str, &'static str, &'static str),
    /// It is here and knows one state alone, which is what AWS says of a bucket where it was never configured.
    NotConfigured(&'static str),
    /// Why it is not here.
    Never(&'static str),
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Implemented,
    NotConfigured,
    NotImplemented,
}

impl Status {
    const ALL: [Self; 3] = [Self::Implemented, Self::NotConfigured, Self::NotImplemented];

    const fn text(self) -> &'static str {
        match self {
            Self::Implemented => "implemented",
            Self::NotConfigured => "answered as not configured",
            Self::NotImplemented => "not implemented",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Implemented => {
                "does what AWS does, but for what is said beside it and in [S3](s3.md#where-it-differs-from-aws)"
            }
            Self::NotConfigured => {
                "answers what AWS answers where nothing was configured, takes what changes nothing, and refuses the rest with 501 NotImplemented"
            }
            Self::NotImplemented => "answers 501 NotImplemented, and changes nothing",
        }
    }
}

impl Row {
    fn operation(&self) -> Option<Operation> {
        Operation::parse(self.name)
    }

    fn status(&self) -> Status {
        match (self.operation(), self.note) {
            (None, _) => Status::NotImplemented,
            (Some(_), Note::NotConfigured(_)) => Status::NotConfigured,
            (Some(_), Note::With(setter, ..)) if Operation::parse(setter).is_none() => Status::NotConfigured,
            (Some(_), _) => Status::Implemented,
        }
    }

    /// What differs, what the one answer is, or why it is not here.
    fn remark(&self) -> &'static str {
        match (self.status(), self.note) {
            (Status::Implemented, Note::Here(differs) | Note::HereOrNot(differs, _) | Note::With(_, differs, _)) => {
                differs
            }
            (Status::NotConfigured, Note::With(_, _, answer) | Note::NotConfigured(answer)) => answer,
            (Status::NotImplemented, Note::HereOrNot(_, why) | Note::Never(why)) => why,
            (Status::NotImplemented, _) => "not written",
            (Status::Implemented | Status::NotConfigured, _) => "",
        }
    }
}

/// Every operation of S3, by name; and whatever else is here, so that nothing can be here and be missing from the page.
fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = buckets::ROWS.iter().chain(objects::ROWS).copied().collect();
    for operation in Operation::ALL {
        if !rows.iter().any(|row| row.name == operation.name()) {
            rows.push(Row { name: operation.name(), request: "", note: Note::Here("not among S3's own") });
        }
    }
    rows.sort_unstable_by_key(|row| row.name);
    rows
}

/// The whole page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let rows = rows();
    let mut page = String::from(
        "# S3, operation by operation\n\n\
         Generated from the code by `zas-proxy s3-compatibility`; a test keeps it so.\n\n\
         Every operation of S3's service model, and the upload by a browser's form, which the model leaves out. Older names of the same\n\
         requests are left out: GetBucketLifecycle, PutBucketLifecycle, GetBucketNotification and PutBucketNotification.\n\
         What holds for all of them (signatures, conditions, checksums, limits) stands in [S3](s3.md), and what the permissions mean in\n\
         [policies](policy.md). Of a permission that depends on what is asked for, the one that is always needed is named.\n\n\
         | status | operations | meaning |\n|---|---|---|\n",
    );
    for status in Status::ALL {
        let count = rows.iter().filter(|row| row.status() == status).count();
        let _ = writeln!(page, "| {} | {count} | {} |", status.text(), status.meaning());
    }
    page.push_str(
        "\n| operation | request | status | what differs from AWS, or why | permission |\n|---|---|---|---|---|\n",
    );
    for row in &rows {
        let request = if row.request.is_empty() { String::new() } else { format!("`{}`", row.request) };
        let permission = row.operation().map(|operation| format!("`{}`", operation.action().as_str()));
        let (status, permission) = (row.status().text(), permission.unwrap_or_default());
        let _ = writeln!(page, "| {} | {request} | {status} | {} | {permission} |", row.name, row.remark());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and status of each operation, as a reader of the page finds them.
    fn shown() -> Vec<(String, String)> {
        let page = markdown();
        let table = page.split("| operation | request |").nth(1).unwrap().lines().skip(2);
        table
            .map(|line| {
                let cells: Vec<&str> = line.split(" | ").collect();
                assert_eq!(cells.len(), 5, "{line}");
                (cells[0].trim_start_matches("| ").to_owned(), cells[2].to_owned())
            })
            .collect()
    }

    #[test]
    fn the_page_in_docs_is_the_page_that_the_code_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/s3-compatibility.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/s3-compatibility.md is out of date: cargo run -p zas-proxy -- s3-compatibility > docs/s3-compatibility.md"
        );
    }

    #[test]
    fn what_is_here_is_never_called_missing_and_what_is_missing_never_here() {
        for (name, status) in shown() {
            let is_here = status != Status::NotImplemented.text();
            assert_eq!(Operation::parse(&name).is_some(), is_here, "{name}: {status}");
        }
    }

    #[test]
    fn every_operation_is_on_the_page_once() {
        let mut names: Vec<String> = shown().into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "one is there twice");
        for operation in Operation::ALL {
            assert!(names.iter().any(|name| name == operation.name()), "{operation:?}");
        }
        // The service model's, and PostObject.
        assert_eq!(buckets::ROWS.len() + objects::ROWS.len(), 113);
    }

    #[test]
    fn what_another_operation_would_set_is_known_by_its_name() {
        for row in rows() {
            if let Note::With(setter, ..) = row.note {
                assert!(rows().iter().any(|other| other.name == setter), "{}: {setter}", row.name);
            }
        }
    }

    #[test]
    fn whatever_is_not_done_in_full_says_why() {
        for row in rows() {
            assert!(row.status() == Status::Implemented || !row.remark().is_empty(), "{}", row.name);
            assert!(!row.remark().contains('|') && !row.request.contains('|'), "{} would break the table", row.name);
        }
    }
}
