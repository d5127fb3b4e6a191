//! What AWS refuses in rules, and in which words.

use std::collections::HashSet;

use time::Time;

use super::{Expiration, Form, Lifecycle, Rule, Scope};
use crate::error::{Code, Error, Result};

/// Rules at the most.
const RULES: usize = 1_000;

/// The longest id of a rule, in characters.
const ID_CHARACTERS: usize = 255;

/// The longest prefix, in bytes: no key is longer.
const PREFIX_BYTES: usize = 1_024;

/// Older versions that a rule may keep.
const KEPT: std::ops::RangeInclusive<i32> = 1..=100;

/// Tags that a rule may ask for: an object has no more.
const TAGS: usize = 10;

/// The longest all rules together, in bytes: every replica keeps them in memory.
const BYTES: usize = 512 * 1024;

impl Lifecycle {
    /// Whether AWS takes the rules.
    ///
    /// # Errors
    /// `MalformedXml` where there are none or too many, or where one says too little or too much, `MaxMessageLengthExceeded` where they are
    /// too long, `InvalidArgument`, `InvalidRequest` or `InvalidTag` where one says what cannot be.
    pub fn check(&self) -> Result<()> {
        if self.rules.is_empty() || self.rules.len() > RULES {
            return malformed();
        }
        if self.rules.iter().map(Rule::bytes).sum::<usize>() > BYTES {
            return Err(Code::MaxMessageLengthExceeded.into());
        }
        let mut ids = HashSet::new();
        if let Some(rule) = self.rules.iter().find(|rule| !ids.insert(rule.id.as_str())) {
            let text = "Rule ID must be unique. Found same ID for more than one rule";
            return Err(Error::new(Code::InvalidArgument, text)
                .with("ArgumentName", "ID")
                .with("ArgumentValue", &rule.id));
        }
        let legacy = self.rules.iter().filter(|rule| rule.scope.form == Form::Legacy).count();
        if legacy != 0 && legacy != self.rules.len() {
            return invalid_request(
                "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
            );
        }
        self.rules.iter().try_for_each(Rule::check)
    }
}

impl Rule {
    fn bytes(&self) -> usize {
        let tags = self.scope.tags.iter().map(|tag| tag.key.len() + tag.value.len());
        self.id.len() + self.scope.prefix().len() + tags.sum::<usize>()
    }

    fn check(&self) -> Result<()> {
        if self.id.chars().count() > ID_CHARACTERS {
            return invalid("ID", "ID length should not exceed allowed limit of 255");
        }
        if self.expiration.is_none() && self.noncurrent.is_none() && self.abort_days.is_none() {
            return invalid_request("At least one action needs to be specified in a rule");
        }
        self.scope.check()?;
        self.check_expiration()?;
        self.check_noncurrent()?;
        self.check_abort()
    }

    fn check_expiration(&self) -> Result<()> {
        match self.expiration {
            Some(Expiration::Days(days)) if days <= 0 => {
                invalid("Days", "'Days' for Expiration action must be a positive integer")
            }
            Some(Expiration::Date(date)) if date.time() != Time::MIDNIGHT || !date.offset().is_utc() => {
                invalid("Date", "'Date' must be at midnight GMT")
            }
            Some(Expiration::DeleteMarker(_)) if !self.scope.tags.is_empty() => {
                invalid_request("ExpiredObjectDeleteMarker cannot be specified with Tags.")
            }
            Some(Expiration::DeleteMarker(_)) if self.scope.is_about_sizes() => {
                invalid_request("ExpiredObjectDeleteMarker cannot be specified with Object Size.")
            }
            _ => Ok(()),
        }
    }

    fn check_noncurrent(&self) -> Result<()> {
        let Some(noncurrent) = self.noncurrent else { return Ok(()) };
        if noncurrent.days <= 0 {
            let text = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer";
            return invalid("NoncurrentDays", text);
        }
        if noncurrent.keep.is_some_and(|keep| !KEPT.contains(&keep)) {
            let text = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100";
            return invalid("NewerNoncurrentVersions", text);
        }
        if noncurrent.keep.is_some() && self.scope.form == Form::Legacy {
            return invalid_request("NewerNoncurrentVersions must be specified with a Filter.");
        }
        Ok(())
    }

    fn check_abort(&self) -> Result<()> {
        let Some(days) = self.abort_days else { return Ok(()) };
        if !self.scope.tags.is_empty() {
            return invalid_request("AbortIncompleteMultipartUpload cannot be specified with Tags.");
        }
        if self.scope.is_about_sizes() {
            return invalid_request("AbortIncompleteMultipartUpload cannot be specified with Object Size.");
        }
        if days <= 0 {
            let text = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
            return invalid("DaysAfterInitiation", text);
        }
        Ok(())
    }
}

impl Scope {
    fn check(&self) -> Result<()> {
        if self.prefix().len() > PREFIX_BYTES {
            return invalid_request("The maximum size of a prefix is 1024.");
        }
        let (prefix, sizes) = (usize::from(self.prefix.is_some()), [self.greater_than, self.less_than]);
        let conditions = prefix + self.tags.len() + sizes.iter().flatten().count();
        let fits = match self.form {
            Form::Legacy => prefix == 1 && conditions == 1,
            Form::Filter => conditions <= 1,
            Form::And => conditions >= 1,
        };
        if !fits {
            return malformed();
        }
        self.check_tags()?;
        if sizes.iter().flatten().any(|size| *size < 0) || self.less_than == Some(0) {
            return invalid_request(
                "'ObjectSizeGreaterThan' and 'ObjectSizeLessThan' have to be sizes that an object can have.",
            );
        }
        match (self.greater_than, self.less_than) {
            (Some(least), Some(most)) if most <= least => {
                invalid_request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
            }
            _ => Ok(()),
        }
    }

    fn check_tags(&self) -> Result<()> {
        if self.tags.len() > TAGS {
            return invalid_request("A rule cannot have more than 10 tags.");
        }
        let mut keys = HashSet::new();
        for tag in &self.tags {
            tag.check()?;
            if !keys.insert(tag.key.as_str()) {
                return invalid_request("Duplicate Tag Keys are not allowed.");
            }
        }
        Ok(())
    }
}

fn malformed<T>() -> Result<T> {
    Err(Code::MalformedXml.into())
}

fn invalid<T>(name: &'static str, text: &'static str) -> Result<T> {
    Err(Error::new(Code::InvalidArgument, text).with("ArgumentName", name))
}

fn invalid_request<T>(text: &'static str) -> Result<T> {
    Err(Error::new(Code::InvalidRequest, text))
}
