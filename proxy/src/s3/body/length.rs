//! How many bytes an upload has.

use crate::error::{Code, Error, Result};

/// How many bytes there will be, as far as that is known before they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::s3) enum Length {
    /// So many.
    Exactly(u64),
    /// The file of a form.
    Between {
        /// As few as the request's length allows.
        least: u64,
        /// As many as the request's length allows.
        most: u64,
        /// As few as are taken.
        min: u64,
        /// As many as are taken.
        max: u64,
    },
}

impl Length {
    /// As few as there can be.
    pub(in crate::s3) const fn least(self) -> u64 {
        match self {
            Self::Exactly(length) => length,
            Self::Between { least, .. } => least,
        }
    }

    /// As many as there can be.
    pub(in crate::s3) const fn most(self) -> u64 {
        match self {
            Self::Exactly(length) => length,
            Self::Between { most, .. } => most,
        }
    }

    /// Whether there may be as many as were read, and more.
    ///
    /// # Errors
    /// `IncompleteBody`, `MalformedPostRequest`, `EntityTooLarge`.
    pub(super) fn check_so_far(self, size: u64) -> Result<()> {
        match self {
            Self::Between { max, .. } if size > max => Err(too_large(size, max)),
            // The form has no end.
            Self::Between { most, .. } if size > most => Err(Code::MalformedPostRequest.into()),
            Self::Exactly(length) if size > length => {
                Err(Error::new(Code::IncompleteBody, "The body has more bytes than its length said."))
            }
            _ => Ok(()),
        }
    }

    /// Whether there may be as many as were read, and no more.
    ///
    /// # Errors
    /// As [`Self::check_so_far`], and `EntityTooSmall`.
    pub(super) fn check(self, size: u64) -> Result<()> {
        match self {
            Self::Exactly(length) if size < length => Err(Code::IncompleteBody.into()),
            Self::Between { min, .. } if size < min => Err(too_small(size, min)),
            _ => self.check_so_far(size),
        }
    }

    /// Whether what is not read yet can be taken at all.
    ///
    /// # Errors
    /// `EntityTooLarge`, `EntityTooSmall`.
    pub(in crate::s3) fn expect(self) -> Result<()> {
        match self {
            Self::Between { least, max, .. } if least > max => Err(too_large(least, max)),
            Self::Between { most, min, .. } if most < min => Err(too_small(most, min)),
            _ => Ok(()),
        }
    }
}

fn too_large(size: u64, max: u64) -> Error {
    Error::from(Code::EntityTooLarge).with("ProposedSize", size).with("MaxSizeAllowed", max)
}

fn too_small(size: u64, min: u64) -> Error {
    Error::from(Code::EntityTooSmall).with("ProposedSize", size).with("MinSizeAllowed", min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(checked: Result<()>) -> Option<Code> {
        checked.err().map(|error| error.code())
    }

    #[test]
    fn a_body_is_as_long_as_it_said() {
        let length = Length::Exactly(5);
        assert_eq!((length.least(), length.most()), (5, 5));
        for (size, so_far, whole) in [
            (4, None, Some(Code::IncompleteBody)),
            (5, None, None),
            (6, Some(Code::IncompleteBody), Some(Code::IncompleteBody)),
        ] {
            assert_eq!((code(length.check_so_far(size)), code(length.check(size))), (so_far, whole), "{size}");
        }
    }

    #[test]
    fn a_file_is_as_long_as_its_form_and_its_policy_allow() {
        let length = Length::Between { least: 2, most: 9, min: 3, max: 6 };
        for (size, so_far, whole) in [
            (2, None, Some(Code::EntityTooSmall)),
            (3, None, None),
            (6, None, None),
            (7, Some(Code::EntityTooLarge), Some(Code::EntityTooLarge)),
        ] {
            assert_eq!((code(length.check_so_far(size)), code(length.check(size))), (so_far, whole), "{size}");
        }
        let longer = Length::Between { least: 2, most: 9, min: 0, max: 20 };
        assert_eq!(code(longer.check_so_far(10)), Some(Code::MalformedPostRequest));
    }

    #[test]
    fn a_file_that_cannot_be_taken_is_refused_before_it_is_read() {
        for (least, most, expected) in
            [(7, 9, Some(Code::EntityTooLarge)), (6, 9, None), (0, 3, None), (0, 2, Some(Code::EntityTooSmall))]
        {
            assert_eq!(code(Length::Between { least, most, min: 3, max: 6 }.expect()), expected, "{least} {most}");
        }
    }
}
