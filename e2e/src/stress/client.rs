//! One client: it asks one thing after the other of any sidecar, as its seed says, and keeps what it was answered.

use std::{collections::HashMap, sync::atomic::Ordering, thread, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    Bucket, DEADLINE, World,
    ask::{Outcome, code, describe, failure, learned, outcome},
    content::{content, etag, is_right},
    record::{Interval, Kind, Record},
    versions::Version,
    xml::{element, elements, unquoted},
};
use crate::{
    linearizability::{Action, Condition, Observation},
    s3::{Answer, Ask, Lost, Session},
};

/// After a request that was not answered as in good times: a server that is away is not asked as fast as it refuses.
const REST: Duration = Duration::from_millis(100);

/// After a change that may yet happen: each of them makes the search harder.
const LONG_REST: Duration = Duration::from_millis(700);

/// Contents that all clients write again and again, so that the same bytes are let go and wanted at once.
const COMMON: u64 = 3;

/// A client, and what it remembers.
pub(super) struct Client<'a> {
    pub(super) world: &'a World,
    pub(super) record: Record,
    pub(super) rng: StdRng,
    sessions: Vec<Session>,
    number: u64,
    contents: u64,
    /// The `ETag` that a key had when this client last looked: what its conditions name.
    seen: HashMap<(String, String), String>,
}

/// A key in a bucket.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) is_versioned: bool,
}

impl Place {
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.bucket, self.key)
    }

    /// What the keys begin with that are met on at the same time.
    fn folder(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(world: &'a World, seed: u64, number: u64) -> Result<Self> {
        let sessions = world.doors.sessions(DEADLINE)?;
        // Clients of one seed differ, and those of the next seed are not this one's neighbours.
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let record = Record::new(world.clock);
        Ok(Self { world, record, rng, sessions, number, contents: 0, seen: HashMap::new() })
    }

    /// Goes on until the world stops; what it has recorded.
    pub(super) fn run(mut self) -> Result<Record> {
        while !self.world.has_stopped() {
            self.step()?;
        }
        Ok(self.record)
    }

    fn step(&mut self) -> Result<()> {
        let place = self.place()?;
        match self.rng.random_range(0..100) {
            0..14 => self.put(&place, Condition::None),
            14..24 => self.put(&place, Condition::Absent),
            24..34 => self.replace(&place),
            34..44 => self.delete(&place),
            44..54 => self.multipart(&place),
            54..58 => self.abort_an_offered_upload(),
            58..67 => self.copy(&place),
            67..80 => self.get(&place),
            80..86 => self.head(&place),
            86..93 => self.list(&place),
            93..96 => self.list_a_part(&place),
            _ => self.get_a_version(),
        }
    }

    fn place(&mut self) -> Result<Place> {
        let Bucket { name, is_versioned } = any(&mut self.rng, &self.world.buckets)?.clone();
        let key = any(&mut self.rng, self.world.keys_of_now())?.clone();
        Ok(Place { bucket: name, key, is_versioned })
    }

    /// New bytes that nobody has written, or, seldom, some that everybody writes.
    pub(super) fn bytes(&mut self, size: usize) -> Bytes {
        if self.rng.random_bool(0.1) {
            return content(self.rng.random_range(0..COMMON), 64);
        }
        self.contents += 1;
        content(((self.number + 1) << 40) | self.contents, size)
    }

    fn put(&mut self, place: &Place, condition: Condition) -> Result<()> {
        // A few are larger than what is held in memory, and stream.
        let size = match self.rng.random_range(0..100) {
            0 => 9_000_000,
            1..10 => self.rng.random_range(100_000..400_000),
            _ => self.rng.random_range(16..4000),
        };
        let body = self.bytes(size);
        let action = Action::Write(etag(&body), condition);
        self.change(place, &Ask { method: Method::PUT, body, ..Ask::default() }, action)
    }

    fn replace(&mut self, place: &Place) -> Result<()> {
        match self.known(place) {
            Some(etag) => self.put(place, Condition::Is(etag)),
            None => self.head(place),
        }
    }

    fn delete(&mut self, place: &Place) -> Result<()> {
        let known = self.known(place).filter(|_| self.rng.random_bool(0.5));
        let condition = known.map_or(Condition::None, Condition::Is);
        self.change(place, &Ask { method: Method::DELETE, ..Ask::default() }, Action::Delete(condition))
    }

    fn copy(&mut self, place: &Place) -> Result<()> {
        let source = self.place()?;
        if source.path() == place.path() {
            return self.get(place);
        }
        let Some(known) = self.known(&source) else { return self.head(&source) };
        let (path, from, quoted) = (place.path(), source.path(), format!("\"{known}\""));
        let headers = vec![("x-amz-copy-source", from.as_str()), ("x-amz-copy-source-if-match", quoted.as_str())];
        let ask = Ask { method: Method::PUT, path: &path, headers, ..Ask::default() };
        // What the source must hold is asked as of a condition, and what is written is known even where no answer comes.
        let asked = Action::Write(known.clone(), Condition::Is(known.clone()));
        let (answer, interval, note) = self.send(&ask)?;
        let outcome = outcome(&answer, &asked);
        let written = Action::Write(known.clone(), Condition::None);
        let mut look = |seen: Observation| {
            self.record.add(&source.bucket, &source.key, Action::Observe(seen), interval, &note);
        };
        match &outcome {
            Outcome::Done => {
                look(Observation::Is(known));
                self.record.succeed(Kind::Copy);
            }
            Outcome::Refused(seen) => {
                look(seen.clone());
                self.forget(&source);
                return Ok(());
            }
            _ => {}
        }
        self.conclude(place, written, outcome, &answer, interval, &note);
        Ok(())
    }

    /// Asks for a change of a place under its condition and keeps what came of it.
    fn change(&mut self, place: &Place, ask: &Ask<'_>, action: Action) -> Result<()> {
        let path = place.path();
        let condition = header_of(&action);
        let headers = condition.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ask = Ask { method: ask.method.clone(), path: &path, headers, body: ask.body.clone(), ..Ask::default() };
        let (answer, interval, note) = self.send(&ask)?;
        let outcome = outcome(&answer, &action);
        if outcome == Outcome::Done {
            self.record.succeed(Kind::of(&action));
        }
        self.conclude(place, action, outcome, &answer, interval, &note);
        Ok(())
    }

    /// Keeps what came of a change.
    pub(super) fn conclude(
        &mut self,
        place: &Place,
        action: Action,
        outcome: Outcome,
        answer: &Result<Answer, Lost>,
        interval: Interval,
        note: &str,
    ) {
        let (action, interval) = match outcome {
            Outcome::Done => {
                self.remember(place, &action, answer, interval);
                (action, interval)
            }
            Outcome::Refused(seen) => {
                self.forget(place);
                (Action::Observe(seen), interval)
            }
            Outcome::Unknown => {
                thread::sleep(LONG_REST);
                (action, Interval { returned: None, ..interval })
            }
            Outcome::NotDone => {
                thread::sleep(REST);
                return;
            }
            Outcome::Wrong(said) => {
                self.record.complain(format!("{}: {action:?}: {said} ({note})", place.path()));
                // It may have been done all the same.
                (action, Interval { returned: None, ..interval })
            }
        };
        self.record.add(&place.bucket, &place.key, action, interval, note);
    }

    /// Keeps what a change that was done has made.
    fn remember(&mut self, place: &Place, action: &Action, answer: &Result<Answer, Lost>, interval: Interval) {
        let Action::Write(etag, _) = action else { return self.forget(place) };
        self.seen.insert((place.bucket.clone(), place.key.clone()), etag.clone());
        let Ok(answer) = answer else { return };
        let text = String::from_utf8_lossy(&answer.body);
        let told = header(answer, "etag").or_else(|| element(&text, "ETag")).map(|told| unquoted(&told));
        if told.as_ref() != Some(etag) {
            self.record.complain(format!("{}: the answer to a write of {etag} says {told:?}", place.path()));
        }
        match (header(answer, "x-amz-version-id"), interval.returned) {
            (Some(id), Some(returned)) if place.is_versioned => self.record.versions.push(Version {
                bucket: place.bucket.clone(),
                key: place.key.clone(),
                etag: etag.clone(),
                id,
                invoked: interval.invoked,
                returned,
            }),
            (None, _) if place.is_versioned => {
                self.record.complain(format!("{}: a write in a versioned bucket has no version", place.path()));
            }
            _ => {}
        }
    }

    fn get(&mut self, place: &Place) -> Result<()> {
        let path = place.path();
        let (answer, interval, note) = self.send(&Ask { path: &path, ..Ask::default() })?;
        self.look(place, &answer, interval, &note);
        if let Ok(answer) = &answer
            && answer.status == StatusCode::OK
            && let Some(etag) = header(answer, "etag").map(|etag| unquoted(&etag))
            && !is_right(&answer.body, &etag)
        {
            let size = answer.body.len();
            self.record.complain(format!("{path}: {size} bytes that are not those of its ETag {etag} ({note})"));
        }
        Ok(())
    }

    fn head(&mut self, place: &Place) -> Result<()> {
        let path = place.path();
        let (answer, interval, note) = self.send(&Ask { method: Method::HEAD, path: &path, ..Ask::default() })?;
        self.look(place, &answer, interval, &note);
        Ok(())
    }

    /// Keeps what a GET or HEAD has seen.
    fn look(&mut self, place: &Place, answer: &Result<Answer, Lost>, interval: Interval, note: &str) {
        let answer = match learned(answer) {
            Ok(Some(answer)) => answer,
            Ok(None) => return thread::sleep(REST),
            Err(said) => return self.record.complain(format!("{}: {said} ({note})", place.path())),
        };
        let etag = header(answer, "etag").map(|etag| unquoted(&etag));
        let seen = match (answer.status, etag) {
            // A HEAD has no body to say what is not there; the bucket is.
            (StatusCode::NOT_FOUND, _) if code(answer).is_none_or(|code| code == "NoSuchKey") => Observation::Absent,
            (StatusCode::OK, Some(etag)) => Observation::Is(etag),
            _ => return self.record.complain(format!("{}: {} ({note})", place.path(), describe(answer))),
        };
        match &seen {
            Observation::Is(etag) => {
                drop(self.seen.insert((place.bucket.clone(), place.key.clone()), etag.clone()));
            }
            _ => self.forget(place),
        }
        self.record.add(&place.bucket, &place.key, Action::Observe(seen), interval, note);
    }

    fn list(&mut self, place: &Place) -> Result<()> {
        self.list_after(place, None)
    }

    /// A listing that begins after some key and ends early.
    fn list_a_part(&mut self, place: &Place) -> Result<()> {
        let limit = self.rng.random_range(1..4);
        self.list_after(place, Some(limit))
    }

    fn list_after(&mut self, place: &Place, limit: Option<u32>) -> Result<()> {
        let path = format!("/{}", place.bucket);
        let most = limit.unwrap_or(1000).to_string();
        let mut query = vec![("list-type", "2"), ("max-keys", most.as_str()), ("prefix", place.folder())];
        let after = limit.map(|_| place.key.as_str());
        query.extend(after.map(|after| ("start-after", after)));
        let (answer, interval, note) = self.send(&Ask { path: &path, query, ..Ask::default() })?;
        match learned(&answer) {
            Ok(Some(answer)) if answer.status == StatusCode::OK => {
                let text = String::from_utf8_lossy(&answer.body);
                self.keep_listing(place, after, &text, interval, &note);
            }
            Ok(Some(answer)) => self.record.complain(format!("{path}: {} ({note})", describe(answer))),
            Ok(None) => thread::sleep(REST),
            Err(said) => self.record.complain(format!("{path}: {said} ({note})")),
        }
        Ok(())
    }

    /// A listing looks at every key between where it begins and where it ends, also at those that it does not show.
    fn keep_listing(&mut self, place: &Place, after: Option<&str>, text: &str, interval: Interval, note: &str) {
        let entries = elements(text, "Contents")
            .into_iter()
            .filter_map(|entry| Some((element(entry, "Key")?, unquoted(&element(entry, "ETag")?))));
        let entries: Vec<(String, String)> = entries.collect();
        let is_truncated = element(text, "IsTruncated").is_some_and(|text| text == "true");
        let last = entries.last().map(|(key, _)| key.clone()).filter(|_| is_truncated);
        let mut shown: HashMap<String, String> = entries.into_iter().collect();
        for key in self.world.keys.iter().filter(|key| key.starts_with(place.folder())) {
            let is_looked_at =
                after.is_none_or(|after| key.as_str() > after) && last.as_ref().is_none_or(|last| key <= last);
            if is_looked_at {
                let seen = shown.remove(key).map_or(Observation::Absent, Observation::Is);
                self.record.add(&place.bucket, key, Action::Observe(seen), interval, note);
            }
        }
        if !shown.is_empty() {
            self.record.complain(format!("/{}: lists what was not asked for: {shown:?} ({note})", place.bucket));
        }
    }

    /// A version that was acknowledged stays what it is, whatever comes after it.
    fn get_a_version(&mut self) -> Result<()> {
        if self.record.versions.is_empty() {
            return Ok(());
        }
        let Version { bucket, key, etag, id, .. } = any(&mut self.rng, &self.record.versions)?.clone();
        let path = format!("/{bucket}/{key}");
        let ask = Ask { path: &path, query: vec![("versionId", id.as_str())], ..Ask::default() };
        let (answer, _, note) = self.send(&ask)?;
        match learned(&answer) {
            Ok(None) => thread::sleep(REST),
            Ok(Some(answer)) if answer.status == StatusCode::OK && is_right(&answer.body, &etag) => {}
            Ok(Some(answer)) => {
                let said = format!("{path}?versionId={id}: {}, not the bytes of {etag} ({note})", answer.status);
                self.record.complain(said);
            }
            Err(said) => self.record.complain(format!("{path}?versionId={id}: {said} ({note})")),
        }
        Ok(())
    }

    /// Sends to any sidecar: the answer, when, and a note for whoever reads a violation.
    pub(super) fn send(&mut self, ask: &Ask<'_>) -> Result<(Result<Answer, Lost>, Interval, String)> {
        let door = self.rng.random_range(0..self.sessions.len().max(1));
        let session = self.sessions.get(door).context("no sidecar")?;
        let invoked = self.record.now();
        let answer = session.send(ask);
        let returned = Some(self.record.now());
        let said = match &answer {
            Ok(answer) => answer.status.as_u16().to_string(),
            Err(lost) => lost.to_string(),
        };
        let kind =
            if ask.headers.iter().any(|(name, _)| *name == "x-amz-copy-source") { "COPY" } else { ask.method.as_str() };
        let note = format!("client {} at sidecar {}: {kind} {}: {said}", self.number, door + 1, ask.path);
        let status =
            answer.as_ref().map_or_else(|_| "no answer".to_owned(), |answer| answer.status.as_u16().to_string());
        self.record.count(&format!("{kind} {status}"));
        // Nothing is an excuse where nothing is killed.
        if let Some(said) = failure(&answer).filter(|_| self.world.is_undisturbed) {
            self.record.complain(format!("nothing was killed: {said} ({note})"));
        }
        Ok((answer, Interval { invoked, returned }, note))
    }

    /// The content that a place had when this client last looked.
    pub(super) fn known(&self, place: &Place) -> Option<String> {
        self.seen.get(&(place.bucket.clone(), place.key.clone())).cloned()
    }

    fn forget(&mut self, place: &Place) {
        self.seen.remove(&(place.bucket.clone(), place.key.clone()));
    }

    /// Looks at everything once: what `rest.rs` does when nobody writes any more.
    pub(super) fn look_at_everything(&mut self) -> Result<()> {
        debug_assert!(self.world.stop.load(Ordering::Relaxed), "only at rest");
        let buckets = self.world.buckets.clone();
        for Bucket { name, is_versioned } in buckets {
            let mut place = Place { bucket: name, key: String::new(), is_versioned };
            for keys in self.world.keys.chunks(self.world.keys_at_a_time.max(1)) {
                for key in keys {
                    place.key.clone_from(key);
                    self.get(&place)?;
                    self.head(&place)?;
                }
                self.list(&place)?;
            }
        }
        Ok(())
    }
}

/// The header that says the condition of a change.
pub(super) fn header_of(action: &Action) -> Option<(&'static str, String)> {
    match action {
        Action::Write(_, Condition::Absent) | Action::Delete(Condition::Absent) => {
            Some(("if-none-match", "*".to_owned()))
        }
        Action::Write(_, Condition::Is(etag)) | Action::Delete(Condition::Is(etag)) => {
            Some(("if-match", format!("\"{etag}\"")))
        }
        _ => None,
    }
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn any<'a, T>(rng: &mut StdRng, items: &'a [T]) -> Result<&'a T> {
    let place = rng.random_range(0..items.len().max(1));
    items.get(place).context("there is nothing to choose from")
}
