//! Repositories at the registry that bear a name of ours and that the index has never made.
//!
//! A registry keeps the repository of a bucket that was deleted, for no API deletes one; so those of placements that the index once
//! had are no finding. Whether they still hold bytes only the registry's folder tells (`files.rs`).

use serde_json::json;

use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase};
use crate::error::Result;

/// Names that are asked for at once: a Zot walks through all of its repositories for each page.
const PAGE: u32 = 1000;

/// A repository's name, as we make them.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    /// Somebody else's.
    Foreign,
    /// Below our prefix, and not made by our rules.
    Odd,
    /// Bytes of a placement, in this shard; or, without one, what refers to its artifacts.
    Of { placement: i64, prefix: &'a str, shard: Option<u8> },
}

impl Walk<'_> {
    pub(super) async fn catalog(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let last: String = self.place()?.unwrap_or_default();
            let mut found = Found::new(context);
            let Ok((names, more)) = context.ask(async || context.store.catalog(&last, PAGE).await).await? else {
                found.tally.passed_over("the list of repositories, which the registry does not give");
                return self.passed(json!(last), &found.tally).await;
            };
            // A registry that pays no heed to where the page begins would have us go round for ever.
            let Some(end) = names.last().filter(|name| **name != last) else { return Ok(()) };
            for name in &names {
                context.catalogued(name, &mut found).await?;
            }
            found.tally.looked_at(Phase::Catalog, names.len() as u64);
            self.passed(json!(end), &found.tally).await?;
            if !more {
                return Ok(());
            }
        }
    }
}

impl Context {
    async fn catalogued(&self, name: &str, found: &mut Found<'_>) -> Result<()> {
        let detail = match parse(name, &self.prefix) {
            Named::Foreign => return Ok(()),
            Named::Odd => "It lies where the bytes of objects are, and is none of the sidecar's.".to_owned(),
            Named::Of { placement, prefix, shard } => {
                if self.index.fsck_knows_repository(placement, prefix, shard).await? {
                    return Ok(());
                }
                if placement <= self.index.fsck_last_placement().await? {
                    found
                        .tally
                        .passed_over("repositories of buckets that were deleted, which no API empties or deletes");
                    return Ok(());
                }
                "This index never made it: was the database restored from an older copy?".to_owned()
            }
        };
        found.report(&Finding::new(Kind::UnknownRepository, detail).at(name));
        Ok(())
    }
}

/// Reads a name (migration 0001, `repositories`; migration 0016, `referrer_repository`).
fn parse<'a>(name: &'a str, prefix: &'a str) -> Named<'a> {
    let (below, is_bytes) = match name.strip_prefix("zas/referrers/") {
        Some(rest) => (rest, false),
        None => (name, true),
    };
    let Some(rest) = below.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) else { return Named::Foreign };
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    if !is_bytes {
        return match number(rest) {
            Some(placement) => Named::Of { placement, prefix, shard: None },
            None => Named::Odd,
        };
    }
    let shard = |text: &str| u8::from_str_radix(text, 16).ok().filter(|shard| format!("{shard:02x}") == text);
    match rest.split_once('/').map(|(placement, part)| (number(placement), shard(part))) {
        Some((Some(placement), Some(shard))) => Named::Of { placement, prefix, shard: Some(shard) },
        _ => Named::Odd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_read_and_others_are_not_taken_for_them() {
        let of = |placement, shard| Named::Of { placement, prefix: "s3", shard };
        assert_eq!(parse("s3/12/0a", "s3"), of(12, Some(10)));
        assert_eq!(parse("zas/referrers/s3/12", "s3"), of(12, None));
        for foreign in ["team/app", "s30/1/00", "zas/audit", "zas/referrers/other/1", "s3"] {
            assert_eq!(parse(foreign, "s3"), Named::Foreign, "{foreign}");
        }
        for odd in ["s3/1", "s3/1/0", "s3/1/0A", "s3/01/00", "s3/1/00/x", "s3/x/00", "zas/referrers/s3/x"] {
            assert_eq!(parse(odd, "s3"), Named::Odd, "{odd}");
        }
    }
}
