//! Versions that were acknowledged: each stays readable, and is listed once, in the order of time.

use std::{collections::HashMap, time::Duration};

use super::xml::{element, elements, unquoted};

/// A version that a client was told of.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) id: String,
    pub(super) invoked: Duration,
    pub(super) returned: Duration,
}

/// One entry of ListObjectVersions that is no delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) etag: String,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) versions: Vec<Listed>,
    /// The markers of the next page, where there is one: key and version.
    pub(super) next: Option<(String, String)>,
}

impl Page {
    /// Reads the XML; `None` where it is no such page.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let versions = elements(text, "Version").into_iter().map(|version| {
            let part = |name| element(version, name);
            Some(Listed { key: part("Key")?, id: part("VersionId")?, etag: unquoted(&part("ETag")?) })
        });
        let is_truncated = element(text, "IsTruncated")? == "true";
        let next = if is_truncated {
            Some((element(text, "NextKeyMarker")?, element(text, "NextVersionIdMarker")?))
        } else {
            None
        };
        Some(Self { versions: versions.collect::<Option<_>>()?, next })
    }
}

/// What is wrong with a whole listing of a bucket, whose versions of a key come newest first.
pub(super) fn complaints(bucket: &str, listed: &[Listed], acknowledged: &[Version]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut places: HashMap<(&str, &str), &Listed> = HashMap::new();
    for entry in listed {
        if places.insert((&entry.key, &entry.id), entry).is_some() {
            complaints.push(format!("{bucket}/{}: version {} is listed twice", entry.key, entry.id));
        }
    }
    let mut known: HashMap<(&str, &str), &Version> = HashMap::new();
    for version in acknowledged.iter().filter(|version| version.bucket == bucket) {
        let name = format!("{bucket}/{} version {}", version.key, version.id);
        match places.get(&(version.key.as_str(), version.id.as_str())) {
            None => complaints.push(format!("{name} was acknowledged and is not listed")),
            Some(entry) if entry.etag != version.etag => {
                complaints.push(format!("{name} was acknowledged as {} and is listed as {}", version.etag, entry.etag));
            }
            Some(_) => {}
        }
        if known.insert((&version.key, &version.id), version).is_some() {
            complaints.push(format!("{name} was acknowledged twice"));
        }
    }
    complaints.extend(out_of_order(bucket, listed, &known));
    complaints
}

/// Versions that are listed as newer than one that was begun after they were acknowledged.
fn out_of_order(bucket: &str, listed: &[Listed], known: &HashMap<(&str, &str), &Version>) -> Vec<String> {
    let mut complaints = Vec::new();
    // Of the versions of a key that were listed so far, all newer: the one that was acknowledged first.
    let mut earliest: HashMap<&str, &Version> = HashMap::new();
    for entry in listed {
        let Some(version) = known.get(&(entry.key.as_str(), entry.id.as_str())).copied() else { continue };
        match earliest.get_mut(entry.key.as_str()) {
            Some(newer) if newer.returned < version.invoked => complaints.push(format!(
                "{bucket}/{}: version {} is listed as newer than {}, which was begun after the former was acknowledged",
                entry.key, newer.id, version.id
            )),
            Some(newer) if newer.returned <= version.returned => {}
            Some(newer) => *newer = version,
            None => drop(earliest.insert(&entry.key, version)),
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, invoked: u64, returned: u64) -> Version {
        let (invoked, returned) = (Duration::from_secs(invoked), Duration::from_secs(returned));
        Version { bucket: "b".into(), key: "k".into(), etag: format!("e{id}"), id: id.into(), invoked, returned }
    }

    fn listed(ids: &[&str]) -> Vec<Listed> {
        ids.iter().map(|id| Listed { key: "k".into(), id: (*id).into(), etag: format!("e{id}") }).collect()
    }

    #[test]
    fn a_page_of_versions_is_read_without_its_delete_markers() {
        let text = "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
            <NextVersionIdMarker>1</NextVersionIdMarker><DeleteMarker><Key>k</Key><VersionId>2</VersionId></DeleteMarker>\
            <Version><Key>k</Key><VersionId>1</VersionId><ETag>&quot;e1&quot;</ETag></Version></ListVersionsResult>";
        let page = Page::parse(text).unwrap();
        assert_eq!(page.versions, listed(&["1"]));
        assert_eq!(page.next, Some(("k".into(), "1".into())));
        assert!(Page::parse("<Error/>").is_none());
    }

    #[test]
    fn versions_in_the_order_of_time_are_right_and_overlapping_ones_in_any_order() {
        let acknowledged = [version("1", 0, 2), version("2", 1, 3), version("3", 4, 5)];
        assert!(complaints("b", &listed(&["3", "2", "1"]), &acknowledged).is_empty());
        assert!(complaints("b", &listed(&["3", "1", "2"]), &acknowledged).is_empty());
        assert!(complaints("b", &listed(&["3", "unknown", "1", "2"]), &acknowledged).is_empty());
    }

    #[test]
    fn a_lost_a_doubled_a_changed_and_a_misplaced_version_are_found() {
        let acknowledged = [version("1", 0, 2), version("2", 3, 4)];
        let said = |ids: &[&str]| complaints("b", &listed(ids), &acknowledged).join("\n");
        assert!(said(&["2"]).contains("not listed"));
        assert!(said(&["2", "2", "1"]).contains("listed twice"));
        assert!(said(&["1", "2"]).contains("listed as newer"));
        let mut changed = listed(&["2", "1"]);
        changed[0].etag = "other".into();
        assert!(complaints("b", &changed, &acknowledged).join("\n").contains("listed as other"));
    }
}
