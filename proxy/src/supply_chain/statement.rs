//! [`Statement`]: what somebody says of artifacts (in-toto attestation framework, "Statement" v1).
//!
//! Read strictly: a name that stands twice, a digest that is none, or too many subjects are refused; names that we do not know are
//! passed over, as the specification wants. The predicate stays the text that it was: whoever knows its type reads it.
//! What does not live here: who says it (`dsse`), and whether that is to be believed (`verify`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize as DeserializeMacro, Serialize};
use serde_json::value::RawValue;

use super::Malformed;
use super::limits::{DIGESTS, NAME_BYTES, PAYLOAD_BYTES, SUBJECTS};
use crate::digest::Digest;

/// The type of the statements that we write.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

/// The type that `cosign attest` still writes (3.1): the same fields under an older name.
const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// The predicate of a signature over a container image or an object (cosign, `cmd/cosign/cli/sign`).
pub const COSIGN_SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";

/// The predicate of a verdict (SLSA 1.2, "Verification Summary Attestation").
pub const SLSA_VSA_V1: &str = "https://slsa.dev/verification_summary/v1";

const WHAT: &str = "an in-toto statement";

/// What is said of which artifacts.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The artifacts.
    pub subjects: Vec<Subject>,
    /// What the predicate is: a URI.
    pub predicate_type: String,
    /// What is said, as JSON that nobody has looked at.
    pub predicate: Box<RawValue>,
}

/// An artifact that a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeMacro, Serialize)]
pub struct Subject {
    /// What the speaker calls it; may be empty, and binds nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Digests in hex by the name of their algorithm.
    pub digest: Digests,
    /// What the speaker says of it besides; of no meaning to us. cosign puts what was given as `-a` here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

/// Digests in hex by the name of their algorithm, none twice. A `sha256` is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Digests(BTreeMap<String, String>);

impl Digests {
    /// All of them.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
}

#[derive(DeserializeMacro)]
struct Read {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: &'a [Subject],
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: &'a RawValue,
}

impl Subject {
    /// An artifact of this name and SHA-256.
    #[must_use]
    pub fn new(name: impl Into<String>, digest: &Digest) -> Self {
        let digest = Digests(BTreeMap::from([("sha256".to_owned(), digest.hex())]));
        Self { name: name.into(), digest, annotations: BTreeMap::new() }
    }

    /// Its SHA-256, where the speaker gives one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        // Checked when it was read.
        format!("sha256:{}", self.digest.0.get("sha256")?).parse().ok()
    }
}

impl Statement {
    /// A statement to be signed.
    /// # Errors
    /// The predicate cannot be written as JSON, or there is no subject.
    pub fn new(
        subjects: Vec<Subject>,
        predicate_type: impl Into<String>,
        predicate: &impl Serialize,
    ) -> Result<Self, Malformed> {
        let predicate = serde_json::value::to_raw_value(predicate).map_err(|error| Malformed::form(WHAT, error))?;
        let statement = Self { subjects, predicate_type: predicate_type.into(), predicate };
        statement.check().map(|()| statement)
    }

    /// What a release key says of an artifact: that it is signed, and no more. The first subject is what registries and cosign look
    /// for, the manifest; the object's bytes follow under the object's name.
    /// # Errors
    /// There is no subject, or there are too many.
    pub fn signature(subjects: Vec<Subject>) -> Result<Self, Malformed> {
        Self::new(subjects, COSIGN_SIGN_V1, &serde_json::Map::new())
    }

    /// Reads the payload of an envelope.
    /// # Errors
    /// [`Malformed`] says what is wrong with it.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        Malformed::check(WHAT, payload.len(), PAYLOAD_BYTES)?;
        let read: Read = serde_json::from_slice(payload).map_err(|error| Malformed::form(WHAT, error))?;
        if read.kind != STATEMENT_V1 && read.kind != STATEMENT_V0_1 {
            return Err(Malformed::kind(WHAT, &read.kind));
        }
        let nothing = || RawValue::from_string("{}".to_owned());
        let predicate = read.predicate.map_or_else(nothing, Ok).map_err(|error| Malformed::form(WHAT, error))?;
        let statement = Self { subjects: read.subject, predicate_type: read.predicate_type, predicate };
        statement.check().map(|()| statement)
    }

    /// The bytes that are signed.
    /// # Errors
    /// It is too long.
    pub fn to_payload(&self) -> Result<Vec<u8>, Malformed> {
        let written = Written {
            kind: STATEMENT_V1,
            subject: &self.subjects,
            predicate_type: &self.predicate_type,
            predicate: &self.predicate,
        };
        let payload = serde_json::to_vec(&written).map_err(|error| Malformed::form(WHAT, error))?;
        Malformed::check(WHAT, payload.len(), PAYLOAD_BYTES).map(|()| payload)
    }

    /// The subjects that are one of these artifacts.
    pub fn matching<'s>(&'s self, artifacts: &'s [Digest]) -> impl Iterator<Item = &'s Subject> {
        self.subjects.iter().filter(|subject| subject.sha256().is_some_and(|digest| artifacts.contains(&digest)))
    }

    fn check(&self) -> Result<(), Malformed> {
        let is_name = |text: &str| text.len() <= NAME_BYTES && !text.chars().any(char::is_control);
        Malformed::check("the subjects of a statement", self.subjects.len(), SUBJECTS)?;
        if self.subjects.is_empty() {
            return Err(Malformed::form(WHAT, "it has no subject"));
        }
        if self.predicate_type.is_empty() || !is_name(&self.predicate_type) {
            return Err(Malformed::form(WHAT, "its predicateType is empty, too long, or no line of text"));
        }
        if !self.subjects.iter().all(|subject| is_name(&subject.name)) {
            return Err(Malformed::form(WHAT, "the name of a subject is too long, or no line of text"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Digests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each)
    }
}

struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Digests;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digests by their algorithms")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Digests, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((algorithm, value)) = entries.next_entry::<String, String>()? {
            if algorithm == "sha256" && format!("sha256:{value}").parse::<Digest>().is_err() {
                return Err(A::Error::custom("a sha256 is 64 digits of lower-case hex"));
            }
            if all.len() >= DIGESTS {
                return Err(A::Error::custom("a subject has too many digests"));
            }
            if all.insert(algorithm, value).is_some() {
                return Err(A::Error::custom("an algorithm stands twice"));
            }
        }
        if all.is_empty() { Err(A::Error::custom("a subject has no digest")) } else { Ok(Digests(all)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(subject: &str) -> String {
        format!(r#"{{"_type":"{STATEMENT_V1}","subject":[{subject}],"predicateType":"p:q","predicate":{{"a":1}}}}"#)
    }

    fn refused(text: &str) -> String {
        Statement::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn any_subject_that_is_one_of_the_artifacts_matches() {
        let (manifest, object, other) = (Digest::of(b"m"), Digest::of(b"o"), Digest::of(b"x"));
        let subjects = vec![Subject::new("", &manifest), Subject::new("dir/key", &object)];
        let statement = Statement::signature(subjects).unwrap();
        let names =
            |accepted: &[Digest]| statement.matching(accepted).map(|subject| subject.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&[object]), ["dir/key"]);
        assert_eq!(names(&[other, manifest]), [""]);
        assert!(names(&[other]).is_empty() && names(&[]).is_empty());
    }

    #[test]
    fn what_is_written_is_read_and_has_the_bytes_that_cosign_has() {
        let statement = Statement::signature(vec![Subject::new("", &Digest::of(b""))]).unwrap();
        let payload = statement.to_payload().unwrap();
        let expected = format!(
            r#"{{"_type":"{STATEMENT_V1}","subject":[{{"digest":{{"sha256":"{HEX}"}}}}],"predicateType":"{COSIGN_SIGN_V1}","predicate":{{}}}}"#
        );
        assert_eq!(String::from_utf8(payload.clone()).unwrap(), expected);
        let read = Statement::parse(&payload).unwrap();
        assert_eq!((read.subjects, read.predicate.get()), (statement.subjects, "{}"));
    }

    #[test]
    fn both_spellings_of_the_type_are_read_and_no_other() {
        let statement = text(&format!(r#"{{"digest":{{"sha256":"{HEX}"}}}}"#));
        assert!(Statement::parse(statement.as_bytes()).is_ok());
        assert!(Statement::parse(statement.replace("Statement/v1", "Statement/v0.1").as_bytes()).is_ok());
        assert!(refused(&statement.replace("Statement/v1", "Statement/v2")).contains("Statement/v2"));
        assert!(refused(&statement.replace("_type", "type")).contains("_type"));
    }

    #[test]
    fn names_that_are_not_known_are_passed_over_and_a_predicate_may_be_left_out() {
        let subject = format!(r#"{{"name":"n","uri":"u","annotations":{{"a":[1]}},"digest":{{"sha256":"{HEX}"}}}}"#);
        let more = text(&subject).replace(r#","predicate":{"a":1}"#, r#","more":{"b":2}"#);
        assert_eq!(Statement::parse(more.as_bytes()).unwrap().predicate.get(), "{}");
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let digest = format!(r#""sha256":"{HEX}""#);
        let subject = format!(r#"{{"digest":{{{digest}}}}}"#);
        let twice = [
            text(&format!(r#"{{"digest":{{{digest},{digest}}}}}"#)),
            text(&format!(r#"{{"digest":{{{digest}}},"digest":{{{digest}}}}}"#)),
            text(&subject).replace(r#""predicate":"#, r#""predicateType":"x:y","predicate":"#),
            text(&subject).replace(r#""predicateType":"#, r#""subject":[],"predicateType":"#),
            format!("{} {{}}", text(&subject)),
        ];
        for text in twice {
            assert!(Statement::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_subject_without_a_digest_and_a_statement_without_a_subject_bind_nothing() {
        for (subject, says) in [
            ("", "no subject"),
            (r#"{"digest":{}}"#, "no digest"),
            (r#"{"name":"n"}"#, "digest"),
            (&format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, HEX.to_uppercase()), "lower-case hex"),
            (r#"{"digest":{"sha256":"00"}}"#, "lower-case hex"),
            (&format!(r#"{{"name":"a\nb","digest":{{"sha256":"{HEX}"}}}}"#), "no line of text"),
        ] {
            assert!(refused(&text(subject)).contains(says), "{subject}");
        }
        let other = Statement::parse(text(r#"{"digest":{"sha512":"00"}}"#).as_bytes()).unwrap();
        assert_eq!(other.matching(&[Digest::of(b"")]).count(), 0);
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        let subject = format!(r#"{{"digest":{{"sha256":"{HEX}"}}}}"#);
        assert!(refused(&text(&vec![subject.as_str(); SUBJECTS + 1].join(","))).contains("10001"));
        let digests: Vec<_> = (0..=DIGESTS).map(|at| format!(r#""a{at}":"x""#)).collect();
        assert!(refused(&text(&format!(r#"{{"digest":{{{}}}}}"#, digests.join(",")))).contains("too many digests"));
        assert!(refused(&text(&subject).replace("p:q", &"p".repeat(NAME_BYTES + 1))).contains("predicateType"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), at in 0..200_usize, byte in any::<u8>()) {
            let _ = Statement::parse(&bytes);
            let mut changed = text(&format!(r#"{{"digest":{{"sha256":"{HEX}"}}}}"#)).into_bytes();
            changed.truncate(at.max(1));
            let _ = Statement::parse(&changed);
            let last = changed.len() - 1;
            changed[last] = byte;
            let _ = Statement::parse(&changed);
        }

        #[test]
        fn every_statement_is_read_as_it_was_written(
            names in proptest::collection::vec("[^\\p{Cc}]{0,20}", 1..5), kind in "[a-z]{1,5}:[a-z/]{0,9}", value in ".*",
        ) {
            let subjects: Vec<_> = names.iter().map(|name| Subject::new(name, &Digest::of(name.as_bytes()))).collect();
            let written = Statement::new(subjects, kind, &value).unwrap();
            let read = Statement::parse(&written.to_payload().unwrap()).unwrap();
            prop_assert_eq!(&read.subjects, &written.subjects);
            prop_assert_eq!(&read.predicate_type, &written.predicate_type);
            prop_assert_eq!(serde_json::from_str::<String>(read.predicate.get()).unwrap(), value);
        }
    }
}
