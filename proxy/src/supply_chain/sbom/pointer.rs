//! The way to a value, kept on the stack and written out only where something is wrong there.

use std::fmt;

use super::finding::Place;

/// A JSON pointer (RFC 6901) in the making.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pointer<'a> {
    /// The whole document.
    Root,
    /// A member.
    Member(&'a Pointer<'a>, &'a str),
    /// An element.
    Element(&'a Pointer<'a>, usize),
}

impl<'a> Pointer<'a> {
    pub(super) const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    pub(super) const fn element(&'a self, index: usize) -> Self {
        Self::Element(self, index)
    }

    pub(super) fn place(&self) -> Place {
        Place::at(self.to_string())
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Element(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_written_as_rfc_6901_has_it() {
        let list = Pointer::Root.member("a/b~c");
        assert_eq!(list.element(3).member("d").to_string(), "/a~1b~0c/3/d");
        assert_eq!(Pointer::Root.to_string(), "");
    }
}
