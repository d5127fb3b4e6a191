//! Lifecycle rules as requests and answers say them: documents, and when an object or an upload goes.
//!
//! What does not live here: what rules mean, and which are refused (`bucket_configuration::lifecycle`).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto;
use time::{OffsetDateTime, UtcOffset};

use super::conditions;
use super::configuration::not_implemented;
use crate::app::App;
use crate::bucket_configuration::lifecycle::{Expiration, Form, Lifecycle, Noncurrent, Rule, Scope, Subject};
use crate::bucket_configuration::{Tag, lifecycle::Due};
use crate::error::{Code, Result};
use crate::index::Tags;

/// What `x-amz-transition-default-minimum-object-size` may say.
pub(super) const MINIMUM_SIZES: [&str; 2] = [
    dto::TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
    dto::TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS,
];

/// What it says where nobody has said otherwise.
pub(super) fn minimum_size() -> dto::TransitionDefaultMinimumObjectSize {
    let name = dto::TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K;
    dto::TransitionDefaultMinimumObjectSize::from_static(name)
}

/// The rules of a document.
///
/// # Errors
/// `NotImplemented` for what moves objects to another storage class, `MalformedXml` for what the schema does not have, and what
/// [`Lifecycle::check`] refuses.
pub(super) fn of_document(document: dto::BucketLifecycleConfiguration) -> Result<Lifecycle> {
    let rules = document.rules.into_iter().map(rule).collect::<Result<_>>()?;
    let lifecycle = Lifecycle { rules };
    lifecycle.check()?;
    Ok(lifecycle)
}

fn rule(rule: dto::LifecycleRule) -> Result<Rule> {
    let moves = |count: Option<usize>| count.is_some_and(|count| count > 0);
    let (current, noncurrent) = (rule.transitions.as_ref(), rule.noncurrent_version_transitions.as_ref());
    if moves(current.map(Vec::len)) || moves(noncurrent.map(Vec::len)) {
        return Err(not_implemented("Transitions are not implemented: there is one storage class, STANDARD."));
    }
    let enabled = match rule.status.as_str() {
        dto::ExpirationStatus::ENABLED => true,
        dto::ExpirationStatus::DISABLED => false,
        _ => return Err(Code::MalformedXml.into()),
    };
    let abort = rule.abort_incomplete_multipart_upload;
    Ok(Rule {
        id: rule.id.filter(|id| !id.is_empty()).unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        enabled,
        scope: scope(rule.filter, rule.prefix)?,
        expiration: rule.expiration.map(expiration).transpose()?,
        noncurrent: rule.noncurrent_version_expiration.map(noncurrent_of).transpose()?,
        abort_days: abort.map(|abort| abort.days_after_initiation.ok_or(Code::MalformedXml)).transpose()?,
    })
}

/// What a rule is about: a filter, or the older form's prefix.
fn scope(filter: Option<dto::LifecycleRuleFilter>, prefix: Option<String>) -> Result<Scope> {
    let filter = match (filter, prefix) {
        (None, Some(prefix)) => return Ok(Scope { form: Form::Legacy, prefix: Some(prefix), ..Scope::default() }),
        (Some(filter), None) => filter,
        _ => return Err(Code::MalformedXml.into()),
    };
    let beside = Scope {
        form: Form::Filter,
        prefix: filter.prefix,
        tags: filter.tag.into_iter().map(tag).collect::<Result<_>>()?,
        greater_than: filter.object_size_greater_than,
        less_than: filter.object_size_less_than,
    };
    match filter.and {
        None => Ok(beside),
        Some(and) if beside == Scope::default() => Ok(Scope {
            form: Form::And,
            prefix: and.prefix,
            tags: and.tags.unwrap_or_default().into_iter().map(tag).collect::<Result<_>>()?,
            greater_than: and.object_size_greater_than,
            less_than: and.object_size_less_than,
        }),
        Some(_) => Err(Code::MalformedXml.into()),
    }
}

fn tag(tag: dto::Tag) -> Result<Tag> {
    match (tag.key, tag.value) {
        (Some(key), Some(value)) => Ok(Tag { key, value }),
        _ => Err(Code::MalformedXml.into()),
    }
}

fn expiration(expiration: dto::LifecycleExpiration) -> Result<Expiration> {
    match (expiration.days, expiration.date, expiration.expired_object_delete_marker) {
        (Some(days), None, None) => Ok(Expiration::Days(days)),
        (None, Some(date), None) => Ok(Expiration::Date(OffsetDateTime::from(date).to_offset(UtcOffset::UTC))),
        (None, None, Some(goes)) => Ok(Expiration::DeleteMarker(goes)),
        _ => Err(Code::MalformedXml.into()),
    }
}

fn noncurrent_of(noncurrent: dto::NoncurrentVersionExpiration) -> Result<Noncurrent> {
    let days = noncurrent.noncurrent_days.ok_or(Code::MalformedXml)?;
    Ok(Noncurrent { days, keep: noncurrent.newer_noncurrent_versions })
}

/// A rule as it was sent.
pub(super) fn shown(rule: Rule) -> dto::LifecycleRule {
    let (filter, prefix) = shown_scope(rule.scope);
    let status = if rule.enabled { dto::ExpirationStatus::ENABLED } else { dto::ExpirationStatus::DISABLED };
    dto::LifecycleRule {
        abort_incomplete_multipart_upload: rule
            .abort_days
            .map(|days| dto::AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }),
        expiration: rule.expiration.map(shown_expiration),
        filter,
        id: Some(rule.id),
        noncurrent_version_expiration: rule.noncurrent.map(|noncurrent| dto::NoncurrentVersionExpiration {
            newer_noncurrent_versions: noncurrent.keep,
            noncurrent_days: Some(noncurrent.days),
        }),
        noncurrent_version_transitions: None,
        prefix,
        status: dto::ExpirationStatus::from_static(status),
        transitions: None,
    }
}

fn shown_scope(scope: Scope) -> (Option<dto::LifecycleRuleFilter>, Option<String>) {
    let mut tags = scope.tags.into_iter().map(|tag| dto::Tag { key: Some(tag.key), value: Some(tag.value) });
    match scope.form {
        Form::Legacy => (None, scope.prefix),
        Form::Filter => {
            let filter = dto::LifecycleRuleFilter {
                and: None,
                object_size_greater_than: scope.greater_than,
                object_size_less_than: scope.less_than,
                prefix: scope.prefix,
                tag: tags.next(),
            };
            (Some(filter), None)
        }
        Form::And => {
            let tags: Vec<dto::Tag> = tags.collect();
            let and = dto::LifecycleRuleAndOperator {
                object_size_greater_than: scope.greater_than,
                object_size_less_than: scope.less_than,
                prefix: scope.prefix,
                tags: Some(tags).filter(|tags| !tags.is_empty()),
            };
            (Some(dto::LifecycleRuleFilter { and: Some(and), ..Default::default() }), None)
        }
    }
}

fn shown_expiration(expiration: Expiration) -> dto::LifecycleExpiration {
    match expiration {
        Expiration::Days(days) => dto::LifecycleExpiration { days: Some(days), ..Default::default() },
        Expiration::Date(date) => dto::LifecycleExpiration { date: Some(date.into()), ..Default::default() },
        Expiration::DeleteMarker(goes) => {
            dto::LifecycleExpiration { expired_object_delete_marker: Some(goes), ..Default::default() }
        }
    }
}

/// `x-amz-expiration` of what is the current version, or becomes it; none where no rule is about it. Asks nobody.
pub(super) fn expiration_of(
    app: &App,
    bucket: &str,
    (key, size, tags): (&str, u64, &Tags),
    modified: OffsetDateTime,
) -> Option<String> {
    let rules = app.authority.policies().lifecycle(bucket)?;
    let Due { at, rule, .. } = rules.expiry(Subject { key, size, tags }, modified)?;
    let rule = utf8_percent_encode(rule, NON_ALPHANUMERIC);
    Some(format!("expiry-date=\"{}\", rule-id=\"{rule}\"", conditions::http_date(at)))
}

/// When an upload is given up, and by which rule; none where no rule is about it. Asks nobody.
pub(super) fn abort_of(
    app: &App,
    bucket: &str,
    key: &str,
    initiated: OffsetDateTime,
) -> Option<(dto::Timestamp, String)> {
    let rules = app.authority.policies().lifecycle(bucket)?;
    let Due { at, rule, .. } = rules.abort(key, initiated)?;
    Some((at.into(), rule.to_owned()))
}
