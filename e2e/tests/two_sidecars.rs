//! Two sidecars on one Postgres and one registry: of many who ask for one conditional change at once, through both, exactly one gets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are tests too: they fail by panicking"
)]

use std::{collections::BTreeSet, sync::Barrier, thread, time::Duration};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use zas_e2e::{
    harness::{Cluster, Failure, Tour, Upstream, Zot},
    s3::{Answer, Ask, S3, Session},
};

const WRITERS: usize = 16;
const ROUNDS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

const ENABLED: &str = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";

/// A change that each writer asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Put,
    Complete,
    Delete,
}

struct World {
    doors: Vec<S3>,
}

impl World {
    fn session(&self, number: usize) -> Session {
        self.doors[number % self.doors.len()].session(DEADLINE).unwrap()
    }

    fn send(&self, ask: &Ask<'_>) -> Answer {
        self.session(0).send(ask).unwrap()
    }

    fn bucket(&self, name: &str, is_versioned: bool) -> Result<()> {
        let path = format!("/{name}");
        let made = self.send(&Ask { method: Method::PUT, path: &path, ..Ask::default() });
        ensure!(made.status == StatusCode::OK, "{made:?}");
        if is_versioned {
            let (query, body) = (vec![("versioning", "")], Bytes::from_static(ENABLED.as_bytes()));
            let enabled = self.send(&Ask { method: Method::PUT, path: &path, query, body, ..Ask::default() });
            ensure!(enabled.status == StatusCode::OK, "{enabled:?}");
        }
        Ok(())
    }

    /// The `ETag` of what is put now, in its quotes.
    fn put(&self, path: &str, body: &str) -> String {
        let put = self.send(&Ask { method: Method::PUT, path, body: body.to_owned().into(), ..Ask::default() });
        assert_eq!(put.status, StatusCode::OK, "{put:?}");
        put.headers["etag"].to_str().unwrap().to_owned()
    }

    /// An upload of one part, ready to be completed: its id and the body that completes it.
    fn upload(&self, path: &str, content: &str) -> (String, String) {
        let begun = self.send(&Ask { method: Method::POST, path, query: vec![("uploads", "")], ..Ask::default() });
        let text = String::from_utf8(begun.body.to_vec()).unwrap();
        let (_, rest) = text.split_once("<UploadId>").unwrap();
        let upload = rest.split_once("</UploadId>").unwrap().0.to_owned();
        let query = vec![("partNumber", "1"), ("uploadId", upload.as_str())];
        let body = content.to_owned().into();
        let part = self.send(&Ask { method: Method::PUT, path, query, body, ..Ask::default() });
        let etag = part.headers["etag"].to_str().unwrap();
        let document = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        (upload, document)
    }

    /// What each writer is answered who asks for the change under the condition, all at once.
    fn all_at_once(&self, path: &str, change: Change, condition: (&str, &str)) -> Vec<Answer> {
        let prepared: Vec<_> = (0..WRITERS)
            .map(|number| {
                let upload = (change == Change::Complete).then(|| self.upload(path, &content(number)));
                (self.session(number), content(number), upload.unwrap_or_default())
            })
            .collect();
        let barrier = Barrier::new(WRITERS);
        let write = |session: Session, content: String, (upload, document): (String, String)| {
            // The connection is there before the race begins.
            let _ = session.send(&Ask { method: Method::HEAD, path, ..Ask::default() });
            let headers = vec![condition];
            let ask = match change {
                Change::Put => Ask { method: Method::PUT, path, headers, body: content.into(), ..Ask::default() },
                Change::Delete => Ask { method: Method::DELETE, path, headers, ..Ask::default() },
                Change::Complete => {
                    let query = vec![("uploadId", upload.as_str())];
                    Ask { method: Method::POST, path, query, headers, body: document.into() }
                }
            };
            barrier.wait();
            session.send(&ask).unwrap()
        };
        thread::scope(|scope| {
            let write = &write;
            let writers: Vec<_> = prepared
                .into_iter()
                .map(|(session, content, upload)| scope.spawn(move || write(session, content, upload)))
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    }
}

fn content(number: usize) -> String {
    format!("content of writer {number}")
}

fn has_won(answer: &Answer) -> bool {
    answer.status.is_success() && !String::from_utf8_lossy(&answer.body).contains("<Error>")
}

/// One answer is a success, and the others say that the condition did not hold.
fn ensure_one_wins(answers: &[Answer], change: Change) -> Result<usize> {
    let winners: Vec<_> = (0..answers.len()).filter(|number| has_won(&answers[*number])).collect();
    ensure!(winners.len() == 1, "{} winners of {change:?}: {answers:?}", winners.len());
    for lost in answers.iter().filter(|answer| !has_won(answer)) {
        let text = String::from_utf8_lossy(&lost.body);
        let is_gone = change == Change::Delete && text.contains("<Code>NoSuchKey</Code>");
        let is_refused = text.contains("<Code>PreconditionFailed</Code>")
            || text.contains("<Code>ConditionalRequestConflict</Code>");
        ensure!(is_gone || is_refused, "a loser of {change:?} was answered {lost:?}");
    }
    Ok(winners[0])
}

/// Each round is on another key; `existing` says whether it holds something at first.
fn of_many_exactly_one_wins(world: &World, bucket: &str, change: Change, existing: bool) -> Result<()> {
    for round in 0..ROUNDS {
        let path = format!("/{bucket}/{change:?}-{existing}-{round}");
        let old = existing.then(|| world.put(&path, "old"));
        let condition = old.as_ref().map_or(("if-none-match", "*"), |etag| ("if-match", etag.as_str()));
        let winner = ensure_one_wins(&world.all_at_once(&path, change, condition), change)?;
        let mut seen = BTreeSet::new();
        for number in 0..world.doors.len() {
            let got = world.session(number).send(&Ask { path: &path, ..Ask::default() })?;
            seen.insert((got.status.as_u16(), if got.status == StatusCode::OK { got.body } else { Bytes::new() }));
        }
        let expected = match change {
            Change::Delete => (404, Bytes::new()),
            Change::Put | Change::Complete => (200, Bytes::from(content(winner))),
        };
        ensure!(seen == BTreeSet::from([expected]), "{path}: {seen:?} after writer {winner} has won");
    }
    Ok(())
}

#[test]
fn of_many_conditional_changes_at_once_through_two_sidecars_exactly_one_wins() -> Result<(), Failure> {
    let upstream = Zot::binary().map_or(Upstream::Embedded, Upstream::Zot);
    let cluster = Cluster::start(&upstream, 2)?;
    let world = World { doors: cluster.endpoints().iter().map(S3::new).collect() };
    let mut tour = Tour::new("of many conditional changes at once exactly one wins");
    for (bucket, is_versioned) in [("without-versions", false), ("with-versions", true)] {
        tour.step(&format!("{bucket} is made"), || world.bucket(bucket, is_versioned));
        for (change, existing) in [
            (Change::Put, false),
            (Change::Put, true),
            (Change::Complete, false),
            (Change::Complete, true),
            (Change::Delete, true),
        ] {
            let condition = if existing { "If-Match" } else { "If-None-Match: *" };
            tour.step(&format!("{bucket}: exactly one {change:?} of many wins by {condition}"), || {
                of_many_exactly_one_wins(&world, bucket, change, existing)
            });
        }
    }
    tour.finish()?;
    Ok(())
}
