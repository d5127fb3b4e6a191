//! What stands in a form before its file. A seed has the boundary, a line feed and the form: however the bytes come in, they are read alike.

use super::{Read, Verdict};
use crate::error::Code;
use crate::s3::check_post_form;

/// What a form may be refused with.
const REFUSALS: [Code; 3] = [Code::MalformedPostRequest, Code::MaxPostPreDataLengthExceeded, Code::InvalidArgument];

pub(super) fn check(input: &[u8]) -> Verdict {
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else { return Ok(Read::Refused) };
    let (boundary, form) = input.split_at_checked(at).unwrap_or_default();
    let form = form.get(1..).unwrap_or_default();
    let read = |piece| check_post_form(boundary, form, piece).map_err(|error| error.code());
    let whole = read(form.len());
    for piece in [1, 2, 3, 7, 64] {
        let pieces = read(piece);
        // What is wrong with a form may be found in another order.
        ensure!(pieces.ok() == whole.ok(), "in pieces of {piece} it is {pieces:?}, and as a whole {whole:?}");
    }
    match whole {
        Ok(_) => Ok(Read::Taken),
        Err(code) => {
            ensure!(REFUSALS.contains(&code), "refused with {code:?}");
            Ok(Read::Refused)
        }
    }
}
