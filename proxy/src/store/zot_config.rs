//! Zot's configuration file: what of it would lose S3 bytes, and a right one.
//!
//! Read as Zot reads it: keys in any case, numbers and words for booleans, what is left out has Zot's default. Unknown
//! keys are ignored, for other versions have other keys. Only JSON is read, though Zot takes YAML and TOML too.
//! What does not live here: reading the file, and refusing writes (`app`).

mod lenient;
mod referrers;
mod right;

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use self::lenient::{Tree, is_zero_duration, paths_conflict};

pub use self::right::{Options, right_config};

/// What was found in a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// With these S3 bytes would be lost, or transfers cut: writes are to be refused.
    pub refusals: Vec<Finding>,
    /// With these what is attached to S3 objects would be lost: attaching is to be refused.
    pub attaching: Vec<Finding>,
    /// These make Zot slower or more open than it should be.
    pub warnings: Vec<Finding>,
}

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field, as a path such as `storage.subPaths./s3.gc`.
    pub field: String,
    /// What it says now.
    pub found: String,
    /// What it should say, and why.
    pub wanted: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, wanted: {}", self.field, self.found, self.wanted)
    }
}

impl Findings {
    fn refuse(&mut self, tree: &Tree<'_>, wanted: &str) {
        self.refusals.push(finding(tree, wanted));
    }

    fn warn(&mut self, tree: &Tree<'_>, wanted: &str) {
        self.warnings.push(finding(tree, wanted));
    }
}

fn finding(tree: &Tree<'_>, wanted: &str) -> Finding {
    Finding { field: tree.path().to_owned(), found: tree.shown(), wanted: wanted.to_owned() }
}

/// Checks the text of a configuration file for a sidecar whose repositories begin with `prefix`.
#[must_use]
pub fn check(json: &str, prefix: &str) -> Findings {
    let mut findings = Findings::default();
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(error) => {
            findings.refusals.push(Finding {
                field: "(the file)".to_owned(),
                found: format!("not JSON ({error})"),
                wanted: "JSON; Zot reads other formats too, but this check does not".to_owned(),
            });
            return findings;
        }
    };
    let root = Tree::root(&value);
    for twice in root.keys_given_twice() {
        findings.refuse(&twice, "each key once: in which order Zot reads the two is not defined");
    }
    check_store(&root.get("storage"), prefix, &mut findings);
    referrers::check(&root.get("storage"), &mut findings);
    check_http(&root.get("http"), &mut findings);
    check_metadata(&root, &mut findings);
    findings
}

/// The store of S3 bytes: nothing is collected in it, nothing linked into it, everything synced, and it lies by itself.
fn check_store(storage: &Tree<'_>, prefix: &str, findings: &mut Findings) {
    let global_dedupe = storage.get("dedupe");
    // The global store's default is true.
    if global_dedupe.as_bool(true) != Some(false) {
        findings.warn(
            &global_dedupe,
            "false: else a HEAD or a ranged GET of a blob that any repository has links it into the one that was asked",
        );
    }
    let sub_paths = storage.get("subPaths");
    let store = sub_paths.get(&format!("/{prefix}"));
    if !store.is_object() {
        findings.refuse(&store, "a store of its own: without it garbage collection deletes S3 bytes");
        return;
    }
    // What a sub-path leaves out is false, other than in the global store; so only `commit` must be said.
    for (field, wanted, why) in [
        ("gc", false, "false: garbage collection deletes S3 bytes, for no manifest lists them"),
        ("dedupe", false, "false: it lets one repository's blobs be read through another's name"),
        ("commit", true, "true: without it an answered write may be lost when the power fails"),
        ("redirectBlobURL", false, "false: the sidecar follows no redirects, so that it could read nothing"),
    ] {
        let tree = store.get(field);
        if tree.as_bool(false) != Some(wanted) {
            findings.refuse(&tree, why);
        }
    }
    check_root(storage, &sub_paths, &store, findings);
}

fn check_root(storage: &Tree<'_>, sub_paths: &Tree<'_>, store: &Tree<'_>, findings: &mut Findings) {
    let root = store.get("rootDirectory");
    let Some(path) = root.as_str().filter(|path| !path.is_empty()) else {
        findings.refuse(&root, "a folder of its own");
        return;
    };
    let global = storage.get("rootDirectory");
    let others = sub_paths.children().filter(|other| other.path() != store.path());
    let elsewhere = std::iter::once(global).chain(others.map(|other| other.get("rootDirectory")));
    for other in elsewhere {
        if other.as_str().is_some_and(|other| paths_conflict(path, other)) {
            let wanted = format!("a folder neither within {} ({}) nor around it", other.path(), other.shown());
            findings.refuse(&root, &wanted);
        }
    }
}

/// The listener: no limit on how long a transfer takes, and nobody but the sidecar reaches it.
fn check_http(http: &Tree<'_>, findings: &mut Findings) {
    for field in ["readTimeout", "writeTimeout"] {
        let tree = http.get(field);
        if !is_zero_duration(&tree) {
            findings.refuse(&tree, "\"0s\": transfers that take longer are cut (when left out it is 60s)");
        }
    }
    let address = http.get("address");
    let is_open = match address.as_str() {
        // What is left out is 127.0.0.1; what is empty is every address.
        None => !address.is_absent(),
        Some("") => true,
        Some(text) => text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(is_public),
    };
    let believes_us = http.get("auth").get("bearer").get("cert").as_str().is_some_and(|cert| !cert.is_empty());
    if is_open && !believes_us {
        findings.warn(
            &address,
            "an address that only the sidecar reaches, such as 127.0.0.1, or http.auth.bearer with the sidecar's key (store.token): Zot lets everyone in else",
        );
    }
    let rate = http.get("ratelimit");
    if rate.is_object() {
        findings.warn(&rate, "left out: to Zot all clients are the one sidecar, so that they share the one limit");
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

/// What turns on Zot's metadata database: it is written, and synced, with every manifest that is put or read.
fn check_metadata(root: &Tree<'_>, findings: &mut Findings) {
    const WHY: &str = "left out: it turns on Zot's metadata database, which costs a synced write with every request";
    let (extensions, auth, storage) = (root.get("extensions"), root.get("http").get("auth"), root.get("storage"));
    for name in ["search", "trust", "ui", "userprefs"] {
        let extension = extensions.get(name);
        if extension.is_object() && extension.get("enable").as_bool(true) != Some(false) {
            findings.warn(&extension, WHY);
        }
    }
    for name in ["htpasswd", "ldap", "openid"] {
        let method = auth.get(name);
        if method.is_object() {
            findings.warn(&method, WHY);
        }
    }
    if auth.get("apikey").as_bool(false) != Some(false) {
        findings.warn(&auth.get("apikey"), WHY);
    }
    let sub_paths = storage.get("subPaths");
    for store in std::iter::once(storage.clone()).chain(sub_paths.children()) {
        let limit = store.get("maxRepos");
        if !limit.is_absent() && limit.as_u64() != Some(0) {
            findings.warn(&limit, WHY);
        }
        for keep in store.get("retention").get("policies").children().flat_map(|policy| policy.get("keepTags").all()) {
            for name in ["pulledWithin", "pushedWithin", "mostRecentlyPulledCount", "mostRecentlyPushedCount"] {
                if !keep.get(name).is_absent() {
                    findings.warn(&keep.get(name), WHY);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
