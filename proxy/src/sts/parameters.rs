//! [`Parameters`]: the form of a request (AWS Query protocol). Each stands once, and what nobody understands is refused.

use crate::error::{Code, Error, Result};

/// The version of the API, which SDKs send.
const VERSION: &str = "2011-06-15";

/// The parameters of a request that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a form.
    pub(super) fn parse(form: &[u8]) -> Result<Self> {
        if std::str::from_utf8(form).is_err() {
            return Err(Error::new(Code::InvalidArgument, "The form is no UTF-8."));
        }
        let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(form).into_owned().collect();
        pairs.sort();
        if let Some([(name, _), _]) = pairs.array_windows::<2>().find(|[(a, _), (b, _)]| a == b) {
            return Err(Error::new(Code::InvalidArgument, format!("The parameter {name:.64} stands twice.")));
        }
        let mut parameters = Self(pairs);
        if parameters.take("Version").is_some_and(|version| version != VERSION) {
            return Err(Error::new(Code::InvalidArgument, "The Version is 2011-06-15."));
        }
        Ok(parameters)
    }

    /// What is asked for.
    pub(super) fn action(&self) -> Result<&str> {
        let action = self.0.iter().find(|(name, _)| name == "Action").map(|(_, value)| value.as_str());
        action.ok_or_else(|| Error::new(Code::InvalidAction, "The form has no Action."))
    }

    /// A parameter that may be left out; an empty one is none.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn require(&mut self, name: &str) -> Result<String> {
        self.take(name).ok_or_else(|| Error::new(Code::InvalidArgument, format!("The parameter {name} is missing.")))
    }

    /// Refuses what is left over: what is not understood is not ignored.
    pub(super) fn finish(&self) -> Result<()> {
        match self.0.iter().find(|(name, _)| name != "Action") {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(
                Code::NotImplemented,
                format!("The parameter {name:.64} is not implemented for this action."),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_stands_once_and_none_is_ignored() {
        let mut read = Parameters::parse(b"Action=AssumeRole&Version=2011-06-15&RoleArn=a%2Fb&Policy=").unwrap();
        assert_eq!(read.action().unwrap(), "AssumeRole");
        assert_eq!((read.take("Policy"), read.require("RoleArn").unwrap().as_str()), (None, "a/b"));
        assert!(read.finish().is_ok());
        assert_eq!(read.require("RoleArn").unwrap_err().code(), Code::InvalidArgument);
        let left = Parameters::parse(b"Action=AssumeRole&ExternalId=x").unwrap().finish().unwrap_err();
        assert_eq!((left.code(), left.message().contains("ExternalId")), (Code::NotImplemented, true));
        for form in [&b"Action=a&Action=b"[..], b"Version=2010-05-08", b"a=\xff"] {
            assert!(Parameters::parse(form).is_err(), "{form:?}");
        }
        assert_eq!(Parameters::parse(b"").unwrap().action().unwrap_err().code(), Code::InvalidAction);
    }
}
