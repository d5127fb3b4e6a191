//! `/components`: which artifacts contain a package, a name or a licence, over all artifacts that the caller may read.
//!
//! First is asked which buckets and repositories have anything to find, then the policy, and only then pages are read: what may
//! not be read costs no page its room. In a bucket the policy is asked of each object again.
//! What does not live here: the search itself (`index::component`).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zas_policy::{Action, Resource};

use crate::admin::page::bounded;
use crate::admin::text::optional_text;
use crate::admin::{Asks, Permitted, Refusal};
use crate::app::App;
use crate::authz::Caller;
use crate::error::{Code, Error, Result};
use crate::index::{ComponentPlace, ComponentQuery, FoundComponent, SbomScope, ScopeKind};
use crate::supply_chain::sbom::{Purl, VersionRange};

/// Buckets and repositories that the policy is asked about at once.
const SCOPES: u32 = 500;

/// How often that is done for one page.
const ROUNDS: usize = 20;

/// Components that are looked at for one page, most of which the caller may not see.
const LOOKED_AT: usize = 10_000;

/// Asks which artifacts contain something.
pub(super) struct FindComponents;

impl Asks for FindComponents {
    const NAME: &'static str = "FindComponents";
    const ACTION: Option<Action> = Some(Action::Search);
}

/// What is looked for: one of `purl`, `name` and `licence`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A package URL: this version where it has one, else any. Qualifiers that it has must be there.
    #[serde(default, deserialize_with = "optional_text::<_, 4096>")]
    #[param(
        max_length = 4096,
        pattern = r"^pkg:[^\x00-\x1f\x7f-\x9f]*$",
        example = "pkg:maven/org.apache.logging.log4j/log4j-core"
    )]
    purl: Option<String>,
    /// Versions of a package URL that has none: `>=2.0`, `<2.15`, `>=2.0,<2.15`, or all that begin with one: `2.14*`.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = ">=2.0,<2.15")]
    version_range: Option<String>,
    /// A component's name, in any case.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// A licence, in any case, wherever it stands in an expression.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "GPL-3.0-only")]
    licence: Option<String>,
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; unset: the first page.
    #[param(pattern = r"^[0-9]{1,19}\.[0-9]{1,19}\.-?[0-9]{1,10}$")]
    after: Option<String>,
}

/// A component of an artifact.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Component)]
pub(super) struct Shown {
    /// The artifact: `s3://bucket/key` or `oci://repository@digest`.
    #[schema(example = "s3://releases/linux/amd64/app-1.2.tgz")]
    artifact: String,
    /// Digest of the artifact's manifest.
    digest: String,
    /// Digest of the SBOM that lists the component.
    sbom: String,
    /// How the SBOM is carried: `referrer`, `statement` or `attestation`.
    carried: &'static str,
    /// Whether the SBOM is valid.
    valid: bool,
    /// Whether the SBOM is about the component, and does not only list it.
    is_root: bool,
    /// What it is, as the SBOM calls it.
    #[schema(example = "library")]
    kind: Option<String>,
    /// CycloneDX `group`.
    group: Option<String>,
    /// The name.
    #[schema(example = "log4j-core")]
    name: String,
    /// The version.
    #[schema(example = "2.14.1")]
    version: Option<String>,
    /// The package URL.
    purl: Option<String>,
    /// The licences, as the SBOM has them.
    licence: Option<String>,
}

/// A page of components, in the order of artifacts' places, SBOMs, and places in them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComponentList {
    /// The components.
    components: Vec<Shown>,
    /// `after` of the next page; null on the last. A page may be short, and even empty, where there is a next one: much was
    /// looked at that may not be shown.
    next: Option<String>,
}

/// Find out which artifacts contain a package, a name or a licence.
///
/// Artifacts that one may not read (`s3:GetObject` on the object, `oci:Pull` on the repository) are not named.
#[utoipa::path(get, path = "/components", tag = "artifacts", params(Wanted), responses((status = 200, body = ComponentList)))]
pub(super) async fn find_components(
    State(app): State<Arc<App>>,
    permitted: Permitted<FindComponents>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ComponentList>, Refusal> {
    let Query(wanted) = wanted?;
    let (limit, after) = (bounded(wanted.limit)?, wanted.place()?);
    let search = Search { app: &app, caller: permitted.permit.caller(), wanted: wanted.query()?, limit };
    let (found, next) = search.page(after).await?;
    let components = found.into_iter().map(Shown::from).collect();
    Ok(Json(ComponentList { components, next: next.map(token) }))
}

impl Wanted {
    fn query(&self) -> Result<ComponentQuery> {
        if self.version_range.is_some() && self.purl.is_none() {
            return Err(refused("version_range", "Only the versions of a package URL are looked for: give purl too."));
        }
        match (&self.purl, &self.name, &self.licence) {
            (Some(purl), None, None) => package(purl, self.version_range.as_deref()),
            (None, Some(name), None) if !name.is_empty() => Ok(ComponentQuery::Name(name.clone())),
            (None, None, Some(licence)) if !licence.is_empty() => Ok(ComponentQuery::Licence(licence.clone())),
            (None, Some(_), None) => Err(refused("name", "name must not be empty.")),
            (None, None, Some(_)) => Err(refused("licence", "licence must not be empty.")),
            _ => Err(refused("purl", "Say what is looked for by one of purl, name and licence.")),
        }
    }

    /// Where the page begins.
    fn place(&self) -> Result<ComponentPlace> {
        let Some(after) = &self.after else { return Ok(ComponentPlace::FIRST) };
        place(after).ok_or_else(|| refused("after", "after: not a `next` of this list"))
    }
}

fn place(text: &str) -> Option<ComponentPlace> {
    let mut parts = text.split('.');
    let (scope, document, ordinal) = (parts.next()?, parts.next()?, parts.next()?);
    let place =
        ComponentPlace { scope: scope.parse().ok()?, document: document.parse().ok()?, ordinal: ordinal.parse().ok()? };
    (parts.next().is_none() && place.scope >= 0).then_some(place)
}

fn token(place: ComponentPlace) -> String {
    format!("{}.{}.{}", place.scope, place.document, place.ordinal)
}

fn refused(field: &'static str, text: &'static str) -> Error {
    Error::new(Code::InvalidArgument, text).with("field", field)
}

fn package(text: &str, range: Option<&str>) -> Result<ComponentQuery> {
    let purl: Purl = text
        .parse()
        .map_err(|error| Error::new(Code::InvalidArgument, format!("purl: {error}")).with("field", "purl"))?;
    match range {
        None => Ok(ComponentQuery::package(purl)),
        Some(_) if purl.version.is_some() => {
            Err(refused("version_range", "The package URL has a version: leave one of the two out."))
        }
        Some(range) => {
            let versions = versions(&purl.kind, range)?;
            Ok(ComponentQuery::versions(purl, versions))
        }
    }
}

/// Reads `2.14*`, or bounds with a comma between them.
fn versions(kind: &str, text: &str) -> Result<VersionRange> {
    let unreadable =
        || refused("version_range", "version_range is >=VERSION, <VERSION, both with a comma, or BEGINNING*.");
    if let Some(beginning) = text.trim().strip_suffix('*') {
        let beginning = beginning.trim_end_matches('.');
        let is_version = !beginning.is_empty() && !beginning.contains(['*', '<', '>', ',']);
        return is_version.then(|| VersionRange::beginning_with(kind, beginning)).ok_or_else(unreadable);
    }
    let (mut from, mut before) = (None, None);
    for bound in text.split(',').map(str::trim) {
        let (place, version) = match (bound.strip_prefix(">="), bound.strip_prefix('<')) {
            (Some(version), _) => (&mut from, version.trim()),
            (None, Some(version)) => (&mut before, version.trim()),
            (None, None) => return Err(unreadable()),
        };
        if version.is_empty() || version.contains(['*', '<', '>', '=']) || place.replace(version).is_some() {
            return Err(unreadable());
        }
    }
    Ok(VersionRange::between(kind, from, before))
}

/// A search on somebody's behalf.
struct Search<'a> {
    app: &'a App,
    caller: &'a Caller,
    wanted: ComponentQuery,
    limit: u32,
}

impl Search<'_> {
    /// A page, and where the next one begins.
    async fn page(&self, mut after: ComponentPlace) -> Result<(Vec<FoundComponent>, Option<ComponentPlace>)> {
        let mut page = Page { limit: self.limit as usize, found: Vec::new(), looked_at: 0 };
        for _ in 0..ROUNDS {
            let scopes = self.app.index.component_scopes(&self.wanted, after.scope - 1, SCOPES).await?;
            let Some((last, _)) = scopes.last() else { return Ok(page.end()) };
            let behind = ComponentPlace { scope: *last, document: i64::MAX, ordinal: i32::MAX };
            let readable = scopes.iter().filter(|(_, scope)| self.may_look_into(scope)).map(|(row, _)| *row);
            let readable: Vec<i64> = readable.collect();
            if let Some(stopped) = self.fill(&mut page, &readable, after).await? {
                return Ok(page.stopped_at(stopped));
            }
            if scopes.len() < SCOPES as usize {
                return Ok(page.end());
            }
            after = behind;
        }
        Ok(page.stopped_at(after))
    }

    /// Adds what may be seen in these scopes; where it stopped, if there was no room for all.
    async fn fill(&self, page: &mut Page, scopes: &[i64], mut after: ComponentPlace) -> Result<Option<ComponentPlace>> {
        if scopes.is_empty() {
            return Ok(None);
        }
        loop {
            let found = self.app.index.find_components(&self.wanted, Some(scopes), after, self.limit + 1).await?;
            for component in found.components {
                after = component.place;
                page.looked_at += 1;
                if self.may_see(&component) {
                    page.found.push(component);
                }
                if page.is_full() {
                    return Ok(Some(after));
                }
            }
            if !found.truncated {
                return Ok(None);
            }
        }
    }

    /// Whether anything in a bucket or repository may be read.
    fn may_look_into(&self, scope: &SbomScope) -> bool {
        let authority = &self.app.authority;
        match scope.kind {
            ScopeKind::Bucket => authority.may_somewhere(self.caller, Action::GetObject, &scope.name),
            ScopeKind::Repository => {
                authority.may_know(self.caller, Action::Pull, &Resource::repository(scope.name.as_str()))
            }
        }
    }

    fn may_see(&self, found: &FoundComponent) -> bool {
        let resource = match found.scope.kind {
            ScopeKind::Bucket => Resource::object(found.scope.name.as_str(), found.key.as_str()),
            // Asked once for all of it.
            ScopeKind::Repository => return true,
        };
        self.app.authority.may_know(self.caller, Action::GetObject, &resource)
    }
}

/// A page while it is filled: one component more than asked for tells that there is a next one.
struct Page {
    limit: usize,
    found: Vec<FoundComponent>,
    looked_at: usize,
}

impl Page {
    const fn is_full(&self) -> bool {
        self.found.len() > self.limit || self.looked_at >= LOOKED_AT
    }

    fn end(self) -> (Vec<FoundComponent>, Option<ComponentPlace>) {
        (self.found, None)
    }

    /// The page, and the place that the next one begins behind.
    fn stopped_at(mut self, stopped: ComponentPlace) -> (Vec<FoundComponent>, Option<ComponentPlace>) {
        let is_over = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        let last = self.found.last().map(|found| found.place).filter(|_| is_over);
        (self.found, Some(last.unwrap_or(stopped)))
    }
}

impl From<FoundComponent> for Shown {
    fn from(found: FoundComponent) -> Self {
        let artifact = match found.scope.kind {
            ScopeKind::Bucket => format!("s3://{}/{}", found.scope.name, found.key),
            ScopeKind::Repository => format!("oci://{}@{}", found.scope.name, found.subject),
        };
        Self {
            artifact,
            digest: found.subject.to_string(),
            sbom: found.document.to_string(),
            carried: found.manner.as_str(),
            valid: found.valid,
            is_root: found.is_root,
            kind: found.kind,
            group: found.group,
            name: found.name,
            version: found.version,
            purl: found.purl,
            licence: found.licence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Result<ComponentQuery> {
        let uri = format!("/?{query}").parse().unwrap();
        Query::<Wanted>::try_from_uri(&uri).unwrap().0.query()
    }

    #[test]
    fn ranges_are_bounds_or_a_beginning() {
        let between = |from, before| Ok(VersionRange::between("npm", from, before));
        for (text, expected) in [
            (">=2.0", between(Some("2.0"), None)),
            ("<2.15", between(None, Some("2.15"))),
            ("< 2.15 , >= 2.0", between(Some("2.0"), Some("2.15"))),
            ("2.14*", Ok(VersionRange::beginning_with("npm", "2.14"))),
            ("2.14.*", Ok(VersionRange::beginning_with("npm", "2.14"))),
            ("", Err(())),
            ("*", Err(())),
            ("2.14", Err(())),
            ("<=2.14", Err(())),
            (">=1,>=2", Err(())),
            (">=", Err(())),
            (">=1,", Err(())),
            (">=1*", Err(())),
        ] {
            assert_eq!(versions("npm", text).map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn one_thing_is_looked_for_and_what_is_wrong_is_named() {
        assert_eq!(wanted("name=lodash").unwrap(), ComponentQuery::Name("lodash".into()));
        assert_eq!(wanted("licence=MIT").unwrap(), ComponentQuery::Licence("MIT".into()));
        assert!(wanted("purl=pkg:npm/a@1").is_ok() && wanted("purl=pkg:npm/a&version_range=1*").is_ok());
        for (query, field) in [
            ("", "purl"),
            ("name=a&licence=b", "purl"),
            ("purl=pkg:npm/a&name=a", "purl"),
            ("purl=nonsense", "purl"),
            ("name=", "name"),
            ("licence=", "licence"),
            ("name=a&version_range=1*", "version_range"),
            ("purl=pkg:npm/a@1&version_range=1*", "version_range"),
            ("purl=pkg:npm/a&version_range=1", "version_range"),
        ] {
            let error = wanted(query).unwrap_err();
            assert_eq!(error.details().next(), Some(("field", field)), "{query}");
        }
    }

    #[test]
    fn a_place_reads_as_it_was_written() {
        let place = ComponentPlace { scope: 7, document: i64::MAX, ordinal: -1 };
        let read = |after: &str| {
            let uri = format!("/?name=a&after={after}").parse().unwrap();
            Query::<Wanted>::try_from_uri(&uri).unwrap().0.place()
        };
        assert_eq!(read(&token(place)).unwrap(), place);
        for text in ["", "1", "1.2", "1.2.3.4", "a.b.c", "-1.2.3", "1.2.99999999999"] {
            assert_eq!(read(text).unwrap_err().details().next(), Some(("field", "after")), "{text}");
        }
    }
}
