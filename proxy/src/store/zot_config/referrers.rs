//! Whether Zot's garbage collection would take what refers to S3 objects: their subjects are never in Zot, so that it takes them
//! for orphans where it is told to delete those (Zot, `pkg/retention`; observed with 2.1.20).

use super::lenient::Tree;
use super::{Findings, finding};

/// What the names of those repositories begin with.
const HOME: &str = "zas/referrers/";

/// Looks at the store that holds them: the first rule that speaks of a repository decides.
pub(super) fn check(storage: &Tree<'_>, findings: &mut Findings) {
    let own = storage.get("subPaths").get("/zas");
    let (store, collects) = if own.is_object() { (own, false) } else { (storage.clone(), true) };
    if store.get("gc").as_bool(collects) == Some(false) {
        return;
    }
    for policy in store.get("retention").get("policies").children() {
        let patterns = policy.get("repositories").all();
        let patterns: Vec<&str> = patterns.iter().filter_map(Tree::as_str).collect();
        if !patterns.iter().any(|pattern| may_match(pattern)) {
            continue;
        }
        let orphans = policy.get("deleteReferrers");
        if orphans.as_bool(false) != Some(false) {
            findings.attaching.push(finding(
                &orphans,
                "false, or a rule for zas/** before it that says so: Zot would delete the signatures of S3 objects",
            ));
        }
        let tags = policy.get("keepTags");
        if !tags.all().is_empty() {
            findings.attaching.push(finding(
                &tags,
                "left out, or a rule for zas/** before it without it: Zot would delete signatures that older clients find by a tag",
            ));
        }
        if patterns.iter().any(|pattern| matches!(*pattern, "**" | "zas/**" | "zas/referrers/**")) {
            return;
        }
    }
}

/// Whether a pattern may speak of one of the repositories, by its beginning.
fn may_match(pattern: &str) -> bool {
    let fixed = pattern.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
    HOME.starts_with(fixed) || fixed.starts_with(HOME)
}
