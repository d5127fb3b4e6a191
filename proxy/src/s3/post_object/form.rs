//! A form as browsers send it, `multipart/form-data` (RFC 7578): its fields up to the file, and the file's bytes as they come.
//!
//! What stands before the file is held in memory, and small; the file never is. Libraries for forms take in all that a connection has to
//! give, and do not say where the file begins, which is how it is known before it is read how long it can be at the most.
//! What does not live here: what the fields mean.

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use memchr::memmem;

use super::part::{self, Part, malformed};
use crate::error::{Code, Error, Result};
use crate::gateway::Body;
use crate::s3::body::body_error;

/// Bytes before the file's first one (AWS, "Upload examples": 20 KB).
const MAX_BEFORE_FILE: usize = 20 * 1024;

/// Bytes behind the file: fields there are ignored, and need not be few, but end.
pub(super) const MAX_BEHIND_FILE: usize = 20 * 1024;

/// The longest boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

const LINE_END: &[u8] = b"\r\n";

/// The name of the field that is the file.
const FILE: &str = "file";

/// The fields before the file, names in lower case. No name is there twice. They may hold the token of a session.
#[derive(Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Every field, in the order of the form.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Writes what the file is called where a value asks for it.
    pub(super) fn expand(&mut self, name: &str, filename: &str) {
        for (_, value) in self.0.iter_mut().filter(|(own, _)| own == name) {
            *value = value.replace("${filename}", filename);
        }
    }

    fn push(&mut self, name: String, value: &[u8]) -> Result<()> {
        let value = std::str::from_utf8(value).map_err(|error| malformed().source(error))?;
        if self.get(&name).is_some() {
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            let text = format!("The form has more than one field named '{name}'.");
            return Err(Error::new(Code::InvalidArgument, text));
        }
        self.0.push((name, value.to_owned()));
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

/// What ends the parts of a form.
#[derive(Debug, Clone)]
pub(super) struct Boundary(memmem::Finder<'static>);

impl Boundary {
    /// Of a request, by its `Content-Type`.
    ///
    /// # Errors
    /// `MalformedPostRequest`; `PreconditionFailed` where it is something else than a form.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(malformed)?;
        let (kind, parameters) = part::parameters(value).ok_or_else(malformed)?;
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            let text = "Bucket POST must be of the enclosure-type multipart/form-data";
            return Err(Error::new(Code::PreconditionFailed, text).with("Condition", text));
        }
        let mut found = parameters.iter().filter(|(name, _)| name == "boundary").map(|(_, value)| value.as_bytes());
        match (found.next(), found.next()) {
            (Some(boundary), None) => Self::new(boundary),
            _ => Err(malformed()),
        }
    }

    /// Of these bytes.
    ///
    /// # Errors
    /// `MalformedPostRequest`.
    pub(super) fn new(boundary: &[u8]) -> Result<Self> {
        let is_one =
            (1..=MAX_BOUNDARY).contains(&boundary.len()) && boundary.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_one {
            return Err(malformed());
        }
        Ok(Self(memmem::Finder::new(&[b"\r\n--".as_slice(), boundary].concat()).into_owned()))
    }

    /// The line that stands before a part, with the line end before it.
    fn delimiter(&self) -> &[u8] {
        self.0.needle()
    }

    /// The bytes that the shortest end of a form takes: the delimiter, and two dashes.
    pub(super) fn end(&self) -> u64 {
        self.delimiter().len() as u64 + 2
    }

    /// Where the content ends that these bytes begin with; none where they do not say.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        self.0.find(bytes)
    }

    /// How many of the last bytes may be the beginning of a delimiter.
    fn begun(&self, bytes: &[u8]) -> usize {
        let delimiter = self.delimiter();
        let most = bytes.len().min(delimiter.len() - 1);
        let may_be = |length: &usize| bytes.ends_with(delimiter.get(..*length).unwrap_or_default());
        (1..=most).rev().find(may_be).unwrap_or(0)
    }
}

/// What follows a delimiter.
#[derive(Debug, PartialEq, Eq)]
enum Behind {
    /// It is not there yet.
    Unknown,
    /// Another part.
    Part,
    /// Nothing.
    End,
}

fn behind(bytes: &[u8]) -> Result<Behind> {
    match bytes.get(..2) {
        None => Ok(Behind::Unknown),
        Some(b"\r\n") => Ok(Behind::Part),
        Some(b"--") => Ok(Behind::End),
        Some(_) => Err(malformed()),
    }
}

/// The fields of a form while its bytes come.
pub(super) struct Reader {
    boundary: Boundary,
    fields: Fields,
    /// What was not read yet. A line end was put before it, so that the first delimiter looks like the others.
    held: Vec<u8>,
    /// Bytes of the form that were read.
    read: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Before the first delimiter.
    Begin,
    /// Behind a delimiter.
    Delimited,
    /// Behind the line of a delimiter.
    Head,
    /// In the content of a field.
    Field(String),
}

/// What was found.
#[derive(Debug)]
pub(super) enum Progress {
    /// More bytes are needed.
    More,
    /// The file begins.
    File(Part),
    /// The form has no file.
    NoFile,
}

impl Reader {
    pub(super) fn new(boundary: Boundary) -> Self {
        Self { boundary, fields: Fields::default(), held: LINE_END.to_vec(), read: 0, state: State::Begin }
    }

    /// Takes the next bytes of the form.
    ///
    /// # Errors
    /// `MalformedPostRequest`, `MaxPostPreDataLengthExceeded`; `InvalidArgument` for a field that is there twice.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Progress> {
        self.held.extend_from_slice(bytes);
        loop {
            let step = self.step()?;
            // Where no more bytes are needed, those of the file may be among them.
            let waiting = if matches!(step, Some(Progress::More)) { self.held.len() } else { 0 };
            if self.read + waiting > MAX_BEFORE_FILE + LINE_END.len() {
                return Err(Code::MaxPostPreDataLengthExceeded.into());
            }
            if let Some(progress) = step {
                return Ok(progress);
            }
        }
    }

    /// One step further; none where there may be another at once.
    fn step(&mut self) -> Result<Option<Progress>> {
        match &mut self.state {
            State::Begin => {
                let delimiter = self.boundary.delimiter();
                if self.held.len() >= delimiter.len() {
                    // Some clients begin with an empty line.
                    let begins = |at: &usize| self.held.get(*at..).is_some_and(|held| held.starts_with(delimiter));
                    let at = [0, LINE_END.len()].into_iter().find(begins);
                    let is_late = self.held.starts_with(b"\r\n\r\n") && self.held.len() < delimiter.len() + 2;
                    return match at {
                        Some(at) => {
                            let length = at + delimiter.len();
                            self.advance(length, State::Delimited);
                            Ok(None)
                        }
                        None if is_late => Ok(Some(Progress::More)),
                        None => Err(malformed()),
                    };
                }
                Ok(Some(Progress::More))
            }
            State::Delimited => match behind(&self.held)? {
                Behind::Unknown => Ok(Some(Progress::More)),
                Behind::End => Ok(Some(Progress::NoFile)),
                Behind::Part => {
                    self.advance(2, State::Head);
                    Ok(None)
                }
            },
            State::Head => match part::read(&self.held)? {
                None => Ok(Some(Progress::More)),
                Some((part, length)) if part.name == FILE => {
                    self.advance(length, State::Head);
                    Ok(Some(Progress::File(part)))
                }
                Some((part, length)) => {
                    self.advance(length, State::Field(part.name));
                    Ok(None)
                }
            },
            State::Field(name) => {
                let Some(length) = self.boundary.find(&self.held) else { return Ok(Some(Progress::More)) };
                let value = self.held.get(..length).unwrap_or_default();
                self.fields.push(std::mem::take(name), value)?;
                let length = length + self.boundary.delimiter().len();
                self.advance(length, State::Delimited);
                Ok(None)
            }
        }
    }

    fn advance(&mut self, length: usize, state: State) {
        self.held.drain(..length.min(self.held.len()));
        self.read += length;
        self.state = state;
    }

    /// Bytes of the form before the file.
    fn before_file(&self) -> u64 {
        // The line end that was put before it is none of them.
        self.read.saturating_sub(LINE_END.len()) as u64
    }
}

/// A form up to its file.
pub(super) struct Form {
    pub(super) fields: Fields,
    pub(super) filename: String,
    /// Bytes before the file.
    pub(super) before_file: u64,
    pub(super) file: File,
}

impl Form {
    /// Reads a form up to its file.
    ///
    /// # Errors
    /// As [`Reader::feed`]; `IncorrectNumberOfFilesInPostRequest` where there is no file; what the connection says.
    pub(super) async fn read(mut body: Body, boundary: Boundary) -> Result<Self> {
        let mut reader = Reader::new(boundary.clone());
        loop {
            let bytes = next(&mut body).await?.ok_or_else(malformed)?;
            match reader.feed(&bytes)? {
                Progress::More => {}
                Progress::NoFile => return Err(Code::IncorrectNumberOfFilesInPostRequest.into()),
                Progress::File(part) => {
                    let before_file = reader.before_file();
                    let file = File { body: Some(body), boundary, held: Bytes::from(reader.held) };
                    let filename = part.filename.unwrap_or_default();
                    return Ok(Self { fields: reader.fields, filename, before_file, file });
                }
            }
        }
    }
}

/// The next bytes of a body; none at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(body_error)?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// The file of a form, as it comes.
pub(super) struct File {
    /// None once the file and what is behind it were read.
    body: Option<Body>,
    boundary: Boundary,
    held: Bytes,
}

impl File {
    /// The next bytes of the file; none at its end, once the rest of the form has been read too.
    ///
    /// # Errors
    /// `MalformedPostRequest` where the form has no end, or one that is too long; what the connection says.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            if let Some(length) = self.boundary.find(&self.held) {
                if length > 0 {
                    return Ok(Some(self.held.split_to(length)));
                }
                let behind = self.held.split_off(self.boundary.delimiter().len());
                drain(body, behind).await?;
                self.body = None;
                return Ok(None);
            }
            let length = self.held.len() - self.boundary.begun(&self.held);
            if length > 0 {
                return Ok(Some(self.held.split_to(length)));
            }
            let bytes = next(body).await?.ok_or_else(malformed)?;
            self.held = match self.held.is_empty() {
                true => bytes,
                false => [self.held.as_ref(), bytes.as_ref()].concat().into(),
            };
        }
    }
}

/// Reads what stands behind the file, and does not look at it (AWS: "Any fields after the file are ignored").
async fn drain(body: &mut Body, held: Bytes) -> Result<()> {
    let mut first = held.get(..2.min(held.len())).unwrap_or_default().to_vec();
    let mut length = held.len();
    while let Some(bytes) = next(body).await? {
        if first.len() < 2 {
            first.extend_from_slice(bytes.get(..bytes.len().min(2 - first.len())).unwrap_or_default());
        }
        length = length.saturating_add(bytes.len());
        if length > MAX_BEHIND_FILE {
            return Err(malformed());
        }
    }
    match behind(&first)? {
        Behind::Unknown => Err(malformed()),
        Behind::Part | Behind::End => Ok(()),
    }
}

#[cfg(test)]
mod tests;
