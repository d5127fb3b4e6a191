//! Of several documents that say something of the same matter the newest counts.

use time::OffsetDateTime;

/// Something, and when it was made by its own word.
#[derive(Debug)]
pub(super) struct Dated<T> {
    /// Unset: it does not say, or cannot be read.
    pub(super) at: Option<OffsetDateTime>,
    pub(super) item: T,
}

/// The newest of several, and the others. What was made at the same moment is as new, and what does not say when it was made may be newer than
/// all: whoever asks takes the worst of them.
pub(super) fn newest<T>(all: Vec<Dated<T>>) -> (Vec<T>, Vec<T>) {
    let latest = all.iter().filter_map(|dated| dated.at).max();
    let is_newest = |dated: &Dated<T>| dated.at.is_none() || dated.at == latest;
    let (newest, older): (Vec<_>, Vec<_>) = all.into_iter().partition(is_newest);
    let items = |each: Vec<Dated<T>>| -> Vec<T> { each.into_iter().map(|dated| dated.item).collect() };
    (items(newest), items(older))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn what_is_as_new_counts_too_and_so_does_what_has_no_time() {
        let (old, new) = (datetime!(2026-05-01 0:00 UTC), datetime!(2026-06-01 0:00 UTC));
        let of = |times: &[Option<OffsetDateTime>]| {
            newest(times.iter().enumerate().map(|(item, at)| Dated { at: *at, item }).collect())
        };
        assert_eq!(of(&[Some(old), Some(new)]), (vec![1], vec![0]));
        assert_eq!(of(&[Some(new), Some(old), Some(new)]), (vec![0, 2], vec![1]));
        assert_eq!(of(&[None, Some(old), Some(new)]), (vec![0, 2], vec![1]));
        assert_eq!(of(&[None, None]), (vec![0, 1], vec![]));
        assert_eq!(of(&[]), (vec![], vec![]));
    }
}
