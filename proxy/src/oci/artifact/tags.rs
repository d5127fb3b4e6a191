//! The tags of a folder: the keys right below it that can be tags, of the objects that the caller may read.

use http::{Response, header};
use serde_json::json;
use zas_policy::{Action, Resource};

use super::super::name::is_tag;
use super::super::query::Query;
use super::visit::{Visit, as_repository};
use super::{document, value};
use crate::error::{Code, Result};
use crate::gateway::Body;
use crate::index::{ListEntry, ListPage, ListRequest};
use crate::supply_chain::referrer::ReferrerTag;

/// Tags on one page, where the client does not say, and at the most.
const PAGE: u32 = 1000;

/// Pages of keys that one request may cost: there may be folders and keys that are no tags in between.
const KEY_PAGES: usize = 16;

/// Answers a GET or a HEAD. As by S3, that needs the right to list the bucket.
pub(super) async fn list(visit: &Visit<'_>, raw: &str) -> Result<Response<Body>> {
    let mut query = Query::read(raw)?;
    let limit = query.take_number("n")?.unwrap_or(PAGE).min(PAGE);
    let last = query.take("last")?.unwrap_or_default();
    let permit = visit.permit(Action::ListBucket, Resource::bucket(visit.folder.bucket())).await?;
    let found = find(visit, &last, limit).await?;
    visit.record(&permit, 200, None).await?;
    let body = json!({ "name": visit.name.as_str(), "tags": found.tags }).to_string();
    let mut response = document(body, "application/json", None)?;
    if let Some(next) = found.next {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("n", &limit.to_string())
            .append_pair("last", &next)
            .finish();
        let link = format!("</v2/{}/tags/list?{query}>; rel=\"next\"", visit.name);
        response.headers_mut().insert(header::LINK, value(&link)?);
    }
    Ok(response)
}

/// Tags, and what to go on behind.
struct Found {
    tags: Vec<String>,
    next: Option<String>,
}

async fn find(visit: &Visit<'_>, last: &str, limit: u32) -> Result<Found> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let prefix = visit.folder.prefix();
    let mut found = Found { tags: Vec::new(), next: None };
    let mut marker = last.to_owned();
    for _ in 0..KEY_PAGES {
        let page = page(visit, &marker).await?;
        let Some(end) = page.entries.last().map(|entry| name_below(prefix, entry.name()).to_owned()) else {
            // A folder is where keys are; an empty bucket is one all the same.
            let is_there = !marker.is_empty() || prefix.is_empty();
            return if is_there { Ok(Found { next: None, ..found }) } else { Err(Code::NameUnknown.into()) };
        };
        for entry in &page.entries {
            let ListEntry::Object(object) = entry else { continue };
            let tag = name_below(prefix, &object.key);
            if !is_shown(visit, tag, &object.key) {
                continue;
            }
            if found.tags.len() == wanted {
                found.next = found.tags.last().cloned();
                return Ok(found);
            }
            found.tags.push(tag.to_owned());
        }
        if !page.truncated {
            return Ok(found);
        }
        marker = end;
    }
    found.next = Some(marker);
    Ok(found)
}

async fn page(visit: &Visit<'_>, marker: &str) -> Result<ListPage> {
    let after = if marker.is_empty() { String::new() } else { visit.folder.key(marker) };
    let request = ListRequest {
        bucket: visit.folder.bucket(),
        prefix: visit.folder.prefix(),
        delimiter: Some("/"),
        after: &after,
        limit: PAGE,
    };
    visit.app.index.list_objects(request).await.map_err(as_repository)
}

fn name_below<'a>(prefix: &str, key: &'a str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}

fn is_shown(visit: &Visit<'_>, tag: &str, key: &str) -> bool {
    is_tag(tag)
        && ReferrerTag::parse(tag).is_none()
        && visit.may_know(Action::GetObject, &Resource::object(visit.folder.bucket(), key))
}
