//! [`Payload`]: what a legacy signature is over.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::supply_chain::Malformed;
use crate::supply_chain::limits::{LEGACY_PAYLOAD_BYTES, NAME_BYTES};

const TYPE: &str = "cosign container image signature";

const WHAT: &str = "a simple-signing payload";

/// What a legacy signature is over: which manifest, in which repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The repository with its registry, as the signer saw it; a tag or a digest may follow.
    pub reference: String,
    /// The manifest.
    pub digest: Digest,
    /// What the signer says besides. Written as it stands, and not read: signed, and of no meaning to us.
    pub annotations: BTreeMap<String, String>,
}

/// A repository as clients may call it.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// Its name in the registry.
    pub name: &'a str,
    /// The hosts (with a port where clients need one) that the registry is reached at; empty: any.
    pub hosts: &'a [String],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wire<O> {
    critical: Critical,
    optional: O,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Payload {
    /// Reads a payload.
    /// # Errors
    /// [`Malformed`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::check(WHAT, bytes.len(), LEGACY_PAYLOAD_BYTES)?;
        // Annotations of the signer's: signed, and of no meaning to us.
        let wire: Wire<Option<IgnoredAny>> =
            serde_json::from_slice(bytes).map_err(|error| Malformed::form(WHAT, error))?;
        let Critical { identity, image, kind } = wire.critical;
        if kind != TYPE {
            return Err(Malformed::kind(WHAT, &kind));
        }
        Malformed::check("a docker-reference", identity.reference.len(), NAME_BYTES)?;
        let digest = image.digest.parse().map_err(|error| Malformed::form(WHAT, error))?;
        Ok(Self { reference: identity.reference, digest, annotations: BTreeMap::new() })
    }

    /// The bytes that are signed, as cosign writes them.
    /// # Errors
    /// The reference is too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        Malformed::check("a docker-reference", self.reference.len(), NAME_BYTES)?;
        let critical = Critical {
            identity: Identity { reference: self.reference.clone() },
            image: Image { digest: self.digest.to_string() },
            kind: TYPE.to_owned(),
        };
        let optional = (!self.annotations.is_empty()).then_some(&self.annotations);
        serde_json::to_vec(&Wire { critical, optional }).map_err(|error| Malformed::form(WHAT, error))
    }

    /// Whether it was signed for this repository.
    #[must_use]
    pub fn is_for(&self, repository: &Repository<'_>) -> bool {
        let Some((host, name)) = split(&self.reference) else { return false };
        name == repository.name && (repository.hosts.is_empty() || repository.hosts.iter().any(|known| known == host))
    }
}

/// Host and name of a reference without what comes behind them; none where it names no host.
fn split(reference: &str) -> Option<(&str, &str)> {
    let reference = reference.split_once('@').map_or(reference, |(before, _)| before);
    let (host, name) = reference.split_once('/')?;
    // What stands before the first slash is a host only where no name could look like it (distribution, "reference").
    let is_host = host == "localhost" || host.contains(['.', ':']);
    let name = name.split_once(':').map_or(name, |(before, _)| before);
    is_host.then_some((host, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: &str = "registry.example:5000";

    fn payload(reference: &str) -> Payload {
        Payload { reference: reference.to_owned(), digest: Digest::of(b"manifest"), annotations: Default::default() }
    }

    fn text(reference: &str) -> String {
        String::from_utf8(payload(reference).to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_payload_has_the_bytes_that_cosign_gives_it() {
        let expected = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"h:1/a"}},"image":{{"docker-manifest-digest":"{}"}},"type":"{TYPE}"}},"optional":null}}"#,
            Digest::of(b"manifest")
        );
        assert_eq!(text("h:1/a"), expected);
        assert_eq!(Payload::parse(expected.as_bytes()).unwrap(), payload("h:1/a"));
    }

    #[test]
    fn a_signature_is_for_one_repository_of_one_registry() {
        let hosts = [HOST.to_owned()];
        let repository = Repository { name: "team/app", hosts: &hosts };
        for reference in ["team/app", "team/app:v1", "team/app@sha256:00", "team/app:v1@sha256:00"] {
            assert!(payload(&format!("{HOST}/{reference}")).is_for(&repository), "{reference}");
        }
        for reference in [
            "",
            "team/app",
            "registry.example/team/app",
            "evil.example:5000/team/app",
            "registry.example:5000/team/app2",
            "registry.example:5000/evil/team/app",
            "registry.example:5000/team",
            "registry.example:5000/team/app/more",
            "registry.example:5000/Team/app",
        ] {
            assert!(!payload(reference).is_for(&repository), "{reference}");
        }
        let anywhere = Repository { name: "team/app", hosts: &[] };
        assert!(payload("mirror.example/team/app").is_for(&anywhere));
        assert!(!payload("team/app").is_for(&Repository { name: "app", hosts: &[] }));
    }

    #[test]
    fn what_the_signer_adds_is_passed_over_and_nothing_else() {
        let whole = text("h:1/a");
        assert!(Payload::parse(whole.replace("null", r#"{"tag":"v1","at":1}"#).as_bytes()).is_ok());
        for changed in [
            whole.replace(TYPE, "atomic container signature"),
            whole.replace(r#""type""#, r#""kind":"x","type""#),
            whole.replace(r#""image""#, r#""image":{"docker-manifest-digest":"x"},"image""#),
            whole.replace("sha256:", "sha512:"),
            whole.replace("\"optional\"", "\"more\":1,\"optional\""),
            whole.replace("h:1/a", &"a".repeat(NAME_BYTES + 1)),
            format!("{whole}{whole}"),
        ] {
            assert!(Payload::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn a_payload_is_read_as_it_was_written(reference in ".*") {
            let payload = payload(&reference);
            prop_assert_eq!(Payload::parse(&payload.to_bytes().unwrap()).unwrap(), payload);
        }

        #[test]
        fn nothing_that_is_sent_breaks_the_reader(bytes in any::<Vec<u8>>(), cut in 0..150_usize, reference in ".*") {
            prop_assert!(Payload::parse(&bytes).is_err());
            prop_assert!(Payload::parse(&text("h:1/a").as_bytes()[..cut]).is_err());
            let _ = payload(&reference).is_for(&Repository { name: "a", hosts: &[] });
        }
    }
}
