//! One pass over a bucket: page by page, what is due goes.

use metrics::counter;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zas_policy::{Action, Resource};

use super::{LifecycleWorker, TASK, batch, lease, pause};
use crate::audit::Record;
use crate::bucket_configuration::Lifecycle;
use crate::bucket_configuration::lifecycle::{Due, Expiration, Rule, Subject};
use crate::error::{Code, Error, Result};
use crate::index::{
    DeleteBy, DeleteCause, Deleted, Deletion, LifecycleCounts, LifecyclePass, LifecyclePlace, LifecycleStage,
    LifecycleUpload, LifecycleVersion,
};
use crate::telemetry::names;

/// How a pass has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has looked at everything.
    Ended,
    /// It was asked to stop.
    Stopped,
    /// The bucket has other rules now, or somebody else has taken over.
    Lost,
}

/// What is done about a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// The key's current version goes, or is hidden where the bucket keeps versions.
    Expire,
    /// An older version goes.
    RemoveVersion,
    /// A delete marker goes that hides nothing.
    RemoveMarker,
}

impl Act {
    const fn action(self) -> Action {
        match self {
            Self::Expire => Action::DeleteObject,
            Self::RemoveVersion | Self::RemoveMarker => Action::DeleteObjectVersion,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Expire => "expire_object",
            Self::RemoveVersion => "remove_version",
            Self::RemoveMarker => "remove_marker",
        }
    }
}

/// A version whose time has come.
struct Doomed<'a> {
    version: &'a LifecycleVersion,
    act: Act,
    due: Due<'a>,
}

impl<'a> Doomed<'a> {
    /// It goes if it is yet what the rule was held against: the same version, current or not, with its tags where they were asked for.
    fn deletion(&self) -> Deletion<'a> {
        let Self { version, act, due } = self;
        let (named, only_latest) = match act {
            // What goes without being named is the current version.
            Act::Expire => (None, None),
            Act::RemoveVersion => (Some(version.version_id.as_str()), Some(false)),
            Act::RemoveMarker => (Some(version.version_id.as_str()), Some(true)),
        };
        let only_tags = due.by_tags.then_some(&version.tags);
        Deletion { version: named, only_row: Some(version.id), only_latest, only_tags, ..Deletion::of(&version.key) }
    }

    /// A current version that is hidden stays, locked or not.
    fn is_locked(&self) -> bool {
        self.version.is_locked && self.act != Act::Expire
    }
}

impl LifecycleWorker {
    /// Goes over what is left of a bucket.
    ///
    /// # Errors
    /// `IndexUnavailable`, `NoSuchBucket` where it went meanwhile; `InternalError` where its rules cannot be read.
    pub(super) async fn carry_out(&self, pass: &mut LifecyclePass, stop: &CancellationToken) -> Result<Outcome> {
        let rules: Lifecycle = serde_json::from_value(pass.document.clone()).map_err(Error::internal)?;
        let first = pass.place.stage;
        for stage in LifecycleStage::ALL.into_iter().skip_while(|stage| *stage != first) {
            if stage != first {
                pass.place = LifecyclePlace { stage, key: String::new(), id: String::new() };
            }
            for prefix in rules.prefixes(|rule| concerns(rule, stage)) {
                if pass.place.key.as_str() > prefix && !pass.place.key.starts_with(prefix) {
                    continue;
                }
                if let Some(outcome) = self.go_over(pass, &rules, prefix, stop).await? {
                    return Ok(outcome);
                }
            }
        }
        Ok(Outcome::Ended)
    }

    /// Goes over keys that begin with `prefix`; what has ended the pass, if anything has.
    async fn go_over(
        &self,
        pass: &mut LifecyclePass,
        rules: &Lifecycle,
        prefix: &str,
        stop: &CancellationToken,
    ) -> Result<Option<Outcome>> {
        let config = &self.0.config.lifecycle;
        loop {
            if stop.is_cancelled() {
                return Ok(Some(Outcome::Stopped));
            }
            let begun = Instant::now();
            let mut done = LifecycleCounts::default();
            let page = match pass.place.stage {
                LifecycleStage::Uploads => self.uploads(pass, rules, prefix, &mut done).await,
                LifecycleStage::Versions | LifecycleStage::Objects => {
                    self.versions(pass, rules, prefix, &mut done).await
                }
            };
            let place = match page {
                Ok(Page::Empty) => return Ok(None),
                Ok(Page::Lost) => return Ok(Some(Outcome::Lost)),
                Ok(Page::Done(place)) => place,
                Err(error) => {
                    self.keep(pass, done).await;
                    return Err(error);
                }
            };
            if !self.0.index.advance_lifecycle(pass, &place, done, lease(config)).await? {
                return Ok(Some(Outcome::Lost));
            }
            pass.place = place;
            let deleted = done.objects + done.versions + done.markers + done.uploads;
            tokio::select! {
                () = tokio::time::sleep_until(begun + pause(config, done.looked, deleted)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Notes what was done of a page that was interrupted: the page comes again, and what has gone does not.
    async fn keep(&self, pass: &LifecyclePass, done: LifecycleCounts) {
        let done = LifecycleCounts { looked: 0, ..done };
        if done == LifecycleCounts::default() {
            return;
        }
        let lease = lease(&self.0.config.lifecycle);
        if let Err(error) = self.0.index.advance_lifecycle(pass, &pass.place, done, lease).await {
            tracing::debug!(bucket = pass.bucket, ?done, "a pass could not note what it has done: {}", error.for_log());
        }
    }

    async fn versions(
        &self,
        pass: &LifecyclePass,
        rules: &Lifecycle,
        prefix: &str,
        done: &mut LifecycleCounts,
    ) -> Result<Page> {
        let (index, limit) = (&self.0.index, batch(&self.0.config.lifecycle));
        let found = match pass.place.stage {
            LifecycleStage::Versions => index.lifecycle_versions(pass, prefix, limit, rules.most_kept()).await?,
            _ => index.lifecycle_objects(pass, prefix, limit).await?,
        };
        let Some(last) = found.last() else { return Ok(Page::Empty) };
        let place = LifecyclePlace { stage: pass.place.stage, key: last.key.clone(), id: last.id.to_string() };
        done.looked = found.len() as u64;
        let doomed = found.iter().filter_map(|version| doomed(rules, version, pass));
        let (locked, doomed): (Vec<_>, Vec<_>) = doomed.partition(Doomed::is_locked);
        if !doomed.is_empty() {
            if !self.is_held(pass).await? {
                return Ok(Page::Lost);
            }
            self.delete(pass, &doomed, done).await?;
        }
        // Last, for they are there again where the page comes again.
        for _ in locked {
            self.count_locked(done);
        }
        Ok(Page::Done(place))
    }

    async fn delete(&self, pass: &LifecyclePass, doomed: &[Doomed<'_>], done: &mut LifecycleCounts) -> Result<()> {
        let records: Vec<Record> = doomed.iter().filter_map(|doomed| self.record(pass, doomed)).collect();
        let wanted: Vec<Deletion<'_>> = doomed.iter().map(Doomed::deletion).collect();
        let owner = format!("user/system/{TASK}");
        let by = DeleteBy { cause: DeleteCause::Lifecycle, owner: &owner, grace: self.0.config.blobs.sweep_grace };
        let outcomes = self.0.index.delete_versions(&pass.bucket, &wanted, by, &records).await?;
        // Each of them is counted, whatever became of those before it.
        let mut all = Ok(());
        for (doomed, outcome) in doomed.iter().zip(outcomes) {
            all = all.and(self.count(doomed.act, outcome, done));
        }
        all
    }

    fn count(&self, act: Act, outcome: Result<Deleted>, done: &mut LifecycleCounts) -> Result<()> {
        match outcome {
            Ok(_) => {
                counter!(names::LIFECYCLE_ACTIONS, "action" => act.label()).increment(1);
                let count = match act {
                    Act::Expire => &mut done.objects,
                    Act::RemoveVersion => &mut done.versions,
                    Act::RemoveMarker => &mut done.markers,
                };
                *count += 1;
            }
            Err(error) if error.code() == Code::AccessDenied => self.count_locked(done),
            // Replaced or gone since it was looked at.
            Err(error) if error.code() == Code::OperationAborted || error.code().is_nothing_there() => done.spared += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn count_locked(&self, done: &mut LifecycleCounts) {
        counter!(names::LIFECYCLE_ACTIONS, "action" => "skip_locked").increment(1);
        done.locked += 1;
    }

    fn record(&self, pass: &LifecyclePass, doomed: &Doomed<'_>) -> Option<Record> {
        let resource = Resource::object(&*pass.bucket, &*doomed.version.key);
        let permit = self.0.authority.itself(TASK, doomed.act.action(), resource);
        let rule = by_rule(doomed.due.rule);
        permit.record().map(|record| match doomed.act {
            Act::Expire => record.note(rule),
            Act::RemoveVersion => record.note(format!("{rule}; the version {}", doomed.version.version_id)),
            Act::RemoveMarker => record.note(format!("{rule}; the delete marker {}", doomed.version.version_id)),
        })
    }

    async fn uploads(
        &self,
        pass: &LifecyclePass,
        rules: &Lifecycle,
        prefix: &str,
        done: &mut LifecycleCounts,
    ) -> Result<Page> {
        let found = self.0.index.lifecycle_uploads(pass, prefix, batch(&self.0.config.lifecycle)).await?;
        let Some(last) = found.last() else { return Ok(Page::Empty) };
        let place = LifecyclePlace { stage: pass.place.stage, key: last.key.clone(), id: last.id.clone() };
        done.looked = found.len() as u64;
        let due = found.iter().filter_map(|upload| {
            let due = rules.abort(&upload.key, upload.initiated_at).filter(|due| due.at <= pass.now)?;
            Some((upload, due.rule))
        });
        let due: Vec<(&LifecycleUpload, &str)> = due.collect();
        if !due.is_empty() && !self.is_held(pass).await? {
            return Ok(Page::Lost);
        }
        for (upload, rule) in due {
            match self.abort(pass, upload, rule).await {
                Ok(()) => done.uploads += 1,
                Err(error) if error.code() == Code::NoSuchUpload => done.spared += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(Page::Done(place))
    }

    async fn abort(&self, pass: &LifecyclePass, upload: &LifecycleUpload, rule: &str) -> Result<()> {
        let (bucket, key, grace) = (&*pass.bucket, &*upload.key, self.0.config.blobs.sweep_grace);
        let resource = Resource::object(bucket, key);
        let record = self.0.authority.itself(TASK, Action::AbortMultipartUpload, resource).record();
        let record = record.map(|record| record.note(format!("{}; the upload {}", by_rule(rule), upload.id)));
        self.0.index.abort_upload(bucket, key, &upload.id, grace, record.as_slice()).await?;
        counter!(names::LIFECYCLE_ACTIONS, "action" => "abort_upload").increment(1);
        Ok(())
    }

    /// Whether the pass still goes by the rules that the bucket has. Asked just before something is deleted.
    async fn is_held(&self, pass: &LifecyclePass) -> Result<bool> {
        let (nothing, lease) = (LifecycleCounts::default(), lease(&self.0.config.lifecycle));
        self.0.index.advance_lifecycle(pass, &pass.place, nothing, lease).await
    }
}

/// What became of a page.
enum Page {
    /// There was nothing on it.
    Empty,
    /// The pass is somebody else's.
    Lost,
    /// How far it went.
    Done(LifecyclePlace),
}

fn by_rule(rule: &str) -> String {
    format!("by the lifecycle rule {rule}")
}

/// Whether a rule may have something to say at a stage.
const fn concerns(rule: &Rule, stage: LifecycleStage) -> bool {
    match stage {
        LifecycleStage::Versions => rule.noncurrent.is_some(),
        LifecycleStage::Objects => !matches!(rule.expiration, None | Some(Expiration::DeleteMarker(false))),
        LifecycleStage::Uploads => rule.abort_days.is_some(),
    }
}

/// What is to be done about a version now, and by which rule.
fn doomed<'a>(rules: &'a Lifecycle, version: &'a LifecycleVersion, pass: &LifecyclePass) -> Option<Doomed<'a>> {
    let key = version.key.as_str();
    let subject = Subject { key, size: version.size, tags: &version.tags };
    let (act, due) = match (pass.place.stage, version.is_delete_marker) {
        (LifecycleStage::Versions, is_marker) => {
            let subject = (!is_marker).then_some(subject);
            (Act::RemoveVersion, rules.noncurrent_expiry(key, subject, version.since, version.others))
        }
        (_, false) => (Act::Expire, rules.expiry(subject, version.since)),
        (_, true) if version.others == 0 => (Act::RemoveMarker, rules.marker_expiry(key, version.since)),
        (_, true) => return None,
    };
    let due = due.filter(|due| due.at <= pass.now)?;
    Some(Doomed { version, act, due })
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::index::Tags;

    fn version() -> LifecycleVersion {
        LifecycleVersion {
            id: 7,
            key: "k".to_owned(),
            version_id: "v".to_owned(),
            size: 1,
            tags: Tags::from([("a".to_owned(), "1".to_owned())]),
            is_delete_marker: false,
            since: OffsetDateTime::UNIX_EPOCH,
            others: 0,
            is_locked: false,
        }
    }

    fn due(by_tags: bool) -> Due<'static> {
        Due { at: OffsetDateTime::UNIX_EPOCH, rule: "r", by_tags }
    }

    #[test]
    fn what_goes_must_yet_be_current_or_not_as_it_was() {
        let version = version();
        for (act, named, only_latest) in [
            (Act::Expire, None, None),
            (Act::RemoveVersion, Some("v"), Some(false)),
            (Act::RemoveMarker, Some("v"), Some(true)),
        ] {
            let deletion = Doomed { version: &version, act, due: due(false) }.deletion();
            assert_eq!((deletion.version, deletion.only_latest), (named, only_latest), "{act:?}");
            assert_eq!((deletion.key, deletion.only_row, deletion.only_tags), ("k", Some(7), None), "{act:?}");
        }
    }

    #[test]
    fn what_goes_for_its_tags_must_yet_have_them() {
        let version = version();
        for act in [Act::Expire, Act::RemoveVersion] {
            let deletion = Doomed { version: &version, act, due: due(true) }.deletion();
            assert_eq!(deletion.only_tags, Some(&version.tags), "{act:?}");
        }
    }
}
