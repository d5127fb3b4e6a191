//! Who must have signed: signers by their names, and how many different ones there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::evidence::Signed;
use super::verdict::{Findings, Reason, Used, Why};
use super::words::Several;
use crate::digest::Digest;
use crate::supply_chain::verify::Verified;

/// The name of a signer: `signing-key/<name>`, `key/<name>` or `identity/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SignerRef(String);

impl SignerRef {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SignerRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = ["signing-key/", "key/", "identity/"].iter().find_map(|kind| text.strip_prefix(kind));
        let is_middle = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if name.is_some_and(|name| (1..=128).contains(&name.len()) && name.bytes().all(is_middle)) {
            Ok(Self(text))
        } else {
            Err("a signer is signing-key/<name>, key/<name> or identity/<name>".to_owned())
        }
    }
}

/// Signers, of whom any is as good as another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Several<SignerRef>")]
pub(super) struct Signers(BTreeSet<SignerRef>);

impl TryFrom<Several<SignerRef>> for Signers {
    type Error = String;

    fn try_from(names: Several<SignerRef>) -> Result<Self, String> {
        let set: BTreeSet<SignerRef> = names.iter().cloned().collect();
        if set.len() == names.len() { Ok(Self(set)) } else { Err("a signer stands twice".to_owned()) }
    }
}

impl Signers {
    /// Whether there can be so many different ones.
    pub(super) fn can_be(&self, threshold: usize) -> bool {
        (1..=self.0.len()).contains(&threshold)
    }

    /// Refuses what somebody else has signed.
    pub(super) fn check(&self, signed: &Signed<'_>) -> Result<(), Reason> {
        let signer = signed.verified.signer.to_string();
        if self.0.iter().any(|known| known.as_str() == signer) {
            return Ok(());
        }
        Err(signed.reason(Why::OtherSigner, format!("it is signed by {signer}, whom the rule does not name")))
    }

    /// Notes which of the names nobody is trusted by.
    pub(super) fn note_unknown(&self, known: &BTreeSet<String>, findings: &mut Findings) {
        for name in self.0.iter().filter(|name| !known.contains(name.as_str())) {
            let text = format!("nobody is trusted here by the name {}", name.as_str());
            findings.refuse(Reason::of_all(Why::UnknownSigner, text));
        }
    }
}

/// Whether enough different signers stand behind what was accepted. What is not used is not named.
pub(super) fn are_enough(accepted: &[Signed<'_>], threshold: usize, findings: &mut Findings) -> bool {
    let found = distinct(accepted.iter().map(|signed| signed.verified));
    if found >= threshold {
        accepted.iter().for_each(|signed| findings.use_it(signed.used()));
        return true;
    }
    if found > 0 {
        let text = format!("{found} of the signers that the rule names have signed, and {threshold} must");
        findings.refuse(Reason::of_all(Why::TooFewSigners, text));
    }
    false
}

/// Who really holds a key or an identity, whatever name it has here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder<'a> {
    Key(Digest),
    Identity(&'a str, &'a str),
    Unknown,
}

impl<'a> Holder<'a> {
    fn of(verified: &'a Verified) -> Self {
        match (&verified.key, &verified.identity) {
            (Some(key), _) => Self::Key(*key),
            (None, Some((issuer, subject))) => Self::Identity(issuer, subject),
            (None, None) => Self::Unknown,
        }
    }
}

/// How many different signers there are. One key by two names is one, and two keys by one name are: the most pairs of a name and a
/// holder in which no name and no holder stands twice.
pub(super) fn distinct<'a>(signed: impl Iterator<Item = &'a Verified>) -> usize {
    let mut holders: BTreeMap<Holder<'a>, usize> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for verified in signed {
        let next = holders.len();
        let holder = *holders.entry(Holder::of(verified)).or_insert(next);
        names.entry(verified.signer.to_string()).or_default().insert(holder);
    }
    let choices: Vec<Vec<usize>> = names.into_values().map(|holders| holders.into_iter().collect()).collect();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    (0..choices.len()).filter(|name| is_placed(*name, &choices, &mut taken, &mut BTreeSet::new())).count()
}

/// Gives a name a holder, moving those who have theirs already (augmenting paths). No deeper than there are names.
fn is_placed(
    name: usize,
    choices: &[Vec<usize>],
    taken: &mut BTreeMap<usize, usize>,
    seen: &mut BTreeSet<usize>,
) -> bool {
    for &holder in choices.get(name).into_iter().flatten() {
        if !seen.insert(holder) {
            continue;
        }
        let moved = match taken.get(&holder).copied() {
            None => true,
            Some(other) => is_placed(other, choices, taken, seen),
        };
        if moved {
            taken.insert(holder, name);
            return true;
        }
    }
    false
}

impl Signed<'_> {
    /// As evidence of a verdict.
    pub(super) fn used(&self) -> Used {
        Used { digest: self.piece.digest, signer: Some(self.verified.signer.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::verify::{Said, SignerName};

    fn signed(name: &str, key: u8) -> Verified {
        Verified {
            signer: SignerName::Key(name.into()),
            key: Some(Digest::of(&[key])),
            identity: None,
            times: Vec::new(),
            is_logged: false,
            said: Said::Signature,
        }
    }

    fn count(signed: &[Verified]) -> usize {
        distinct(signed.iter())
    }

    #[test]
    fn each_of_several_signers_counts_once() {
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[signed("a", 1), signed("a", 1), signed("b", 2)]), 2);
    }

    #[test]
    fn one_key_by_two_names_and_two_keys_by_one_name_are_one_signer() {
        assert_eq!(count(&[signed("a", 1), signed("b", 1)]), 1);
        assert_eq!(count(&[signed("a", 1), signed("a", 2)]), 1);
        assert_eq!(count(&[signed("a", 1), signed("b", 1), signed("c", 2), signed("c", 3)]), 2);
        assert_eq!(count(&[signed("a", 1), signed("b", 1), signed("a", 2)]), 2);
    }

    #[test]
    fn one_person_whom_two_patterns_know_is_one_signer() {
        let by = |name: &str, subject: &str| Verified {
            signer: SignerName::Identity(name.into()),
            key: None,
            identity: Some(("https://issuer".into(), subject.into())),
            ..signed("", 0)
        };
        assert_eq!(count(&[by("release", "alice"), by("team", "alice")]), 1);
        assert_eq!(count(&[by("release", "alice"), by("team", "bob")]), 2);
    }

    #[test]
    fn a_name_is_one_of_a_signer() {
        let read = |text: &str| serde_json::from_value::<Signers>(serde_json::json!([text])).is_ok();
        for name in ["key/a", "signing-key/release", "identity/ci.main_2-x"] {
            assert!(read(name), "{name}");
        }
        for name in ["release", "key/", "key/A", "keys/a", "key/a/b", "key/*"] {
            assert!(!read(name), "{name}");
        }
        let twice = serde_json::from_str::<Signers>(r#"["key/a", "key/a"]"#).unwrap_err();
        assert!(twice.to_string().contains("twice"));
    }
}
