//! Who is told what happens to the objects of a bucket (AWS, *Amazon S3 Event Notifications*): documents as PutBucketNotificationConfiguration
//! takes them, and the rules that the index goes by.
//!
//! Whether a target is there is for the index to say, in the transaction that sets the document.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::config::is_target_name;
use crate::error::{Code, Error, Result};

/// What begins the name of a target.
pub const ARN: &str = "arn:zas:webhook:::";

/// Configurations of one bucket: each is compared with every key that is written.
const CONFIGURATIONS: usize = 100;

/// The longest id, in characters.
const ID_CHARACTERS: usize = 255;

/// The longest prefix or suffix, in bytes.
const VALUE_BYTES: usize = 1024;

/// Every event that S3 has. Those that cannot occur here may be asked for, and never come.
const EVENTS: [&str; 27] = [
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectAcl:Put",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
];

/// All configurations of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notification(pub Vec<Configuration>);

/// Which of the three lists of S3's document a configuration stands in. They mean the same here: each names a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// `TopicConfiguration`.
    Topic,
    /// `QueueConfiguration`.
    Queue,
    /// `CloudFunctionConfiguration`.
    Function,
}

/// Which events of which keys one target is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Where it stands.
    pub list: List,
    /// A name: events say which configuration has asked for them.
    pub id: String,
    /// The target, by its ARN.
    pub arn: String,
    /// Events, as S3 names them.
    pub events: Vec<String>,
    /// What keys must begin and end with.
    pub filters: Vec<Filter>,
}

/// What keys must begin or end with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// `prefix` or `suffix`, in whatever case it was written.
    pub name: String,
    /// The text.
    pub value: String,
}

/// A configuration as the index goes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule<'a> {
    /// The configuration's id.
    pub name: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// Events without `s3:`; `ObjectCreated:*` is a family.
    pub events: Vec<&'a str>,
    /// What keys begin with.
    pub prefix: &'a str,
    /// What keys end with.
    pub suffix: &'a str,
}

impl Notification {
    /// Whether AWS would take the configurations, but for whether their targets are there.
    ///
    /// # Errors
    /// `InvalidArgument`, in AWS's words; `MalformedXml` where one has no event, or an id is too long.
    pub fn check(&self) -> Result<()> {
        if self.0.len() > CONFIGURATIONS {
            let text = "The number of notification configurations of a bucket cannot exceed 100.";
            return Err(Error::new(Code::InvalidArgument, text));
        }
        let mut ids = HashSet::new();
        for configuration in &self.0 {
            configuration.check()?;
            if !ids.insert(configuration.id.as_str()) {
                return Err(invalid("Same ID used for multiple configurations. IDs must be unique"));
            }
        }
        let unknown: Vec<&str> =
            self.0.iter().filter(|one| one.target().is_none()).map(|one| one.arn.as_str()).collect();
        if !unknown.is_empty() {
            return Err(not_validated(&unknown));
        }
        let rules = self.rules();
        let pairs =
            rules.iter().enumerate().flat_map(|(at, one)| rules.iter().skip(at + 1).map(move |other| (one, other)));
        pairs.map(|(one, other)| one.clash(other)).find(Result::is_err).unwrap_or(Ok(()))
    }

    /// What the index goes by.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule<'_>> {
        self.0.iter().filter_map(Configuration::rule).collect()
    }

    /// The names of the targets, each once.
    #[must_use]
    pub fn targets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().filter_map(Configuration::target).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Configuration {
    fn check(&self) -> Result<()> {
        if self.events.is_empty() || self.id.chars().count() > ID_CHARACTERS {
            return Err(Code::MalformedXml.into());
        }
        if let Some(event) = self.events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            let text = format!("The event '{}' is not supported for notifications", shown(event));
            return Err(invalid(text).with("ArgumentName", "Event"));
        }
        for name in ["prefix", "suffix"] {
            let of_name = self.filters.iter().filter(|filter| filter.name.eq_ignore_ascii_case(name));
            if of_name.count() > 1 {
                return Err(invalid(format!("Cannot specify more than one {name} rule in a filter.")));
            }
        }
        for filter in &self.filters {
            if !["prefix", "suffix"].iter().any(|name| filter.name.eq_ignore_ascii_case(name)) {
                return Err(invalid("filter rule name must be either prefix or suffix"));
            }
            if filter.value.len() > VALUE_BYTES {
                let text = "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation";
                return Err(invalid(text));
            }
            if filter.value.contains('\0') {
                return Err(invalid("A filter rule value has no NUL."));
            }
        }
        Ok(())
    }

    /// The target's name; none where the ARN names no target.
    fn target(&self) -> Option<&str> {
        self.arn.strip_prefix(ARN).filter(|name| is_target_name(name))
    }

    fn rule(&self) -> Option<Rule<'_>> {
        let value = |name: &str| {
            let filter = self.filters.iter().find(|filter| filter.name.eq_ignore_ascii_case(name));
            filter.map_or("", |filter| filter.value.as_str())
        };
        let events = self.events.iter().map(|event| event.strip_prefix("s3:").unwrap_or(event)).collect();
        Some(Rule { name: &self.id, target: self.target()?, events, prefix: value("prefix"), suffix: value("suffix") })
    }
}

impl Rule<'_> {
    /// Two configurations must not be about the same event of the same key.
    fn clash(&self, other: &Self) -> Result<()> {
        let share_event = self.events.iter().any(|one| other.events.iter().any(|other| is_same_event(one, other)));
        let share_start = self.prefix.starts_with(other.prefix) || other.prefix.starts_with(self.prefix);
        let share_end = self.suffix.ends_with(other.suffix) || other.suffix.ends_with(self.suffix);
        if !(share_event && share_start && share_end) {
            return Ok(());
        }
        let texts = [self.prefix, self.suffix, other.prefix, other.suffix];
        Err(invalid(if texts.iter().all(|text| text.is_empty()) {
            "Configurations overlap. Configurations on the same bucket cannot share a common event type."
        } else {
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are \
             overlapping for the same event type."
        }))
    }
}

/// Whether two names, of which each may be a family, have an event in common.
fn is_same_event(one: &str, other: &str) -> bool {
    let family = |name: &str| name.strip_suffix(":*").map(str::to_owned);
    let of = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    one == other
        || family(one).is_some_and(|family| family == of(other))
        || family(other).is_some_and(|family| family == of(one))
}

/// The answer where targets are not there, or do not take what is sent.
#[must_use]
pub fn not_validated(arns: &[&str]) -> Error {
    let arns: Vec<String> = arns.iter().map(|arn| shown(arn)).collect();
    invalid("Unable to validate the following destination configurations").with("ArgumentValue", arns.join(", "))
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument, text)
}

/// A text of the client, cut for the answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn configuration(id: &str, events: &[&str], prefix: &str, suffix: &str) -> Configuration {
        let filter = |name: &str, value: &str| {
            (!value.is_empty()).then(|| Filter { name: name.to_owned(), value: value.to_owned() })
        };
        Configuration {
            list: List::Queue,
            id: id.to_owned(),
            arn: format!("{ARN}ci"),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            filters: filter("Prefix", prefix).into_iter().chain(filter("suffix", suffix)).collect(),
        }
    }

    /// Two configurations of `s3:ObjectCreated:*` and of `event`, with these prefixes and suffixes.
    fn two(event: &str, one: (&str, &str), other: (&str, &str)) -> Result<(), String> {
        let one = configuration("a", &["s3:ObjectCreated:*"], one.0, one.1);
        let other = configuration("b", &[event], other.0, other.1);
        Notification(vec![one, other]).check().map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_rule_says_what_a_configuration_says() {
        let one = configuration("a", &["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], "in/", ".txt");
        let rule = Rule {
            name: "a",
            target: "ci",
            events: vec!["ObjectCreated:*", "ObjectRemoved:Delete"],
            prefix: "in/",
            suffix: ".txt",
        };
        let notification = Notification(vec![one]);
        assert_eq!((notification.rules(), notification.targets()), (vec![rule], vec!["ci"]));
        notification.check().unwrap();
    }

    #[test]
    fn no_two_configurations_are_about_the_same_event_of_the_same_key() {
        let put = "s3:ObjectCreated:Put";
        let overlap = two(put, ("", ""), ("", "")).unwrap_err();
        assert!(overlap.starts_with("Configurations overlap."), "{overlap}");
        for (one, other) in [
            (("a/", ""), ("", "")),
            (("a/", ""), ("a/b/", "")),
            (("", ".txt"), ("", "t")),
            (("a/", ".txt"), ("", ".txt")),
            (("a/", ""), ("", ".txt")),
        ] {
            let ambiguous = two(put, one, other).unwrap_err();
            assert!(ambiguous.starts_with("Configuration is ambiguously defined."), "{one:?} {other:?} {ambiguous}");
            assert_eq!(two("s3:ObjectRemoved:*", one, other), Ok(()), "{one:?} {other:?}");
        }
        for (one, other) in [(("a/", ""), ("b/", "")), (("a/", ".txt"), ("a/", ".tgz")), (("a/", "x"), ("b/", "x"))] {
            assert_eq!(two(put, one, other), Ok(()), "{one:?} {other:?}");
        }
    }

    #[test]
    fn families_have_their_members_in_common_and_nothing_else() {
        for (one, other, same) in [
            ("ObjectCreated:*", "ObjectCreated:Put", true),
            ("ObjectCreated:Put", "ObjectCreated:*", true),
            ("ObjectCreated:*", "ObjectCreated:*", true),
            ("ObjectCreated:Put", "ObjectCreated:Copy", false),
            ("ObjectCreated:*", "ObjectRemoved:*", false),
            ("ObjectRestore:*", "ObjectRemoved:Delete", false),
            ("LifecycleTransition", "LifecycleExpiration:*", false),
        ] {
            assert_eq!(is_same_event(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn configurations_that_aws_refuses_are_refused() {
        let good = || configuration("a", &["s3:ObjectCreated:*"], "", "");
        let filters = |names: &[&str]| Configuration {
            filters: names.iter().map(|name| Filter { name: (*name).to_owned(), value: "x".to_owned() }).collect(),
            ..good()
        };
        let arn = |arn: &str| Configuration { arn: arn.to_owned(), ..good() };
        let other = Configuration { events: vec!["s3:ObjectRemoved:*".to_owned()], ..good() };
        for (configurations, code, says) in [
            (vec![configuration("a", &[], "", "")], Code::MalformedXml, "XML"),
            (vec![configuration(&"i".repeat(256), &["s3:ObjectCreated:*"], "", "")], Code::MalformedXml, "XML"),
            (vec![configuration("a", &["s3:ObjectCreated:Rename"], "", "")], Code::InvalidArgument, "not supported"),
            (vec![configuration("a", &["s3:TestEvent"], "", "")], Code::InvalidArgument, "not supported"),
            (vec![configuration("a", &["s3:ObjectCreated:*"], &"x".repeat(1025), "")], Code::InvalidArgument, "1024"),
            (vec![filters(&["prefix", "Prefix"])], Code::InvalidArgument, "more than one prefix"),
            (vec![filters(&["suffix", "suffix"])], Code::InvalidArgument, "more than one suffix"),
            (vec![filters(&["infix"])], Code::InvalidArgument, "must be either prefix or suffix"),
            (vec![good(), other], Code::InvalidArgument, "Same ID"),
            (vec![arn("arn:aws:sns:us-east-1:1:t")], Code::InvalidArgument, "Unable to validate"),
            (vec![arn("arn:zas:webhook:::a:b")], Code::InvalidArgument, "Unable to validate"),
            (vec![arn("")], Code::InvalidArgument, "Unable to validate"),
        ] {
            let refused = Notification(configurations.clone()).check().unwrap_err();
            assert_eq!(refused.code(), code, "{configurations:?}");
            assert!(refused.message().contains(says), "{}", refused.message());
        }
        let many = (0..101).map(|i| configuration(&i.to_string(), &["s3:ObjectCreated:*"], &format!("{i}/"), ""));
        let many: Vec<Configuration> = many.collect();
        assert!(Notification(many.clone()).check().is_err());
        assert!(Notification(many[..100].to_vec()).check().is_ok());
        assert!(Notification::default().check().is_ok());
    }

    #[test]
    fn every_event_has_a_family_that_may_be_asked_for_too() {
        for event in EVENTS {
            Notification(vec![configuration("a", &[event], "", "")]).check().unwrap();
        }
    }

    proptest! {
        #[test]
        fn a_document_reads_as_it_was_written(id in ".{0,10}", prefix in ".{0,10}", suffix in ".{0,10}") {
            let notification = Notification(vec![configuration(&id, &["s3:ObjectCreated:*"], &prefix, &suffix)]);
            let _ = notification.check();
            let written = serde_json::to_value(&notification).unwrap();
            prop_assert_eq!(serde_json::from_value::<Notification>(written).unwrap(), notification);
        }
    }
}
