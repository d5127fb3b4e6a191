//! Uploads in parts: completed, completed again where no answer came, and aborted by somebody else at the same time.

use std::{sync::PoisonError, thread, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use http::{Method, StatusCode};
use rand::Rng as _;

use super::{
    ask::{Outcome, describe, is_no_such_upload, is_unavailable, learned, outcome},
    client::{Client, Place, header_of},
    content::{PART_BYTES, etag, multipart_etag},
    record::{Interval, Kind},
    xml::element,
};
use crate::{
    linearizability::{Action, Condition},
    s3::{Answer, Ask, Lost},
};

/// How often a completion without an answer is asked for, and how long is waited in between. Completing twice is completing once.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(700);

impl Client<'_> {
    /// Uploads in parts, under any condition.
    pub(super) fn multipart(&mut self, place: &Place) -> Result<()> {
        // Only a last part may be small, so two parts are much.
        let size = if self.rng.random_bool(0.05) { PART_BYTES + 1000 } else { self.rng.random_range(16..4000) };
        let body = self.bytes(size);
        let condition = match (self.rng.random_range(0..4), self.known(place)) {
            (0, _) => Condition::Absent,
            (1, Some(etag)) => Condition::Is(etag),
            _ => Condition::None,
        };
        let Some(upload) = self.create(place)? else { return Ok(()) };
        for (number, part) in (1_u32..).zip(body.chunks(PART_BYTES)) {
            if !self.upload_part(place, &upload, number, body.slice_ref(part))? {
                return Ok(());
            }
        }
        if self.rng.random_bool(0.4) {
            let mut multipart = self.world.multipart.lock().unwrap_or_else(PoisonError::into_inner);
            multipart.ever_offered.insert(upload.clone());
            multipart.offered.push((place.bucket.clone(), place.key.clone(), upload.clone()));
        }
        self.complete(place, &upload, &body, condition)
    }

    fn create(&mut self, place: &Place) -> Result<Option<String>> {
        let path = place.path();
        let ask = Ask { method: Method::POST, path: &path, query: vec![("uploads", "")], ..Ask::default() };
        let (answer, _, note) = self.send(&ask)?;
        let said = match learned(&answer) {
            Ok(None) => return Ok(None),
            Ok(Some(answer)) => match element(&String::from_utf8_lossy(&answer.body), "UploadId") {
                Some(upload) => return Ok(Some(upload)),
                None => describe(answer),
            },
            Err(said) => said,
        };
        self.record.complain(format!("{path}?uploads: {said} ({note})"));
        Ok(None)
    }

    fn upload_part(&mut self, place: &Place, upload: &str, number: u32, body: Bytes) -> Result<bool> {
        let (path, number) = (place.path(), number.to_string());
        let query = vec![("partNumber", number.as_str()), ("uploadId", upload)];
        let (answer, _, note) = self.send(&Ask { method: Method::PUT, path: &path, query, body, ..Ask::default() })?;
        match &answer {
            Ok(answer) if answer.status == StatusCode::OK => return Ok(true),
            Ok(answer) if !is_unavailable(answer) && !self.may_be_gone(upload, answer) => {
                self.record.complain(format!("{path}: part {number} of {upload}: {} ({note})", describe(answer)));
            }
            _ => {}
        }
        Ok(false)
    }

    /// Whether an answer says that an upload is not there, and somebody may have given it up.
    fn may_be_gone(&self, upload: &str, answer: &Answer) -> bool {
        let multipart = self.world.multipart.lock().unwrap_or_else(PoisonError::into_inner);
        is_no_such_upload(answer) && multipart.ever_offered.contains(upload)
    }

    fn complete(&mut self, place: &Place, upload: &str, body: &[u8], condition: Condition) -> Result<()> {
        let action = Action::Write(multipart_etag(body), condition);
        let (answer, interval, note) = self.ask_to_complete(place, upload, body, &action)?;
        let is_gone = answer.as_ref().is_ok_and(|answer| self.may_be_gone(upload, answer));
        let outcome = if is_gone { Outcome::NotDone } else { outcome(&answer, &action) };
        if outcome == Outcome::Done {
            self.record.succeed(Kind::Multipart);
            let mut multipart = self.world.multipart.lock().unwrap_or_else(PoisonError::into_inner);
            multipart.completed.insert(upload.to_owned());
        }
        self.conclude(place, action, outcome, &answer, interval, &note);
        Ok(())
    }

    /// Asks until there is an answer. After one that did not come only a success is believed: anything else may speak of what the
    /// first attempt has done.
    fn ask_to_complete(
        &mut self,
        place: &Place,
        upload: &str,
        body: &[u8],
        action: &Action,
    ) -> Result<(Result<Answer, Lost>, Interval, String)> {
        let (path, condition, document) = (place.path(), header_of(action), document(body));
        let headers = condition.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = vec![("uploadId", upload)];
        let ask = Ask { method: Method::POST, path: &path, query, headers, body: document.into() };
        let (mut answer, mut interval, mut note) = self.send(&ask)?;
        let mut attempts = 1;
        while outcome(&answer, action) == Outcome::Unknown && attempts < ATTEMPTS && !self.world.has_stopped() {
            thread::sleep(PAUSE);
            attempts += 1;
            let (again, later, said) = self.send(&ask)?;
            note = format!("{note}, then {said}");
            if outcome(&again, action) == Outcome::Done {
                answer = again;
                interval.returned = later.returned;
            }
        }
        Ok((answer, interval, note))
    }

    /// Gives up an upload that another client is completing.
    pub(super) fn abort_an_offered_upload(&mut self) -> Result<()> {
        let offered = self.world.multipart.lock().unwrap_or_else(PoisonError::into_inner).offered.pop();
        let Some((bucket, key, upload)) = offered else { return Ok(()) };
        let path = format!("/{bucket}/{key}");
        let query = vec![("uploadId", upload.as_str())];
        let (answer, _, note) = self.send(&Ask { method: Method::DELETE, path: &path, query, ..Ask::default() })?;
        match learned(&answer) {
            Ok(Some(answer)) if answer.status == StatusCode::NO_CONTENT => {
                let mut multipart = self.world.multipart.lock().unwrap_or_else(PoisonError::into_inner);
                multipart.aborted.insert(upload);
            }
            Ok(Some(answer)) if answer.status != StatusCode::NOT_FOUND => {
                self.record.complain(format!("{path}: an abort: {} ({note})", describe(answer)));
            }
            Ok(_) => {}
            Err(said) => self.record.complain(format!("{path}: an abort: {said} ({note})")),
        }
        Ok(())
    }
}

/// The body of CompleteMultipartUpload.
fn document(body: &[u8]) -> String {
    let part = |(number, part): (u32, &[u8])| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{}\"</ETag></Part>", etag(part))
    };
    let parts: String = (1..).zip(body.chunks(PART_BYTES)).map(part).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_names_every_part() {
        let said = document(&vec![0; PART_BYTES + 1]);
        assert_eq!(said.matches("<Part>").count(), 2);
        assert!(said.contains("<PartNumber>2</PartNumber>") && said.contains(&etag(&[0])));
    }
}
