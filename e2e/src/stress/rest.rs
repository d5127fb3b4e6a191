//! What is found when nobody writes any more and everything runs: every key, through every door, and every version.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;

use super::{
    DEADLINE, World,
    ask::describe,
    client::Client,
    content::is_right,
    record::Record,
    versions::{Listed, Page, complaints},
};
use crate::s3::{Answer, Ask, Session};

/// How long everything may take to answer again after the last fault.
const RECOVERY: Duration = Duration::from_secs(90);

/// Readers of versions.
const READERS: usize = 4;

/// Looks at all that there is and keeps it.
pub(super) fn look(world: &World, record: &mut Record) -> Result<()> {
    let sessions = world.doors.sessions(DEADLINE)?;
    for session in &sessions {
        wait_until_it_answers(world, session)?;
    }
    for number in 0..sessions.len() as u64 {
        let mut reader = Client::new(world, number, u64::MAX >> 32)?;
        reader.look_at_everything()?;
        record.merge(reader.record);
    }
    let session = sessions.first().context("no sidecar")?;
    for bucket in &world.buckets {
        look_at_objects(session, &bucket.name, world, record)?;
        if bucket.is_versioned {
            look_at_versions(world, session, &bucket.name, record)?;
        }
    }
    Ok(())
}

/// No key is answered with an error, as one is whose bytes are gone.
fn look_at_objects(session: &Session, bucket: &str, world: &World, record: &mut Record) -> Result<()> {
    for key in &world.keys {
        let path = format!("/{bucket}/{key}");
        let answer = ask(session, &Ask { path: &path, ..Ask::default() })?;
        if answer.status != StatusCode::NOT_FOUND && answer.status != StatusCode::OK {
            record.complain(format!("{path}: at rest: {}", describe(&answer)));
        }
    }
    Ok(())
}

/// Every version that was acknowledged is listed, and every one that is listed has its bytes.
fn look_at_versions(world: &World, session: &Session, bucket: &str, record: &mut Record) -> Result<()> {
    let listed = list_versions(session, bucket)?;
    complaints(bucket, &listed, &record.versions).into_iter().for_each(|complaint| record.complain(complaint));
    let share = listed.len().div_ceil(READERS).max(1);
    let found = thread::scope(|scope| -> Result<Vec<String>> {
        let readers: Vec<_> =
            listed.chunks(share).map(|share| scope.spawn(move || read_versions(world, bucket, share))).collect();
        let mut found = Vec::new();
        for reader in readers {
            found.extend(reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??);
        }
        Ok(found)
    })?;
    found.into_iter().for_each(|complaint| record.complain(complaint));
    Ok(())
}

fn read_versions(world: &World, bucket: &str, versions: &[Listed]) -> Result<Vec<String>> {
    let sessions = world.doors.sessions(DEADLINE)?;
    let mut found = Vec::new();
    for (Listed { key, id, etag }, session) in versions.iter().zip(sessions.iter().cycle()) {
        let path = format!("/{bucket}/{key}");
        let answer = ask(session, &Ask { path: &path, query: vec![("versionId", id.as_str())], ..Ask::default() })?;
        if answer.status != StatusCode::OK || !is_right(&answer.body, etag) {
            found.push(format!(
                "{path}?versionId={id} is listed and its bytes are not those of {etag}: {}",
                answer.status
            ));
        }
    }
    Ok(found)
}

fn list_versions(session: &Session, bucket: &str) -> Result<Vec<Listed>> {
    let path = format!("/{bucket}");
    let (mut listed, mut next) = (Vec::new(), None::<(String, String)>);
    loop {
        let mut query = vec![("versions", "")];
        if let Some((key, version)) = &next {
            query.extend([("key-marker", key.as_str()), ("version-id-marker", version.as_str())]);
        }
        let answer = ask(session, &Ask { path: &path, query, ..Ask::default() })?;
        let page = Page::parse(&String::from_utf8_lossy(&answer.body));
        let page = page.with_context(|| format!("{path}?versions: {}", describe(&answer)))?;
        ensure!(page.next.is_none() || page.next != next, "{path}?versions: a page whose next page is itself");
        listed.extend(page.versions);
        next = page.next;
        if next.is_none() {
            return Ok(listed);
        }
    }
}

/// At rest there is an answer, at the latest at the third attempt.
fn ask(session: &Session, ask: &Ask<'_>) -> Result<Answer> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match session.send(ask) {
            Ok(answer) if attempts == 3 || !answer.status.is_server_error() => return Ok(answer),
            Err(lost) if attempts == 3 => return Err(lost).with_context(|| format!("{} at rest", ask.path)),
            _ => thread::sleep(Duration::from_secs(1)),
        }
    }
}

/// Breakers close and pools fill again.
fn wait_until_it_answers(world: &World, session: &Session) -> Result<()> {
    let until = Instant::now() + RECOVERY;
    for bucket in &world.buckets {
        for key in world.keys.iter().take(world.keys_at_a_time) {
            let path = format!("/{}/{key}", bucket.name);
            while session.send(&Ask { path: &path, ..Ask::default() }).map_or(true, |got| got.status.is_server_error())
            {
                ensure!(Instant::now() < until, "{path} is still not answered {RECOVERY:?} after the last fault");
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
    Ok(())
}
