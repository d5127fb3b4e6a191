//! Names that clients choose: such as can be written in a path, a log and a statement's name.

use crate::error::{Code, Error};

/// Checks a name; `what` begins the refusal, `field` is what it is about.
///
/// # Errors
/// `InvalidArgument`, saying what a name may be.
pub(super) fn check_name(name: &str, what: &str, field: &'static str, longest: usize) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > longest || !name.chars().all(allowed) {
        let text = format!("{what} has 1 to {longest} letters, digits or any of + = , . @ _ -.");
        return Err(Error::new(Code::InvalidArgument, text).with("field", field));
    }
    Ok(())
}
