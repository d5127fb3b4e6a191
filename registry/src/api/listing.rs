//! Lists of repositories and of tags, page by page.

use std::sync::Arc;

use http::{Response, StatusCode, header::LINK};
use serde_json::{Value, json};

use super::{Call, blocking, repository};
use crate::{
    body::Body,
    error::{ApiError, Code},
    name::RepositoryName,
    response::{self, Answer, WithHeader},
    storage::{index::Index, repository::Repository},
};

/// One page of names, and whether more follow.
struct Page {
    names: Vec<String>,
    more: bool,
}

impl Page {
    /// Takes up to `limit` names; all of them without a limit.
    fn take(mut names: impl Iterator<Item = String>, limit: Option<usize>) -> Self {
        let page: Vec<String> = names.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
        Self { more: !page.is_empty() && names.next().is_some(), names: page }
    }

    fn respond(&self, path: &str, limit: Option<usize>, value: &Value) -> Answer {
        let response: Response<Body> = response::json("application/json", value)?;
        match (self.more, limit, self.names.last()) {
            (true, Some(n), Some(last)) => response.with(LINK, format!("<{path}?n={n}&last={last}>; rel=\"next\"")),
            _ => Ok(response),
        }
    }
}

fn limit(call: &Call<'_>) -> Result<Option<usize>, ApiError> {
    let Some(text) = call.query.get("n") else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let invalid = || ApiError::new(Code::Unsupported, "n must be a number of entries").status(StatusCode::BAD_REQUEST);
    // A number that does not fit is more than there can be.
    if digits { Ok(Some(text.parse().unwrap_or(usize::MAX))) } else { Err(invalid()) }
}

pub(super) fn catalog(call: &Call<'_>) -> Answer {
    let (limit, last) = (limit(call)?, call.query.get("last"));
    let all = call.inner.storage.repositories();
    let after = all
        .iter()
        .map(|repository| repository.name().as_str())
        .skip_while(|name| last.is_some_and(|last| *name <= last));
    let page = Page::take(after.map(str::to_owned), limit);
    page.respond("/v2/_catalog", limit, &json!({ "repositories": page.names }))
}

pub(super) async fn tags(name: RepositoryName, call: Call<'_>) -> Answer {
    let limit = limit(&call)?;
    let index = index(repository(call.inner, &name)?).await?;
    let page = Page::take(index.tags_after(call.query.get("last")).map(ToString::to_string), limit);
    page.respond(&format!("/v2/{name}/tags/list"), limit, &json!({ "name": name.as_str(), "tags": page.names }))
}

async fn index(repository: Arc<Repository>) -> Result<Arc<Index>, ApiError> {
    match repository.cached_index() {
        Some(index) => Ok(index),
        None => blocking(move || Ok(repository.index()?)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<usize>) -> (usize, bool) {
        let page = Page::take(["a", "b", "c"].into_iter().map(String::from), limit);
        (page.names.len(), page.more)
    }

    #[test]
    fn a_page_knows_whether_more_follow() {
        assert_eq!(page(None), (3, false));
        assert_eq!(page(Some(2)), (2, true));
        assert_eq!(page(Some(3)), (3, false));
        assert_eq!(page(Some(0)), (0, false), "the specification forbids a link when n is zero");
    }
}
