//! `GET /v2/_catalog`, answered by us: what the registry lists, without what is not for clients.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};

use super::name::Name;
use super::query::Query;
use crate::error::{Code, Error, Result};
use crate::store::Store;

/// Names on one page, where the client does not say, and at the most.
const PAGE_NAMES: u32 = 1000;

/// Pages of the registry that one request may cost. Reserved names are jumped over, so that more are needed only
/// where a registry does not answer as the specification says.
const UPSTREAM_PAGES: usize = 16;

/// Where pages of repository names come from.
#[async_trait]
pub(super) trait Pages: Sync {
    /// A page of names behind `last`, and whether there are more.
    async fn page(&self, last: &str, limit: u32) -> Result<(Vec<String>, bool)>;
}

#[async_trait]
impl Pages for Store {
    async fn page(&self, last: &str, limit: u32) -> Result<(Vec<String>, bool)> {
        self.catalog(last, limit).await
    }
}

/// Which repositories are for whoever asks.
pub(super) struct View<'a> {
    /// Where S3 bytes are.
    pub prefix: &'a str,
    /// Whether the caller may see a repository.
    pub may_see: &'a (dyn Fn(&str) -> bool + Sync),
}

impl View<'_> {
    fn shows(&self, name: &str) -> bool {
        Name::parse(name).is_some_and(|name| !name.is_reserved(self.prefix)) && (self.may_see)(name)
    }
}

/// Answers a catalog request with query string `raw`.
/// # Errors
/// `InvalidArgument` for `n` and `last`; what the registry fails with.
pub(super) async fn catalog(pages: &impl Pages, view: View<'_>, method: &Method, raw: &str) -> Result<Response<Bytes>> {
    let mut query = Query::read(raw)?;
    let limit = query.take_number("n")?.unwrap_or(PAGE_NAMES).min(PAGE_NAMES);
    let last = query.take("last")?.unwrap_or_default();
    if !last.is_empty() && Name::parse(&last).is_none() {
        return Err(Error::new(Code::InvalidArgument, "The query parameter last is not a repository name."));
    }
    let (names, more) = if limit == 0 { (Vec::new(), false) } else { visible(pages, &view, last, limit).await? };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let (true, Some(last)) = (more, names.last()) {
        // Names need no encoding: their grammar has nothing that means something in a query.
        let link = format!("</v2/_catalog?n={limit}&last={last}>; rel=\"next\"");
        headers.insert(header::LINK, HeaderValue::try_from(link).map_err(Error::internal)?);
    }
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::from(serde_json::json!({ "repositories": names }).to_string())
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Up to `limit` names behind `last` that are for clients, and whether there are more.
async fn visible(pages: &impl Pages, view: &View<'_>, last: String, limit: u32) -> Result<(Vec<String>, bool)> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut marker = last;
    let mut found: Vec<String> = Vec::new();
    for _ in 0..UPSTREAM_PAGES {
        // One more than wanted tells whether there are more. Where names are left out, whole pages are asked for.
        let ask = if marker.is_empty() || found.len() * 2 > wanted { limit + 1 } else { PAGE_NAMES + 1 };
        let (page, more) = pages.page(&marker, ask).await?;
        let Some(end) = page.last().cloned() else { return Ok((found, false)) };
        found.extend(page.into_iter().filter(|name| view.shows(name)));
        if found.len() > wanted {
            found.truncate(wanted);
            return Ok((found, true));
        }
        if !more {
            return Ok((found, false));
        }
        marker = behind(&end, view.prefix);
    }
    if found.is_empty() {
        return Err(Error::from(Code::UpstreamUnavailable).detail("the catalog has no end"));
    }
    Ok((found, true))
}

/// The marker of the next page: the last name, or, among repositories of S3 bytes, a text behind all of them, for there
/// may be thousands. A registry that orders names goes on behind them. A Zot knows only names that are there, but lists
/// the store of a sub-path, which these have for themselves, behind its default one: it goes on with the next store.
fn behind(name: &str, prefix: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first == prefix => format!("{first}/~"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A registry that orders names as the specification says.
    struct Registry {
        names: Vec<String>,
        asked: AtomicUsize,
    }

    impl Registry {
        fn new(names: impl IntoIterator<Item = String>) -> Self {
            let mut names: Vec<String> = names.into_iter().collect();
            names.sort();
            Self { names, asked: AtomicUsize::new(0) }
        }
    }

    #[async_trait]
    impl Pages for Registry {
        async fn page(&self, last: &str, limit: u32) -> Result<(Vec<String>, bool)> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut rest = self.names.iter().filter(|name| name.as_str() > last);
            let page = rest.by_ref().take(limit as usize).cloned().collect();
            Ok((page, rest.next().is_some()))
        }
    }

    fn names(names: &[&str]) -> Registry {
        Registry::new(names.iter().map(|name| (*name).to_owned()))
    }

    const EVERYTHING: View<'static> = View { prefix: "s3", may_see: &|_| true };

    async fn ask(registry: &Registry, raw: &str) -> (Vec<String>, Option<String>) {
        ask_for(registry, EVERYTHING, raw).await
    }

    async fn ask_for(registry: &Registry, view: View<'_>, raw: &str) -> (Vec<String>, Option<String>) {
        let answer = catalog(registry, view, &Method::GET, raw).await.unwrap();
        let link = answer.headers().get(header::LINK).map(|link| link.to_str().unwrap().to_owned());
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let names = body["repositories"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect();
        (names, link)
    }

    #[tokio::test]
    async fn reserved_names_are_not_shown() {
        let registry = names(&["a", "s3", "s3/x/00", "s30", "t", "zas/y", "zb", "a/blobs", "Odd"]);
        assert_eq!(ask(&registry, "").await, (vec!["a".into(), "s30".into(), "t".into(), "zb".into()], None));
    }

    #[tokio::test]
    async fn following_the_links_gives_every_visible_name_once() {
        let registry = names(&["a", "b", "s3/x/00", "s3/x/01", "s3/x/02", "s3/x/03", "s30", "t", "u", "zas/x"]);
        for n in 1..7 {
            let mut seen = Vec::new();
            let mut raw = format!("n={n}");
            loop {
                let (page, link) = ask(&registry, &raw).await;
                assert!(page.len() <= n);
                seen.extend(page);
                let Some(link) = link else { break };
                raw = link.strip_prefix("</v2/_catalog?").unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
            }
            assert_eq!(seen, ["a", "b", "s30", "t", "u"], "n={n}");
        }
    }

    #[tokio::test]
    async fn a_caller_sees_the_repositories_that_it_may_see_and_no_others_on_any_page() {
        let registry = Registry::new((0..5000).map(|i| format!("team{}/app{i:04}", i % 500)));
        let mine = |name: &str| name.starts_with("team7/");
        let mut seen = Vec::new();
        let mut raw = "n=3".to_owned();
        loop {
            let (page, link) = ask_for(&registry, View { prefix: "s3", may_see: &mine }, &raw).await;
            seen.extend(page);
            let Some(link) = link else { break };
            assert!(link.contains("last=team7/"), "{link} names a repository of others");
            raw = link.strip_prefix("</v2/_catalog?").unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        }
        let expected: Vec<String> = (0..10).map(|i| format!("team7/app{:04}", i * 500 + 7)).collect();
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn thousands_of_reserved_names_cost_a_few_pages() {
        let reserved = (0..20_000).map(|i| format!("s3/{i}/00"));
        let registry = Registry::new(reserved.chain(["a".to_owned(), "z".to_owned()]));
        assert_eq!(ask(&registry, "n=10").await.0, ["a", "z"]);
        assert!(registry.asked.load(Ordering::Relaxed) <= 3);
    }

    #[tokio::test]
    async fn a_page_of_none_is_empty_and_asks_nobody() {
        let registry = names(&["a"]);
        assert_eq!(ask(&registry, "n=0").await, (vec![], None));
        assert_eq!(registry.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_page_is_never_longer_than_the_limit_however_much_is_asked_for() {
        let registry = Registry::new((0..1500).map(|i| format!("r{i:04}")));
        let (page, link) = ask(&registry, "n=4000000000").await;
        assert_eq!(page.len(), 1000);
        assert_eq!(link.unwrap(), "</v2/_catalog?n=1000&last=r0999>; rel=\"next\"");
    }

    #[tokio::test]
    async fn a_registry_without_an_end_does_not_keep_us_for_ever() {
        struct Endless;
        #[async_trait]
        impl Pages for Endless {
            async fn page(&self, _: &str, _: u32) -> Result<(Vec<String>, bool)> {
                Ok((vec!["s3/x".to_owned()], true))
            }
        }
        let error = catalog(&Endless, EVERYTHING, &Method::GET, "").await.unwrap_err();
        assert_eq!(error.code(), Code::UpstreamUnavailable);
    }

    #[tokio::test]
    async fn markers_and_numbers_that_make_no_sense_are_refused() {
        for raw in ["n=-1", "n=x", "last=..", "last=%0d", "n=1&n=2"] {
            assert_eq!(
                catalog(&names(&[]), EVERYTHING, &Method::GET, raw).await.unwrap_err().row().status,
                400,
                "{raw}"
            );
        }
    }
}
