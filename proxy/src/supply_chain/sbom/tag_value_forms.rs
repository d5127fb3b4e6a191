//! The values of SPDX tags, and what they are in the JSON form (SPDX 2.3, clauses 6 to 13).

use serde_json::{Map, Value, json};

/// How a value is read, with the member that it becomes where the form leaves that open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A text.
    Text(&'static str),
    /// One of several texts.
    List(&'static str),
    /// `true` or `false`.
    Bool(&'static str),
    /// `SHA1: hex`.
    Checksum,
    /// `hex (excludes: file, file)`.
    Verification,
    /// `CATEGORY type locator`.
    ExternalReference,
    /// `DocumentRef-x URI SHA1: hex`.
    ExternalDocument,
    /// `first:last`, in bytes.
    ByteRange,
    /// `first:last`, in lines.
    LineRange,
    /// `element TYPE element`.
    Relationship,
    /// A comment on the last element of a list.
    CommentOf(&'static str),
    /// What the JSON form does not have, or has elsewhere.
    Dropped,
}

impl Form {
    /// Puts a value into an element.
    /// # Errors
    /// What is wrong with the value, for people.
    pub(super) fn put(self, into: &mut Map<String, Value>, value: &str) -> Result<(), &'static str> {
        match self {
            Self::Text(member) => once(into, member, value.into()),
            Self::List(member) => push(into, member, value.into()),
            Self::Bool(member) => once(into, member, Value::Bool(boolean(value).ok_or("is neither true nor false")?)),
            Self::Checksum => push(into, "checksums", checksum(value).ok_or("is no checksum")?),
            Self::Verification => once(into, "packageVerificationCode", verification(value)),
            Self::ExternalReference => {
                push(into, "externalRefs", external_reference(value).ok_or("is no external reference")?)
            }
            Self::ExternalDocument => {
                push(into, "externalDocumentRefs", external_document(value).ok_or("is no reference to a document")?)
            }
            Self::ByteRange => push(into, "ranges", range(into, value, "offset").ok_or("is no range")?),
            Self::LineRange => push(into, "ranges", range(into, value, "lineNumber").ok_or("is no range")?),
            Self::Relationship => relationship(into, value).ok_or("is no relationship"),
            Self::CommentOf(list) => comment(into, list, value).ok_or("is a comment on nothing"),
            Self::Dropped => Ok(()),
        }
    }
}

fn once(into: &mut Map<String, Value>, member: &str, value: Value) -> Result<(), &'static str> {
    match into.insert(member.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err("stands a second time"),
    }
}

fn push(into: &mut Map<String, Value>, member: &str, value: Value) -> Result<(), &'static str> {
    if let Value::Array(list) = into.entry(member).or_insert_with(|| Value::Array(Vec::new())) {
        list.push(value);
    }
    Ok(())
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn checksum(value: &str) -> Option<Value> {
    let (algorithm, hex) = value.split_once(':')?;
    Some(json!({"algorithm": algorithm.trim(), "checksumValue": hex.trim()}))
}

fn verification(value: &str) -> Value {
    let (code, excluded) = match value.split_once('(') {
        Some((code, rest)) => (code, rest.trim_end_matches(')').trim()),
        None => (value, ""),
    };
    let excluded = excluded.strip_prefix("excludes:").unwrap_or(excluded);
    let files: Vec<&str> = excluded.split(',').map(str::trim).filter(|file| !file.is_empty()).collect();
    let mut out = json!({"packageVerificationCodeValue": code.trim()});
    if let (false, Some(members)) = (files.is_empty(), out.as_object_mut()) {
        members.insert("packageVerificationCodeExcludedFiles".into(), json!(files));
    }
    out
}

fn external_reference(value: &str) -> Option<Value> {
    let mut words = value.splitn(3, char::is_whitespace);
    let (category, kind, locator) = (words.next()?, words.next()?, words.next()?.trim());
    // The JSON form has an underscore where the lines have a dash.
    Some(json!({"referenceCategory": category.replace('-', "_"), "referenceType": kind, "referenceLocator": locator}))
}

fn external_document(value: &str) -> Option<Value> {
    let mut words = value.splitn(3, char::is_whitespace);
    let (id, uri, rest) = (words.next()?, words.next()?, words.next()?);
    Some(json!({"externalDocumentId": id, "spdxDocument": uri, "checksum": checksum(rest)?}))
}

fn range(element: &Map<String, Value>, value: &str, unit: &str) -> Option<Value> {
    let (first, last) = value.split_once(':')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let file = element.get("snippetFromFile").cloned().unwrap_or_else(|| "".into());
    Some(json!({"startPointer": {"reference": file, unit: first}, "endPointer": {"reference": file, unit: last}}))
}

fn relationship(into: &mut Map<String, Value>, value: &str) -> Option<()> {
    let mut words = value.split_whitespace();
    let (from, kind, to) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    into.insert("spdxElementId".into(), from.into());
    into.insert("relationshipType".into(), kind.into());
    into.insert("relatedSpdxElement".into(), to.into());
    Some(())
}

fn comment(into: &mut Map<String, Value>, list: &str, value: &str) -> Option<()> {
    let last = into.get_mut(list)?.as_array_mut()?.last_mut()?.as_object_mut()?;
    last.insert("comment".into(), value.into());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(form: Form, value: &str) -> Result<Value, &'static str> {
        let mut into = Map::new();
        form.put(&mut into, value)?;
        Ok(Value::Object(into))
    }

    #[test]
    fn values_become_what_the_json_form_has() {
        assert_eq!(
            put(Form::Checksum, "SHA256: ab12").unwrap(),
            json!({"checksums": [{"algorithm": "SHA256", "checksumValue": "ab12"}]})
        );
        assert_eq!(
            put(Form::ExternalReference, "PACKAGE-MANAGER purl pkg:npm/a@1").unwrap(),
            json!({"externalRefs": [{"referenceCategory": "PACKAGE_MANAGER", "referenceType": "purl", "referenceLocator": "pkg:npm/a@1"}]})
        );
        assert_eq!(
            put(Form::Verification, "d6a7 (excludes: ./a, ./b)").unwrap(),
            json!({"packageVerificationCode": {"packageVerificationCodeValue": "d6a7", "packageVerificationCodeExcludedFiles": ["./a", "./b"]}})
        );
        assert_eq!(
            put(Form::Relationship, "SPDXRef-a CONTAINS SPDXRef-b").unwrap(),
            json!({"spdxElementId": "SPDXRef-a", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-b"})
        );
        assert_eq!(put(Form::Bool("filesAnalyzed"), "False").unwrap(), json!({"filesAnalyzed": false}));
    }

    #[test]
    fn what_cannot_be_read_is_said_so() {
        assert!(put(Form::Checksum, "ab12").is_err());
        assert!(put(Form::ExternalReference, "SECURITY cpe23Type").is_err());
        assert!(put(Form::Relationship, "a b c d").is_err());
        assert!(put(Form::LineRange, "1-2").is_err());
        assert!(put(Form::CommentOf("externalRefs"), "x").is_err());
    }

    #[test]
    fn a_text_that_stands_twice_is_said_so() {
        let mut into = Map::new();
        Form::Text("name").put(&mut into, "a").unwrap();
        assert!(Form::Text("name").put(&mut into, "b").is_err());
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(value in "[ -~é:,()]{0,40}") {
            for form in [Form::Checksum, Form::Verification, Form::ExternalReference, Form::ExternalDocument, Form::ByteRange, Form::Relationship] {
                drop(put(form, &value));
            }
        }
    }
}
