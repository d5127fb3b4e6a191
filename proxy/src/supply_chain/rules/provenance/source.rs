//! What something was built from: a repository of git, a branch or tag, a commit.
//!
//! A build names many things that went into it. Its source is what it was told to build, so that nothing passes because a good
//! repository is among its dependencies: what the external parameters say, at the places where the well-known types of builds say it;
//! the configuration of v0.2; and only where neither is there the one repository among its dependencies, if there is just one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::predicate::{Provenance, Resource};
use crate::supply_chain::rules::policy::PolicyError;
use crate::supply_chain::rules::words::{Pattern, Several, is_pointer};

/// Algorithms of commits, as builders name them.
const COMMITS: [&str; 3] = ["gitCommit", "sha1", "sha256"];

/// Where the external parameters of v1 say what is built, as a repository and a ref that stand beside each other: GitHub's
/// workflows, Google's Cloud Build, the example of the specification.
const PAIRS: [(&str, &str); 3] = [
    ("/workflow/repository", "/workflow/ref"),
    ("/sourceToBuild/repository", "/sourceToBuild/ref"),
    ("/repository", "/ref"),
];

/// The same as one URI, or a resource with one: GitLab, BuildKit.
const SINGLES: [&str; 2] = ["/source", "/configSource"];

/// A repository that may be built from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceRule {
    /// A pattern of its URL.
    repository: Pattern,
    /// Patterns of branches and tags: `refs/heads/main`, `refs/tags/v*`. Unset: any.
    refs: Option<Several<Pattern>>,
}

/// Where the external parameters of another type of build say what is built.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceAt {
    /// The place of the repository's URL.
    repository: String,
    /// The place of the branch or tag, where it is not part of the URL.
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// What a build says that it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    repository: String,
    reference: Option<String>,
    commit: Option<String>,
}

impl SourceRule {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        if Source::parse(self.repository.as_str()).is_some_and(|source| source.repository == self.repository.as_str()) {
            return Ok(());
        }
        let text = "is a pattern of a URL such as https://git.example/team/app: without git+, .git, a ref, and a slash at its end";
        Err(PolicyError::at(format!("{at}.repository"), text))
    }

    fn is_met_by(&self, source: &Source) -> bool {
        let reference = source.reference.as_deref();
        let is_ref = |refs: &Several<Pattern>| reference.is_some_and(|reference| refs.fit(reference));
        self.repository.fits(&source.repository) && self.refs.as_ref().is_none_or(is_ref)
    }
}

impl SourceAt {
    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        for (name, pointer) in [("repository", Some(&self.repository)), ("ref", self.reference.as_ref())] {
            if pointer.is_some_and(|pointer| !is_pointer(pointer)) {
                return Err(PolicyError::at(format!("{at}.{name}"), "is no JSON pointer, such as /source/repository"));
            }
        }
        Ok(())
    }
}

impl Source {
    /// Reads a URI as builders write it: `git+https://host/path@ref` (SPDX 2.3, 7.7) or `https://host/path.git#ref` (BuildKit).
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.strip_prefix("git+").unwrap_or(text)).ok()?;
        let host = url.host_str()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let (path, behind) = match url.path().split_once('@') {
            Some((path, reference)) => (path, Some(reference)),
            None => (url.path(), None),
        };
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if path.is_empty() {
            return None;
        }
        let repository = format!("{}://{host}{port}{path}", url.scheme());
        let reference = behind.or_else(|| url.fragment()).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self { repository, reference, commit: None })
    }

    fn of_resource(resource: &Resource) -> Option<Self> {
        Some(Self { commit: commit(&resource.digest), ..Self::parse(&resource.uri)? })
    }

    /// What stands at a place: a URI, or a resource with one.
    fn at(document: &Value, pointer: &str) -> Option<Self> {
        match document.pointer(pointer)? {
            Value::String(uri) => Self::parse(uri),
            value @ Value::Object(_) => Self::of_resource(&serde_json::from_value(value.clone()).ok()?),
            _ => None,
        }
    }

    fn at_pair(document: &Value, repository: &str, reference: Option<&str>) -> Option<Self> {
        let mut source = Self::at(document, repository)?;
        let told = reference.and_then(|pointer| document.pointer(pointer)).and_then(Value::as_str);
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            source.reference = Some(told.to_owned());
        }
        Some(source)
    }

    /// With the commit that the builder has found, where it says which.
    fn resolved(self, materials: &[Resource]) -> Self {
        if self.commit.is_some() {
            return self;
        }
        let is_it = |found: &Self| {
            found.repository == self.repository
                && (found.reference.is_none() || self.reference.is_none() || found.reference == self.reference)
        };
        let found = materials.iter().filter_map(Self::of_resource).filter(is_it).find(|found| found.commit.is_some());
        match found {
            Some(found) => Self { commit: found.commit, reference: self.reference.or(found.reference), ..self },
            None => self,
        }
    }
}

/// Everything that a build was told to build.
pub(super) fn told(provenance: &Provenance, source_at: Option<&SourceAt>) -> Vec<Source> {
    let parameters = &provenance.parameters;
    let mut told: Vec<Source> = match (source_at, &provenance.recipe) {
        (Some(at), _) => Source::at_pair(parameters, &at.repository, at.reference.as_deref()).into_iter().collect(),
        (None, Some(recipe)) => Source::of_resource(recipe).into_iter().collect(),
        (None, None) => {
            let pairs = PAIRS.iter().filter_map(|(repository, at)| Source::at_pair(parameters, repository, Some(at)));
            pairs.chain(SINGLES.iter().filter_map(|pointer| Source::at(parameters, pointer))).collect()
        }
    };
    if told.is_empty() && source_at.is_none() && provenance.recipe.is_none() {
        let is_git =
            |material: &&Resource| material.uri.starts_with("git+") || material.digest.contains_key("gitCommit");
        let mut found = provenance.materials.iter().filter(is_git).filter_map(Source::of_resource);
        // Of several nobody says which is the source.
        told.extend(found.next().filter(|only| found.all(|other| other == *only)));
    }
    told.into_iter().map(|source| source.resolved(&provenance.materials)).collect()
}

/// Whether everything that was built is one of the sources, at a commit that is known.
pub(super) fn check<'r>(told: &[Source], rules: impl Iterator<Item = &'r SourceRule> + Clone) -> Result<(), String> {
    if told.is_empty() {
        return Err("it cannot be told what was built".to_owned());
    }
    for source in told {
        if !rules.clone().any(|rule| rule.is_met_by(source)) {
            let reference = source.reference.as_deref().unwrap_or("no ref");
            return Err(format!("it was built from {:?} at {reference:?}", source.repository));
        }
        if source.commit.is_none() {
            return Err(format!("it does not say which commit of {:?} was built", source.repository));
        }
    }
    Ok(())
}

fn commit(digest: &BTreeMap<String, String>) -> Option<String> {
    COMMITS.iter().find_map(|algorithm| digest.get(*algorithm)).filter(|value| !value.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provenance(parameters: Value, recipe: Option<Value>, materials: Value) -> Provenance {
        Provenance {
            builder: String::new(),
            build_type: String::new(),
            parameters,
            recipe: recipe.map(|recipe| serde_json::from_value(recipe).unwrap()),
            materials: serde_json::from_value(materials).unwrap(),
            started: None,
            finished: None,
        }
    }

    fn rule(rule: Value) -> SourceRule {
        let rule: SourceRule = serde_json::from_value(rule).unwrap();
        rule.check("").unwrap();
        rule
    }

    fn main_of_app() -> SourceRule {
        rule(json!({"repository": "https://git.example/acme/app", "refs": ["refs/heads/main", "refs/tags/v*"]}))
    }

    fn check_one(provenance: &Provenance) -> Result<(), String> {
        check(&told(provenance, None), [main_of_app()].iter())
    }

    const GOOD: &str = "git+https://git.example/acme/app@refs/heads/main";

    fn at(uri: &str) -> Value {
        json!({"uri": uri, "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"}})
    }

    #[test]
    fn uris_of_builders_are_read_as_repository_and_ref() {
        for (uri, repository, reference) in [
            (GOOD, "https://git.example/acme/app", Some("refs/heads/main")),
            (
                "https://GIT.example/acme/app.git#refs/heads/main",
                "https://git.example/acme/app",
                Some("refs/heads/main"),
            ),
            ("https://git.example:8443/acme/app/", "https://git.example:8443/acme/app", None),
            ("git+ssh://git@git.example/acme/app.git@v1", "ssh://git.example/acme/app", Some("v1")),
            ("https://git.example/acme/app#", "https://git.example/acme/app", None),
        ] {
            let source = Source::parse(uri).unwrap();
            assert_eq!((source.repository.as_str(), source.reference.as_deref()), (repository, reference), "{uri}");
        }
        for uri in ["", "acme/app", "pkg:npm/app@1", "https://git.example/", "git+https://git.example/@main"] {
            assert_eq!(Source::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_the_well_known_builders_say_is_found() {
        let materials = json!([at(GOOD)]);
        for parameters in [
            json!({"workflow": {"repository": "https://git.example/acme/app", "ref": "refs/heads/main", "path": "ci.yml"}}),
            json!({"sourceToBuild": {"repository": "https://git.example/acme/app", "ref": "refs/heads/main"}}),
            json!({"repository": "https://git.example/acme/app", "ref": "refs/heads/main"}),
            json!({"source": GOOD}),
            json!({"configSource": {"uri": "https://git.example/acme/app.git#refs/heads/main"}}),
            json!({}),
        ] {
            let provenance = provenance(parameters.clone(), None, materials.clone());
            assert_eq!(check_one(&provenance), Ok(()), "{parameters}");
        }
        let old = provenance(json!({}), Some(at(GOOD)), json!([]));
        assert_eq!(check_one(&old), Ok(()));
    }

    #[test]
    fn a_good_repository_among_the_dependencies_does_not_help() {
        let evil = "git+https://git.example/evil/app@refs/heads/main";
        let parameters = json!({"workflow": {"repository": "https://git.example/evil/app", "ref": "refs/heads/main"}});
        assert!(check_one(&provenance(parameters, None, json!([at(GOOD), at(evil)]))).is_err());
        assert!(check_one(&provenance(json!({}), None, json!([at(GOOD), at(evil)]))).is_err(), "nobody says which");
        assert!(check_one(&provenance(json!({}), Some(at(evil)), json!([at(GOOD)]))).is_err());
        // Told two things, of which one is good.
        let both = json!({"source": GOOD, "workflow": {"repository": "https://git.example/evil/app", "ref": "refs/heads/main"}});
        assert!(check_one(&provenance(both, None, json!([at(GOOD), at(evil)]))).is_err());
    }

    #[test]
    fn the_ref_counts_and_so_does_the_commit() {
        let with = |reference: &str| {
            let parameters = json!({"repository": "https://git.example/acme/app", "ref": reference});
            let material = at(&format!("git+https://git.example/acme/app@{reference}"));
            check_one(&provenance(parameters, None, json!([material])))
        };
        assert_eq!(with("refs/tags/v1.2"), Ok(()));
        assert!(with("refs/heads/evil").unwrap_err().contains("refs/heads/evil"));
        let parameters = json!({"repository": "https://git.example/acme/app", "ref": "refs/heads/main"});
        let unresolved = check_one(&provenance(parameters.clone(), None, json!([])));
        assert!(unresolved.unwrap_err().contains("which commit"));
        // The commit of another branch is not that of this one.
        let other = at("git+https://git.example/acme/app@refs/heads/other");
        assert!(check_one(&provenance(parameters, None, json!([other]))).unwrap_err().contains("which commit"));
        assert!(check_one(&provenance(json!({}), None, json!([]))).unwrap_err().contains("cannot be told"));
    }

    #[test]
    fn a_type_of_ones_own_says_it_where_the_policy_looks() {
        let parameters = json!({"job": {"from": "https://git.example/acme/app", "branch": "refs/heads/main"}, "source": "https://git.example/evil/app"});
        let provenance = provenance(parameters, None, json!([at(GOOD)]));
        let place: SourceAt = serde_json::from_value(json!({"repository": "/job/from", "ref": "/job/branch"})).unwrap();
        assert_eq!(check(&told(&provenance, Some(&place)), [main_of_app()].iter()), Ok(()));
        let nowhere: SourceAt = serde_json::from_value(json!({"repository": "/job/to"})).unwrap();
        assert!(check(&told(&provenance, Some(&nowhere)), [main_of_app()].iter()).is_err());
    }

    #[test]
    fn a_repository_is_written_in_one_way() {
        for repository in [
            "git+https://git.example/a",
            "https://git.example/a.git",
            "https://git.example/a/",
            "acme/app",
            "https://git.example/a@main",
        ] {
            let rule: SourceRule = serde_json::from_value(json!({"repository": repository})).unwrap();
            assert!(rule.check("rules[0]").is_err(), "{repository}");
        }
        rule(json!({"repository": "https://git.example/acme/*"}));
    }
}
