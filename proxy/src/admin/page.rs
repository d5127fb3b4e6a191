//! Pages: how many of a list, and from where on.

use serde::Deserialize;
use utoipa::IntoParams;

use super::text::optional_text;
use crate::error::{Code, Error, Result};

/// The largest page.
const MAX: u32 = 1_000;

/// A page that nobody sized.
const DEFAULT: u32 = 100;

/// Which page of a list of names.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; empty or unset: the first page.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    after: Option<String>,
    /// Only names that begin with this.
    #[serde(default, deserialize_with = "optional_text::<_, 512>")]
    #[param(max_length = 512, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    prefix: Option<String>,
}

/// Which page of a list without names.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PlainPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before; empty or unset: the first page.
    #[serde(default, deserialize_with = "optional_text::<_, 1024>")]
    #[param(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    after: Option<String>,
}

impl Page {
    /// How many.
    /// # Errors
    /// `InvalidArgument` outside 1 to 1000.
    pub(super) fn limit(&self) -> Result<u32> {
        bounded(self.limit)
    }

    /// The name that the page begins behind.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// What names begin with.
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }
}

impl PlainPage {
    /// How many.
    /// # Errors
    /// `InvalidArgument` outside 1 to 1000.
    pub(super) fn limit(&self) -> Result<u32> {
        bounded(self.limit)
    }

    /// What the page begins behind.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// How many, where a list has a page of its own kind.
/// # Errors
/// `InvalidArgument` outside 1 to 1000.
pub(super) fn bounded(limit: Option<u32>) -> Result<u32> {
    match limit.unwrap_or(DEFAULT) {
        limit @ 1..=MAX => Ok(limit),
        _ => Err(Error::new(Code::InvalidArgument, "limit must be from 1 to 1000.").with("field", "limit")),
    }
}
