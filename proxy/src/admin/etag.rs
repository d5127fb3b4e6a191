//! Versions as entity tags, and what a change expects to find (RFC 9110, sections 8.8.3 and 13).

use http::{HeaderMap, header};

use crate::error::{Code, Error, Result};

/// A version as an entity tag.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// What a change expects to find.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// It does not matter.
    Whatever,
    /// None yet.
    Absent,
    /// One, of any version.
    Present,
    /// One of these versions.
    OneOf(Vec<i64>),
}

/// The version that a change expects: 0 where there shall be none yet, nothing where it does not matter. `current` tells the version that
/// there is: it is asked only where that must be known first, and the change then expects that very one.
///
/// # Errors
/// `PreconditionFailed`: what there is, is not what is expected. `InvalidArgument`: it cannot be told what is expected.
pub(super) async fn expected(
    headers: &HeaderMap,
    current: impl AsyncFnOnce() -> Result<Option<i64>>,
) -> Result<Option<i64>> {
    let is_right = |version: &i64, versions: &[i64]| versions.is_empty() || versions.contains(version);
    let versions = match read(headers)? {
        Expected::Whatever => return Ok(None),
        Expected::Absent => return Ok(Some(0)),
        Expected::OneOf(versions) if versions.len() == 1 => return Ok(versions.first().copied()),
        Expected::OneOf(versions) => versions,
        Expected::Present => Vec::new(),
    };
    let found = current().await?.filter(|version| is_right(version, &versions));
    found.map(Some).ok_or_else(|| Code::PreconditionFailed.into())
}

fn read(headers: &HeaderMap) -> Result<Expected> {
    let values = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().trim());
    let absent = match values(header::IF_NONE_MATCH).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["*"] => true,
        _ => {
            let text = "If-None-Match takes * alone: there shall be none yet.";
            return Err(Error::new(Code::InvalidArgument, text).with("field", "If-None-Match"));
        }
    };
    let tags: Vec<&str> = values(header::IF_MATCH).flat_map(|value| value.split(',').map(str::trim)).collect();
    match (tags.as_slice(), absent) {
        ([], false) => Ok(Expected::Whatever),
        ([], true) => Ok(Expected::Absent),
        (["*"], false) => Ok(Expected::Present),
        (tags, false) => {
            // A tag that is none of ours is that of no version: nothing has it. Weak ones are equal to none.
            let versions: Vec<i64> = tags.iter().filter_map(|tag| version(tag)).collect();
            if versions.is_empty() { Err(Code::PreconditionFailed.into()) } else { Ok(Expected::OneOf(versions)) }
        }
        // What has a version is there.
        (_, true) => Err(Code::PreconditionFailed.into()),
    }
}

fn version(tag: &str) -> Option<i64> {
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    text.parse().ok().filter(|version: &i64| version.to_string() == text)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use http::header::{IF_MATCH, IF_NONE_MATCH};

    use super::*;

    /// What is expected where there is version 7.
    async fn at_7(pairs: &[(HeaderName, &str)]) -> Result<Option<i64>, Code> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        expected(&headers, async || Ok(Some(7))).await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn a_change_expects_a_version_any_or_none_at_all() {
        assert_eq!(at_7(&[]).await, Ok(None));
        assert_eq!(at_7(&[(IF_NONE_MATCH, "*")]).await, Ok(Some(0)));
        assert_eq!(at_7(&[(IF_MATCH, "\"6\"")]).await, Ok(Some(6)), "the index says that it is another");
        for tags in ["*", "\"6\", \"7\"", "\"x\",W/\"6\",\"7\""] {
            assert_eq!(at_7(&[(IF_MATCH, tags)]).await, Ok(Some(7)), "{tags}");
        }
        assert_eq!(at_7(&[(IF_MATCH, "\"6\""), (IF_MATCH, "\"7\"")]).await, Ok(Some(7)));
        let none = [(IF_MATCH, "*".parse().unwrap())].into_iter().collect();
        assert!(expected(&none, async || Ok(None)).await.is_err(), "there is none");
    }

    #[tokio::test]
    async fn what_can_be_no_version_is_never_taken_for_any() {
        for tags in ["", "7", "\"\"", "\"readers\"", "W/\"7\"", "\"07\"", "\"+7\"", "\"7", "*, \"7", "\"5\", \"6\""] {
            assert_eq!(at_7(&[(IF_MATCH, tags)]).await, Err(Code::PreconditionFailed), "{tags}");
        }
        assert_eq!(at_7(&[(IF_MATCH, "\"7\""), (IF_NONE_MATCH, "*")]).await, Err(Code::PreconditionFailed));
        for tags in ["", "\"7\"", "true", "*, *"] {
            assert_eq!(at_7(&[(IF_NONE_MATCH, tags)]).await, Err(Code::InvalidArgument), "{tags}");
        }
        assert_eq!(at_7(&[(IF_NONE_MATCH, "*"), (IF_NONE_MATCH, "*")]).await, Err(Code::InvalidArgument));
    }
}
