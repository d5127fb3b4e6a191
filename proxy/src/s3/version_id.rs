//! `versionId`: which version of an object a request is about, and the right that takes.

use s3s::dto;
use zas_policy::Action;

use super::names;
use crate::error::{Code, Error, Result};
use crate::index::is_version_id;

/// The version of objects that were written while their bucket kept none.
const NULL: &str = "null";

/// The version that a query names.
///
/// # Errors
/// `InvalidArgument` where it names several, or what is no version id.
pub(super) fn of_query(query: &str) -> Result<Option<String>> {
    let mut named = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "versionId");
    let Some((_, version)) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Error::new(Code::InvalidArgument, "A request names one version."));
    }
    check(&version)?;
    Ok(Some(version.into_owned()))
}

/// Whether this can be a version id.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check(version: &str) -> Result<()> {
    if version.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "Version id cannot be the empty string."));
    }
    if version == NULL || is_version_id(version) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, "Invalid version id specified.").with("ArgumentName", "versionId"))
}

/// The right to do to a version that is named what `action` does to the current one (AWS, "Actions for Amazon S3").
pub(super) const fn action(action: Action) -> Action {
    match action {
        Action::GetObject => Action::GetObjectVersion,
        Action::GetObjectAttributes => Action::GetObjectVersionAttributes,
        Action::GetObjectTagging => Action::GetObjectVersionTagging,
        Action::PutObjectTagging => Action::PutObjectVersionTagging,
        Action::DeleteObjectTagging => Action::DeleteObjectVersionTagging,
        Action::GetObjectAcl => Action::GetObjectVersionAcl,
        Action::PutObjectAcl => Action::PutObjectVersionAcl,
        Action::DeleteObject => Action::DeleteObjectVersion,
        other => other,
    }
}

/// [`action`], where a version is named.
pub(super) fn action_on(named: Option<&str>, current: Action) -> Action {
    if named.is_some() { action(current) } else { current }
}

/// Reads `version-id-marker`, which comes with the key that it is a version of.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_marker(key_marker: Option<&str>, version: &str) -> Result<()> {
    if key_marker.is_none_or(str::is_empty) {
        let text = "A version-id marker cannot be specified without a key marker.";
        return Err(Error::new(Code::InvalidArgument, text));
    }
    names::check_text("version-id-marker", version)?;
    check(version)
}

/// A version id for an answer.
pub(super) fn told(version: Option<&str>) -> Option<dto::ObjectVersionId> {
    version.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_version_or_none() {
        let id = "000000000000002a0123456789abcdef";
        assert_eq!(of_query("").unwrap(), None);
        assert_eq!(of_query("versionId=null&x-id=GetObject").unwrap().as_deref(), Some("null"));
        assert_eq!(of_query(&format!("a=b&versionId={id}")).unwrap().as_deref(), Some(id));
        for query in
            ["versionId=", "versionId=x", "versionId=null&versionId=null", "versionId=000000000000002A0123456789ABCDEF"]
        {
            assert_eq!(of_query(query).unwrap_err().code(), Code::InvalidArgument, "{query}");
        }
    }

    #[test]
    fn a_version_takes_a_right_of_its_own() {
        assert_eq!(action_on(None, Action::GetObject), Action::GetObject);
        assert_eq!(action_on(Some("null"), Action::GetObject), Action::GetObjectVersion);
        assert_eq!(action_on(Some("null"), Action::DeleteObject), Action::DeleteObjectVersion);
        assert_eq!(action_on(Some("null"), Action::PutObjectRetention), Action::PutObjectRetention);
    }

    #[test]
    fn a_marker_of_a_version_needs_its_key() {
        assert!(check_marker(Some("k"), "null").is_ok());
        for (key, version) in [(None, "null"), (Some(""), "null"), (Some("k"), ""), (Some("k"), "v1")] {
            assert_eq!(check_marker(key, version).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
