//! Which pages of other origins may read a bucket's answers (AWS, *Using cross-origin resource sharing*; WHATWG Fetch, "CORS protocol").
//!
//! It tells browsers whom to show an answer to, and gives nobody a right: who may do what is for the policies to say.

use http::{HeaderName, Method};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// Rules at the most.
const RULES: usize = 100;

/// The longest id of a rule, in characters.
const ID_CHARACTERS: usize = 255;

/// The longest all rules together, in bytes: every replica keeps them in memory.
const BYTES: usize = 64 * 1024;

/// What pages may be allowed to do.
pub const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// The rules of a bucket; the first that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cors(pub Vec<Rule>);

/// Which pages may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// A name, for people.
    pub id: Option<String>,
    /// Origins, each with one `*` at the most.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Headers that a request may have, each with one `*` at the most.
    pub headers: Vec<String>,
    /// Headers of the answer that pages may read.
    pub exposed: Vec<String>,
    /// How long a browser may go by the answer to a preflight, in seconds.
    pub max_age: Option<i32>,
}

/// What a browser asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where the page is from.
    pub origin: &'a str,
    /// What it wants to do.
    pub method: &'a str,
    /// Headers that it wants to send, separated by commas; none where it says nothing of them.
    pub headers: Option<&'a str>,
}

impl Cors {
    /// Whether AWS takes the rules.
    ///
    /// # Errors
    /// `MalformedXml` where there are none or too many, `MaxMessageLengthExceeded` where they are too long, `InvalidRequest` where one
    /// is wrong.
    pub fn check(&self) -> Result<()> {
        if self.0.is_empty() || self.0.len() > RULES {
            return Err(Code::MalformedXml.into());
        }
        if self.0.iter().map(Rule::bytes).sum::<usize>() > BYTES {
            return Err(Code::MaxMessageLengthExceeded.into());
        }
        self.0.iter().try_for_each(Rule::check)
    }

    /// The first rule that allows it.
    #[must_use]
    pub fn rule(&self, asked: Asked<'_>) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.allows(asked))
    }
}

impl Rule {
    fn bytes(&self) -> usize {
        let lists = [&self.origins, &self.methods, &self.headers, &self.exposed];
        lists.into_iter().flatten().map(String::len).sum()
    }

    fn check(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Code::InvalidRequest, text));
        if self.id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARACTERS)
            || self.max_age.is_some_and(|age| age < 0)
        {
            return Err(Code::MalformedXml.into());
        }
        if let Some(method) = self.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {}",
                shown(method)
            ));
        }
        for (what, patterns) in [("AllowedOrigin", &self.origins), ("AllowedHeader", &self.headers)] {
            if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches('*').count() > 1) {
                return invalid(format!("{what} \"{}\" can not have more than one wildcard.", shown(pattern)));
            }
        }
        if let Some(name) = self.exposed.iter().find(|name| name.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{}\" contains wildcard. We currently do not support wildcard for ExposeHeader.",
                shown(name)
            ));
        }
        match self.exposed.iter().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            Some(name) => invalid(format!("ExposeHeader \"{}\" is no name of a header.", shown(name))),
            None => Ok(()),
        }
    }

    fn allows(&self, asked: Asked<'_>) -> bool {
        self.methods.iter().any(|method| method == asked.method)
            && self.origin(asked.origin).is_some()
            && asked.headers.is_none_or(|headers| names(headers).all(|name| self.allows_header(name)))
    }

    fn allows_header(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &name))
    }

    /// The pattern that an origin fits.
    fn origin(&self, origin: &str) -> Option<&str> {
        self.origins.iter().map(String::as_str).find(|pattern| fits(pattern, origin))
    }

    /// What the answer says of the origin: itself, or `*` where every origin is allowed by that alone.
    #[must_use]
    pub fn shown_origin<'a>(&self, origin: &'a str) -> &'a str {
        if self.origin(origin) == Some("*") { "*" } else { origin }
    }
}

/// The names in a list of headers.
pub fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// The method that an actual request is judged by: the one that it announces, as AWS does it, or else its own.
#[must_use]
pub fn judged_by<'a>(announced: Option<&'a str>, method: &'a Method) -> &'a str {
    announced.unwrap_or_else(|| method.as_str())
}

/// Whether a text fits a pattern with one `*` at the most.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

/// A text of the client, cut for the answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> Rule {
        Rule { origins: texts(origins), methods: texts(methods), headers: texts(headers), ..Rule::default() }
    }

    fn asked<'a>(origin: &'a str, method: &'a str, headers: Option<&'a str>) -> Asked<'a> {
        Asked { origin, method, headers }
    }

    #[test]
    fn a_star_in_an_origin_stands_for_any_text() {
        let cors = Cors(vec![rule(&["*suffix", "start*end", "prefix*", "https://app.example"], &["GET"], &[])]);
        for (origin, allowed) in [
            ("foo.suffix", true),
            ("suffix", true),
            ("foo.suffix.get", false),
            ("startend", true),
            ("start1end", true),
            ("start12end", true),
            ("0start12end", false),
            ("starend", false),
            ("prefix.more", true),
            ("bla-prefix", false),
            ("https://app.example", true),
            ("https://APP.example", false),
            ("https://app.example.evil", false),
        ] {
            assert_eq!(cors.rule(asked(origin, "GET", None)).is_some(), allowed, "{origin}");
        }
    }

    #[test]
    fn the_two_ends_of_a_pattern_do_not_overlap() {
        assert!(!fits("aba*aba", "ababa"));
        assert!(fits("aba*aba", "abaaba"));
    }

    #[test]
    fn origin_method_and_every_header_must_fit_one_and_the_same_rule() {
        let cors =
            Cors(vec![rule(&["https://a"], &["GET"], &["x-amz-*"]), rule(&["https://a"], &["PUT"], &["Content-Type"])]);
        for (method, headers, allowed) in [
            ("GET", None, true),
            ("GET", Some("X-Amz-Date, x-amz-meta-a"), true),
            ("GET", Some("content-type"), false),
            ("PUT", Some("CONTENT-TYPE"), true),
            ("PUT", Some("content-type,x-amz-date"), false),
            ("PUT", Some(""), true),
            ("DELETE", None, false),
            ("get", None, false),
        ] {
            assert_eq!(cors.rule(asked("https://a", method, headers)).is_some(), allowed, "{method} {headers:?}");
        }
    }

    #[test]
    fn an_origin_is_repeated_unless_a_star_alone_allows_it() {
        assert_eq!(rule(&["*"], &["GET"], &[]).shown_origin("https://a"), "*");
        assert_eq!(rule(&["https://*"], &["GET"], &[]).shown_origin("https://a"), "https://a");
        assert_eq!(rule(&["https://a", "*"], &["GET"], &[]).shown_origin("https://a"), "https://a");
    }

    #[test]
    fn rules_that_aws_refuses_are_refused() {
        let exposes = |name: &str| Rule { exposed: texts(&[name]), ..rule(&["*"], &["GET"], &[]) };
        for (rules, code) in [
            (vec![], Code::MalformedXml),
            (vec![rule(&["*"], &["GET"], &[]); 101], Code::MalformedXml),
            (vec![rule(&["a".repeat(65 * 1024).as_str()], &["GET"], &[])], Code::MaxMessageLengthExceeded),
            (vec![rule(&["*"], &["PATCH"], &[])], Code::InvalidRequest),
            (vec![rule(&["*"], &["get"], &[])], Code::InvalidRequest),
            (vec![rule(&["*.a.*"], &["GET"], &[])], Code::InvalidRequest),
            (vec![rule(&["*"], &["GET"], &["x-*-*"])], Code::InvalidRequest),
            (vec![exposes("*")], Code::InvalidRequest),
            (vec![exposes("x\r\ny: z")], Code::InvalidRequest),
            (vec![Rule { max_age: Some(-1), ..rule(&["*"], &["GET"], &[]) }], Code::MalformedXml),
        ] {
            assert_eq!(Cors(rules.clone()).check().unwrap_err().code(), code, "{rules:?}");
        }
        assert!(Cors(vec![rule(&["*"], &METHODS, &["*"]); 100]).check().is_ok());
    }

    #[test]
    fn a_request_that_announces_a_method_is_judged_by_it() {
        assert_eq!(judged_by(Some("PUT"), &Method::GET), "PUT");
        assert_eq!(judged_by(None, &Method::GET), "GET");
    }

    proptest! {
        #[test]
        fn no_request_makes_the_rules_panic(pattern in ".{0,20}", origin in ".{0,40}", headers in ".{0,40}") {
            let rule = rule(&[pattern.as_str()], &["GET"], &[pattern.as_str()]);
            let _ = Cors(vec![rule.clone()]).check();
            let _ = rule.allows(asked(&origin, "GET", Some(&headers)));
        }
    }
}
