//! The secrets, by name, and where they are found.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::installation::Installation;

/// Fewer characters than this would be found by chance.
const SHORTEST: usize = 12;

/// What must not get out.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those of the configuration.
    pub(crate) fn of(installation: &Installation) -> Self {
        let mut secrets = Self::default();
        for (name, secret) in &installation.configured {
            secrets.add(name, secret);
        }
        secrets
    }

    /// One more. Of a token (JWT) each part is one, for the first is the same for all.
    pub(crate) fn add(&mut self, name: &str, secret: &str) {
        let parts: Vec<&str> = secret.split('.').collect();
        match parts.as_slice() {
            [head, payload, signature] if head.starts_with("ey") => {
                self.add(&format!("{name} (claims)"), payload);
                self.add(&format!("{name} (signature)"), signature);
            }
            _ => {
                assert!(secret.len() >= SHORTEST, "{name} is too short to be searched for: {secret:?}");
                self.0.push((name.to_owned(), secret.to_owned()));
            }
        }
    }

    /// Each secret that stands in a text, with what stands around it.
    pub(crate) fn found_in(&self, place: &str, text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (name, secret) in &self.0 {
            if let Some(at) = spellings(secret).iter().find_map(|spelling| find(text, spelling.as_bytes())) {
                let around = text.get(at.saturating_sub(200)..(at + 200).min(text.len())).unwrap_or_default();
                found.push(format!("{name} in {place}: …{}…", String::from_utf8_lossy(around)));
            }
        }
        found
    }
}

/// As it is, percent-encoded, in hexadecimal, in base64 of both alphabets.
fn spellings(secret: &str) -> Vec<String> {
    let encoded = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![secret.to_owned(), encoded, hex::encode(secret)];
    // What stands before it, such as a user and a colon, decides where its first bit falls.
    for (before, spoilt) in [("", 0), ("x", 2), ("xx", 3)] {
        for text in [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|base64| base64.encode(format!("{before}{secret}"))) {
            all.push(text.get(spoilt..text.len() - 1).unwrap_or_default().to_owned());
        }
    }
    all
}

/// Where one text stands in another.
pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| byte == first) {
        from += at + 1;
        if text.get(from..)?.starts_with(rest) {
            return Some(from - 1);
        }
    }
    None
}
