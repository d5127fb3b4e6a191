//! Versions as bytes that sort as versions do, whatever made them.
//!
//! Every ecosystem orders versions by rules of its own (the purl-spec's VERS lists them). What they share is enough for a search: numbers
//! compare as numbers, a longer version follows its beginning, and what stands for a pre-release comes before the release.
//! Where an ecosystem says otherwise in a corner (`1.0` equals `1.0.0` for Maven and PyPI), the order here is not its own;
//! docs/sbom.md says so.

/// A part of a pre-release begins: before the end of a version, so that it comes before the release.
const PRE: u8 = 0x10;
/// The end of a version.
const END: u8 = 0x20;
/// Words and numbers. In a pre-release numbers come first (Semantic Versioning 2.0.0, 11).
const PRE_NUMBER: u8 = 0x30;
const WORD: u8 = 0x40;
const NUMBER: u8 = 0x50;

/// Longest key, in bytes; what is longer is cut, and sorts by its beginning.
const LONGEST: usize = 400;

/// Types in which all behind the first dash is a pre-release.
const SEMANTIC: [&str; 8] = ["npm", "cargo", "golang", "nuget", "hex", "pub", "swift", "composer"];

/// Words that stand for a pre-release elsewhere.
const PRE_WORDS: [&str; 13] =
    ["a", "alpha", "b", "beta", "c", "cr", "dev", "m", "milestone", "pre", "preview", "rc", "snapshot"];

/// The key of a version of a package of this type (the type of its package URL).
#[must_use]
pub fn version_key(kind: &str, version: &str) -> Vec<u8> {
    let mut key = beginning(kind, version);
    key.push(END);
    key
}

/// Versions from one on, up to one that is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// The least key.
    pub from: Vec<u8>,
    /// The key behind the greatest.
    pub before: Vec<u8>,
}

impl VersionRange {
    /// All versions.
    #[must_use]
    pub fn all() -> Self {
        Self { from: Vec::new(), before: vec![u8::MAX] }
    }

    /// This version alone.
    #[must_use]
    pub fn exactly(kind: &str, version: &str) -> Self {
        let from = version_key(kind, version);
        let before = [from.as_slice(), &[0]].concat();
        Self { from, before }
    }

    /// The versions that begin with this one, part by part: `1.2` has `1.2`, `1.2.9` and `1.2-rc1`, and not `1.20`.
    #[must_use]
    pub fn beginning_with(kind: &str, version: &str) -> Self {
        let from = beginning(kind, version);
        let before = [from.as_slice(), &[u8::MAX]].concat();
        Self { from, before }
    }

    /// From a version on, which is among them, up to another, which is not; each may be left open.
    #[must_use]
    pub fn between(kind: &str, from: Option<&str>, before: Option<&str>) -> Self {
        let all = Self::all();
        Self {
            from: from.map_or(all.from, |version| version_key(kind, version)),
            before: before.map_or(all.before, |version| version_key(kind, version)),
        }
    }
}

fn beginning(kind: &str, version: &str) -> Vec<u8> {
    let version = version.trim();
    let version = version
        .strip_prefix(['v', 'V'])
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(version);
    let (epoch, version) = match version.split_once([':', '!']) {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("0", version),
    };
    let mut key = Vec::new();
    number(&mut key, NUMBER, epoch);
    let (release, pre) = split(kind, version);
    parts(&mut key, release, NUMBER, !SEMANTIC.contains(&kind));
    if let Some(pre) = pre {
        key.push(PRE);
        parts(&mut key, pre, PRE_NUMBER, false);
    }
    key.truncate(LONGEST);
    key
}

/// The release, and the pre-release where the type has one behind a dash. What a build is called means nothing there.
fn split<'v>(kind: &str, version: &'v str) -> (&'v str, Option<&'v str>) {
    if !SEMANTIC.contains(&kind) {
        return (version, None);
    }
    let version = version.split_once('+').map_or(version, |(version, _)| version);
    match version.split_once('-') {
        Some((release, pre)) => (release, Some(pre)),
        None => (version, None),
    }
}

fn parts(key: &mut Vec<u8>, text: &str, number_tag: u8, pre_words: bool) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let is_part = |c: char| if is_digit { c.is_ascii_digit() } else { c.is_alphabetic() };
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        if part.is_empty() {
            // Debian: a tilde sorts before everything, the end included.
            if first == '~' && key.last() != Some(&PRE) {
                key.push(PRE);
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        if is_digit {
            number(key, number_tag, part);
        } else {
            word(key, part, pre_words);
        }
        rest = behind;
    }
}

/// Longer numbers are greater, and of those as long the digits decide.
fn number(key: &mut Vec<u8>, tag: u8, digits: &str) {
    let digits = digits.trim_start_matches('0');
    key.push(tag);
    key.push(u8::try_from(digits.len()).unwrap_or(u8::MAX));
    key.extend(digits.bytes().take(usize::from(u8::MAX)));
}

fn word(key: &mut Vec<u8>, word: &str, pre_words: bool) {
    let word = word.to_lowercase();
    if pre_words && PRE_WORDS.contains(&word.as_str()) && key.last() != Some(&PRE) {
        key.push(PRE);
    }
    key.push(WORD);
    // PyPI: what is in development comes before its alphas (version specifiers, "Summary of permitted suffixes").
    if word == "dev" {
        key.push(1);
    }
    key.extend(word.bytes());
    key.push(0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_ascending(kind: &str, versions: &[&str]) {
        for pair in versions.windows(2) {
            let [lesser, greater] = pair else { unreachable!() };
            assert!(version_key(kind, lesser) < version_key(kind, greater), "{kind}: {lesser} < {greater}");
        }
    }

    #[test]
    fn versions_sort_as_their_ecosystems_sort_them() {
        assert_ascending(
            "npm",
            &[
                "1.0.0-alpha",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1.0.0",
                "1.0.1",
                "1.2.0",
                "1.10.0",
                "2.0.0",
            ],
        );
        assert_ascending("golang", &["v0.0.0-20230101000000-abcdef", "v0.9.0", "v1.2.3", "v1.12.0"]);
        assert_ascending("maven", &["2.0-beta9", "2.0-rc1", "2.0", "2.9.1", "2.14.1", "2.17.0", "2.17.1"]);
        assert_ascending("pypi", &["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.1", "1!0.1"]);
        assert_ascending("deb", &["7.88.1~rc1-1", "7.88.1-9", "7.88.1-10", "7.88.1-10+deb12u5", "7.89.0-1", "1:0.1"]);
    }

    #[test]
    fn a_build_means_nothing_where_semantic_versions_say_so() {
        assert_eq!(version_key("cargo", "1.0.0+a"), version_key("cargo", "1.0.0+b"));
    }

    #[test]
    fn a_beginning_is_of_whole_parts() {
        let range = VersionRange::beginning_with("maven", "1.2");
        let has = |version: &str| {
            let key = version_key("maven", version);
            range.from <= key && key < range.before
        };
        for (version, expected) in [
            ("1.2", true),
            ("1.2.0", true),
            ("1.2.9", true),
            ("1.2-rc1", true),
            ("1.20", false),
            ("1.3", false),
            ("1", false),
        ] {
            assert_eq!(has(version), expected, "{version}");
        }
    }

    #[test]
    fn a_range_has_its_lower_end_and_not_its_upper() {
        let range = VersionRange::between("maven", Some("2.0"), Some("2.17.1"));
        for (version, expected) in
            [("1.9", false), ("2.0", true), ("2.14.1", true), ("2.17.0", true), ("2.17.1", false), ("2.0-rc1", false)]
        {
            let key = version_key("maven", version);
            assert_eq!(range.from <= key && key < range.before, expected, "{version}");
        }
        assert!(
            VersionRange::all().from <= version_key("npm", "")
                && version_key("npm", "999") < VersionRange::all().before
        );
    }

    proptest! {
        #[test]
        fn numbers_compare_as_numbers(a in prop::array::uniform3(0_u64..2000), b in prop::array::uniform3(0_u64..2000)) {
            let text = |v: [u64; 3]| format!("{}.{}.{}", v[0], v[1], v[2]);
            for kind in ["npm", "maven", "deb"] {
                prop_assert_eq!(version_key(kind, &text(a)).cmp(&version_key(kind, &text(b))), a.cmp(&b));
            }
        }

        #[test]
        fn a_version_is_in_the_range_of_itself_and_of_its_beginning(version in "[0-9a-z.~:+é-]{0,30}") {
            for kind in ["npm", "generic"] {
                let key = version_key(kind, &version);
                for range in [VersionRange::exactly(kind, &version), VersionRange::beginning_with(kind, &version), VersionRange::all()] {
                    prop_assert!(range.from <= key && key < range.before);
                }
            }
        }
    }
}
