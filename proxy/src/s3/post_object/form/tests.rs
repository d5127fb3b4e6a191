use super::*;
use crate::gateway::BoxError;
use http_body_util::StreamBody;
use proptest::prelude::*;

fn field(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn form(before: &str, content: &[u8], behind: &str) -> Vec<u8> {
    let head = format!("{before}--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n--x", behind.as_bytes()].concat()
}

/// A body that comes in pieces of this many bytes.
fn body(bytes: &[u8], piece: usize) -> Body {
    let pieces: Vec<Result<_, BoxError>> =
        bytes.chunks(piece).map(|piece| Ok(http_body::Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(futures::stream::iter(pieces)).boxed_unsync()
}

async fn read(bytes: &[u8], piece: usize) -> Result<(Form, Vec<u8>)> {
    let mut form = Form::read(body(bytes, piece), Boundary::new(b"x")?).await?;
    let mut content = Vec::new();
    while let Some(bytes) = form.file.next().await? {
        content.extend_from_slice(&bytes);
    }
    Ok((form, content))
}

async fn code(bytes: &[u8]) -> Option<Code> {
    read(bytes, 7).await.err().map(|error: Error| error.code())
}

#[tokio::test]
async fn fields_and_file_are_the_same_however_the_form_comes() {
    let content = b"a\r\n--\r\n--\r\n-\r\r\n--y\r\n";
    let bytes = form(&(field("kEy", "k") + &field("empty", "") + &field("lines", "a\r\n--b")), content, "--\r\n");
    for piece in 1..bytes.len() + 1 {
        let (form, read) = read(&bytes, piece).await.unwrap();
        let fields: Vec<_> = form.fields.iter().collect();
        assert_eq!(fields, [("key", "k"), ("empty", ""), ("lines", "a\r\n--b")], "{piece}");
        assert_eq!((form.filename.as_str(), read.as_slice()), ("f.txt", content.as_slice()), "{piece}");
        let behind = content.len() + "\r\n--x--\r\n".len();
        assert_eq!(form.before_file, (bytes.len() - behind) as u64, "{piece}");
    }
}

#[tokio::test]
async fn an_empty_line_may_come_first_and_an_empty_file_is_one() {
    let bytes = ["\r\n".as_bytes(), &form("", b"", "--")].concat();
    for piece in [1, 3, 1000] {
        let (form, content) = read(&bytes, piece).await.unwrap();
        assert!(content.is_empty() && form.fields.iter().next().is_none());
    }
}

#[tokio::test]
async fn what_stands_behind_the_file_is_not_looked_at() {
    let behind = format!("\r\n{}--x--\r\n", field("key", "other").strip_prefix("--x\r\n").unwrap());
    let (read, content) = read(&form(&field("key", "k"), b"content", &behind), 5).await.unwrap();
    assert_eq!((read.fields.get("key"), content.as_slice()), (Some("k"), b"content".as_slice()));
    let endless = format!("\r\n{}", "x".repeat(MAX_BEHIND_FILE));
    assert_eq!(code(&form("", b"content", &endless)).await, Some(Code::MalformedPostRequest));
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let whole = form(&field("key", "k"), b"content", "--\r\n");
    // The last line end may be missing.
    for length in 0..whole.len() - 2 {
        assert_eq!(code(&whole[..length]).await, Some(Code::MalformedPostRequest), "{length}");
    }
    for bytes in ["--y\r\n", "text", "--xy\r\n\r\n", "--x\r\n\r\n", "--x\r\nname: x\r\n\r\n"] {
        assert_eq!(code(bytes.as_bytes()).await, Some(Code::MalformedPostRequest), "{bytes}");
    }
    let binary = [b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff".as_slice(), &form("\r\n", b"", "--")];
    assert_eq!(code(&binary.concat()).await, Some(Code::MalformedPostRequest));
    assert_eq!(code(&form("", b"content", "y")).await, Some(Code::MalformedPostRequest));
}

#[tokio::test]
async fn a_form_without_a_file_or_with_a_field_twice_is_refused() {
    let without = field("key", "k") + "--x--\r\n";
    assert_eq!(code(without.as_bytes()).await, Some(Code::IncorrectNumberOfFilesInPostRequest));
    let twice = field("key", "a") + &field("KEY", "b");
    assert_eq!(code(&form(&twice, b"", "--")).await, Some(Code::InvalidArgument));
}

#[tokio::test]
async fn what_stands_before_the_file_has_a_limit_and_the_file_none() {
    let room = MAX_BEFORE_FILE - form(&field("a", ""), b"", "").len() + "\r\n--x".len();
    let large = vec![b'x'; 3 * MAX_BEFORE_FILE];
    let just = form(&field("a", &"x".repeat(room)), &large, "--");
    for piece in [1000, just.len()] {
        assert_eq!(read(&just, piece).await.unwrap().1, large);
        let more = form(&field("a", &"x".repeat(room + 1)), &large, "--");
        let error = read(&more, piece).await.err().unwrap();
        assert_eq!(error.code(), Code::MaxPostPreDataLengthExceeded);
    }
    let endless =
        [field("a", "").as_bytes(), b"--x\r\nContent-Disposition: form-data; name=b\r\n\r\n", &large].concat();
    assert_eq!(code(&endless).await, Some(Code::MaxPostPreDataLengthExceeded));
}

#[test]
fn the_boundary_stands_in_the_content_type() {
    let of = |value: &str| {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        Boundary::of(&headers).ok().map(|boundary| String::from_utf8(boundary.delimiter().to_vec()).unwrap())
    };
    for value in ["multipart/form-data; boundary=ab", "Multipart/Form-Data;charset=utf-8; Boundary=\"ab\""] {
        assert_eq!(of(value).as_deref(), Some("\r\n--ab"), "{value}");
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    for value in ["multipart/form-data", "multipart/form-data; boundary=", "x; boundary=a; boundary=b", &long] {
        assert_eq!(of(value), None, "{value}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
        let mut reader = Reader::new(Boundary::new(b"x").unwrap());
        for bytes in bytes.chunks(piece) {
            if !matches!(reader.feed(bytes), Ok(Progress::More)) {
                break;
            }
        }
    }

    #[test]
    fn every_content_comes_back(content in "[\r\n\\-xy]{0,60}", piece in 1_usize..20) {
        prop_assume!(!content.contains("\r\n--x"));
        let bytes = form("", content.as_bytes(), "--\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, read) = runtime.block_on(read(&bytes, piece)).unwrap();
        prop_assert_eq!(String::from_utf8(read).unwrap(), content);
    }
}
