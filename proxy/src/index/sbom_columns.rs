//! The components of a document as columns, each an array: one statement takes them all.

use std::collections::BTreeSet;

use spdx::{LicenseItem, LicenseReq};

use crate::supply_chain::licence;
use crate::supply_chain::sbom::{Component, Licence, Purl, Reading, version_key};

/// Longest text that an index of Postgres takes beside the others of its row, in bytes.
const KEY_BYTES: usize = 512;

/// The columns of a document's components, each an array.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) roots: Vec<bool>,
    pub(super) kinds: Vec<Option<&'a str>>,
    pub(super) groups: Vec<Option<&'a str>>,
    pub(super) names: Vec<&'a str>,
    pub(super) versions: Vec<Option<&'a str>>,
    pub(super) purls: Vec<Option<&'a str>>,
    pub(super) cpes: Vec<Option<&'a str>>,
    pub(super) suppliers: Vec<Option<&'a str>>,
    pub(super) licences: Vec<Option<String>>,
    pub(super) name_keys: Vec<Option<String>>,
    pub(super) purl_types: Vec<Option<&'a str>>,
    pub(super) purl_namespaces: Vec<Option<&'a str>>,
    pub(super) purl_names: Vec<Option<&'a str>>,
    pub(super) purl_versions: Vec<Option<&'a str>>,
    pub(super) purl_qualifiers: Vec<Option<&'a str>>,
    pub(super) version_keys: Vec<Option<Vec<u8>>>,
    pub(super) licence_ordinals: Vec<i32>,
    pub(super) licence_keys: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(reading: &'a Reading) -> Self {
        let mut columns = Self::default();
        let roots: BTreeSet<usize> = reading.sbom.roots.iter().copied().collect();
        for (index, component) in reading.sbom.components.iter().enumerate() {
            columns.roots.push(roots.contains(&index));
            columns.push(component);
            for key in licence_keys(component) {
                columns.licence_ordinals.push(i32::try_from(index).unwrap_or(i32::MAX));
                columns.licence_keys.push(key);
            }
        }
        columns
    }

    fn push(&mut self, component: &'a Component) {
        self.kinds.push(component.kind.as_deref());
        self.groups.push(component.group.as_deref());
        self.names.push(&component.name);
        self.versions.push(component.version.as_deref());
        self.purls.push(component.purl.as_ref().map(Purl::as_str));
        self.cpes.push(component.cpe.as_deref());
        self.suppliers.push(component.supplier.as_deref());
        self.licences.push(shown_licence(component));
        self.name_keys.push(key(&component.name.to_lowercase()).filter(|name| !name.is_empty()));
        let purl = component.purl.as_ref().filter(|purl| {
            purl.name.len() + purl.namespace.as_ref().map_or(0, String::len) + purl.kind.len() <= 2 * KEY_BYTES
        });
        self.purl_types.push(purl.map(|purl| purl.kind.as_str()));
        self.purl_namespaces.push(purl.map(|purl| purl.namespace.as_deref().unwrap_or_default()));
        self.purl_names.push(purl.map(|purl| purl.name.as_str()));
        self.purl_versions.push(purl.map(|purl| purl.version.as_deref().unwrap_or_default()));
        self.purl_qualifiers.push(purl.map(Purl::qualifiers));
        let version = purl.map(|purl| version_key(&purl.kind, purl.version.as_deref().unwrap_or_default()));
        self.version_keys.push(version);
    }
}

/// A text that an index takes.
fn key(text: &str) -> Option<String> {
    (text.len() <= KEY_BYTES).then(|| text.to_owned())
}

/// What is concluded, else what is declared; several as a list.
fn shown_licence(component: &Component) -> Option<String> {
    let said = if component.concluded.iter().all(|licence| *licence == Licence::NoAssertion) {
        &component.declared
    } else {
        &component.concluded
    };
    let shown: Vec<&str> = said.iter().map(Licence::as_str).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// What a component is found by, of all that is said of its licences: each licence of each expression, and names as they are.
fn licence_keys(component: &Component) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for licence in component.declared.iter().chain(&component.concluded) {
        match licence {
            Licence::Expression(text) => match licence::parse(text) {
                Ok(expression) => {
                    expression.requirements().for_each(|requirement| keys.extend(licence_forms(&requirement.req)));
                }
                Err(_) => keys.extend(key(&text.to_lowercase())),
            },
            said => keys.extend(key(&said.as_str().to_lowercase())),
        }
    }
    keys
}

/// A licence is found with what is granted besides, and without.
fn licence_forms(licence: &LicenseReq) -> impl Iterator<Item = String> {
    let whole = licence.to_string().to_lowercase();
    let alone = match &licence.license {
        LicenseItem::Spdx { id, .. } if licence.addition.is_some() => Some(id.name.to_lowercase()),
        _ => None,
    };
    [Some(whole), alone].into_iter().flatten().filter(|form| form.len() <= KEY_BYTES)
}
