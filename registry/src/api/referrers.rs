//! The manifests that name another one as their subject.

use std::collections::BTreeMap;

use http::header::LINK;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{Call, blocking};
use crate::{
    digest::Digest,
    error::ApiError,
    manifest,
    name::RepositoryName,
    response::{self, Answer, OCI_FILTERS_APPLIED, WithHeader},
    storage::{
        index::{INDEX_MEDIA_TYPE, Index},
        repository::Repository,
    },
};

/// A page is at most about this long: clients treat it as an index, and those are at most 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Referrers {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
    #[serde(skip)]
    more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// What is asked for, beside the subject.
struct Filter {
    artifact_types: Vec<String>,
    last: Option<Digest>,
}

impl Filter {
    fn admits(&self, artifact_type: Option<&str>) -> bool {
        self.artifact_types.is_empty()
            || self.artifact_types.iter().any(|wanted| Some(wanted.as_str()) == artifact_type)
    }
}

/// An unknown repository has no referrers: the specification forbids 404 here.
pub(super) async fn list(name: RepositoryName, subject: Digest, call: Call<'_>) -> Answer {
    let artifact_types: Vec<String> = call.query.all("artifactType").map(str::to_owned).collect();
    let filter =
        Filter { artifact_types: artifact_types.clone(), last: call.query.get("last").map(str::parse).transpose()? };
    let of = subject.clone();
    let page = match call.inner.storage.repository(&name) {
        Some(repository) => blocking(move || page(&repository, &of, &filter)).await?,
        None => empty(),
    };
    let mut response = response::json(INDEX_MEDIA_TYPE, &page)?;
    if !artifact_types.is_empty() {
        response = response.with(OCI_FILTERS_APPLIED, "artifactType")?;
    }
    if let (true, Some(last)) = (page.more, page.manifests.last()) {
        let filters: String = artifact_types
            .iter()
            .map(|t| format!("&artifactType={}", utf8_percent_encode(t, NON_ALPHANUMERIC)))
            .collect();
        let next = format!("</v2/{name}/referrers/{subject}?last={}{filters}>; rel=\"next\"", last.digest);
        response = response.with(LINK, next)?;
    }
    Ok(response)
}

fn empty() -> Referrers {
    Referrers { schema_version: 2, media_type: INDEX_MEDIA_TYPE, manifests: Vec::new(), more: false }
}

fn page(repository: &Repository, subject: &Digest, filter: &Filter) -> Result<Referrers, ApiError> {
    let index = repository.index_with_subjects()?;
    let mut page = empty();
    let mut length = 0;
    for digest in index.referrers(subject).filter(|digest| filter.last.as_ref().is_none_or(|last| *digest > last)) {
        if let Some(descriptor) = descriptor(repository, &index, digest)?
            && filter.admits(descriptor.artifact_type.as_deref())
        {
            length += serde_json::to_vec(&descriptor).map_err(std::io::Error::from)?.len();
            if length > PAGE_BYTES && !page.manifests.is_empty() {
                page.more = true;
                break;
            }
            page.manifests.push(descriptor);
        }
    }
    Ok(page)
}

/// `None` for a manifest that went meanwhile, or that cannot be read any more.
fn descriptor(repository: &Repository, index: &Index, digest: &Digest) -> Result<Option<Descriptor>, ApiError> {
    let (Some(entry), Some(bytes)) = (index.manifest(digest), repository.read_manifest(digest)?) else {
        return Ok(None);
    };
    Ok(manifest::read_stored(&entry.media_type, &bytes).map(|manifest| Descriptor {
        media_type: manifest.media_type,
        digest: digest.to_string(),
        size: bytes.len() as u64,
        artifact_type: manifest.artifact_type,
        annotations: manifest.annotations,
    }))
}
