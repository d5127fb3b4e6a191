//! Identifiers and what refers to them, whatever the order in which both stand.
//!
//! Kept as 64-bit hashes under a random key, so that a million of them stay small and nobody can choose two that collide.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::finding::{Place, Report, Rule};
use super::limits::Limits;
use super::model::Edges;
use super::refusal::Refusal;

/// What refers to something: where it stands is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// CycloneDX: whose dependencies these are.
    Dependent,
    /// CycloneDX: what it depends on.
    DependsOn,
    /// CycloneDX: what it provides.
    Provides,
    /// SPDX 2: the element that a relationship is of.
    Element,
    /// SPDX 2: the element that it relates to.
    Related,
    /// SPDX 2: what the document describes.
    Described,
    /// SPDX 2: a file of a package.
    PackageFile,
    /// SPDX 2: the file that a snippet is of.
    SnippetFile,
    /// SPDX 3: the element that a relationship is from.
    From,
    /// SPDX 3: an element that it is to.
    To,
}

impl End {
    /// The list, the member of its elements, and whether that is a list again.
    const fn path(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Dependent => ("dependencies", "ref", false),
            Self::DependsOn => ("dependencies", "dependsOn", true),
            Self::Provides => ("dependencies", "provides", true),
            Self::Element => ("relationships", "spdxElementId", false),
            Self::Related => ("relationships", "relatedSpdxElement", false),
            Self::Described => ("documentDescribes", "", false),
            Self::PackageFile => ("packages", "hasFiles", true),
            Self::SnippetFile => ("snippets", "snippetFromFile", false),
            Self::From => ("@graph", "from", false),
            Self::To => ("@graph", "to", true),
        }
    }

    /// Whether it counts as the end of an edge, which has one such end.
    const fn is_edge(self) -> bool {
        matches!(self, Self::DependsOn | Self::Provides | Self::Related | Self::To)
    }
}

/// A reference: to what, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Reference {
    to: u64,
    index: u32,
    sub: u32,
    end: End,
}

impl Reference {
    fn place(self) -> Place {
        let (list, member, has_sub) = self.end.path();
        let mut path = format!("/{list}/{}", self.index);
        if !member.is_empty() {
            path.push('/');
            path.push_str(member);
        }
        if has_sub {
            path.push_str(&format!("/{}", self.sub));
        }
        Place::at(path)
    }
}

/// The identifiers of a document, and the references to them.
#[derive(Debug)]
pub(super) struct References {
    key: RandomState,
    known: HashSet<u64>,
    references: Vec<Reference>,
    edges: u64,
    limit: usize,
}

impl References {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            key: RandomState::new(),
            known: HashSet::new(),
            references: Vec::new(),
            edges: 0,
            limit: limits.edges.saturating_mul(2),
        }
    }

    /// The identifier's hash, for maps of the caller's own.
    pub(super) fn hash(&self, id: &str) -> u64 {
        self.key.hash_one(id)
    }

    /// Whether the identifier stood nowhere before.
    pub(super) fn define(&mut self, id: &str) -> bool {
        let hash = self.hash(id);
        self.known.insert(hash)
    }

    /// Notes a reference to `id`.
    pub(super) fn refer(&mut self, id: &str, end: End, index: usize, sub: usize) -> Result<(), Refusal> {
        if self.references.len() >= self.limit {
            return Err(Refusal::TooMuch { what: "references", limit: self.limit });
        }
        let reference = Reference { to: self.hash(id), index: narrow(index), sub: narrow(sub), end };
        self.references.push(reference);
        self.edges += u64::from(end.is_edge());
        Ok(())
    }

    /// Counts an edge that leads out of the document.
    pub(super) const fn count_edge(&mut self) {
        self.edges += 1;
    }

    /// Adds a finding for each reference to what is not there.
    pub(super) fn finish(self, report: &mut Report) -> Edges {
        let mut dangling = 0;
        for reference in self.references.iter().filter(|reference| !self.known.contains(&reference.to)) {
            dangling += 1;
            report.add(
                Rule::DanglingReference,
                || reference.place(),
                || "refers to what is not in the document".into(),
            );
        }
        Edges { count: self.edges, dangling }
    }
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(10, 100)
    }

    #[test]
    fn a_reference_may_come_before_what_it_refers_to() {
        let mut references = References::new(&Limits::default());
        references.refer("a", End::DependsOn, 0, 0).unwrap();
        assert!(references.define("a"));
        let mut report = report();
        assert_eq!(references.finish(&mut report), Edges { count: 1, dangling: 0 });
        assert!(report.is_valid());
    }

    #[test]
    fn a_reference_to_nothing_is_found_where_it_stands() {
        let mut references = References::new(&Limits::default());
        references.refer("a", End::Dependent, 3, 0).unwrap();
        references.refer("b", End::DependsOn, 3, 7).unwrap();
        let mut report = report();
        assert_eq!(references.finish(&mut report), Edges { count: 1, dangling: 2 });
        let places: Vec<&str> = report.findings().iter().map(|finding| finding.place.path.as_str()).collect();
        assert_eq!(places, ["/dependencies/3/ref", "/dependencies/3/dependsOn/7"]);
    }

    #[test]
    fn there_is_an_end_to_references() {
        let mut references = References::new(&Limits { edges: 1, ..Limits::default() });
        references.refer("a", End::From, 0, 0).unwrap();
        references.refer("a", End::To, 0, 0).unwrap();
        assert!(references.refer("a", End::To, 0, 1).is_err());
    }
}
