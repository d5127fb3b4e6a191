//! PutObjectLockConfiguration: a bucket that keeps versions locks objects from now on, for good; and how new ones are locked.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{DefaultRetention, RetentionMode, RetentionPeriod};

/// The longest default retention (AWS: 100 years).
const MAX_DAYS: i32 = 36_500;
const MAX_YEARS: i32 = 100;

pub(super) async fn put_object_lock_configuration(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectLockConfigurationInput>,
) -> Result<S3Response<dto::PutObjectLockConfigurationOutput>> {
    let configuration = request.input.object_lock_configuration.ok_or(Code::MalformedXml)?;
    let is_enabled = configuration.object_lock_enabled.as_ref().map(dto::ObjectLockEnabled::as_str);
    if is_enabled != Some(dto::ObjectLockEnabled::ENABLED) {
        return Err(Code::MalformedXml.into());
    }
    let retention = configuration.rule.map(read).transpose()?;
    app.index.put_object_lock(&request.input.bucket, retention, permit.record().as_slice()).await?;
    Ok(S3Response::new(dto::PutObjectLockConfigurationOutput::default()))
}

fn read(rule: dto::ObjectLockRule) -> Result<DefaultRetention> {
    let written = rule.default_retention.ok_or(Code::MalformedXml)?;
    let mode = written.mode.as_ref().and_then(|mode| RetentionMode::parse(mode.as_str()));
    let mode = mode.ok_or(Code::MalformedXml)?;
    let (period, length, longest) = match (written.days, written.years) {
        (Some(days), None) => (RetentionPeriod::Days(days), days, MAX_DAYS),
        (None, Some(years)) => (RetentionPeriod::Years(years), years, MAX_YEARS),
        _ => return Err(Code::MalformedXml.into()),
    };
    if length <= 0 {
        return Err(Code::InvalidRetentionPeriod.into());
    }
    if length > longest {
        return Err(Error::new(Code::InvalidArgument, "Default retention period too large."));
    }
    Ok(DefaultRetention { mode, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(mode: &'static str, days: Option<i32>, years: Option<i32>) -> Result<DefaultRetention> {
        let mode = Some(dto::ObjectLockRetentionMode::from_static(mode));
        read(dto::ObjectLockRule { default_retention: Some(dto::DefaultRetention { days, mode, years }) })
    }

    #[test]
    fn a_default_retention_is_so_many_days_or_years() {
        let retention = rule("GOVERNANCE", Some(3), None).unwrap();
        assert_eq!(retention, DefaultRetention { mode: RetentionMode::Governance, period: RetentionPeriod::Days(3) });
        assert_eq!(rule("COMPLIANCE", None, Some(100)).unwrap().period, RetentionPeriod::Years(100));
        for (mode, days, years, code) in [
            ("GOVERNANCE", None, None, Code::MalformedXml),
            ("GOVERNANCE", Some(1), Some(1), Code::MalformedXml),
            ("governance", Some(1), None, Code::MalformedXml),
            ("GOVERNANCE", Some(0), None, Code::InvalidRetentionPeriod),
            ("GOVERNANCE", None, Some(-1), Code::InvalidRetentionPeriod),
            ("GOVERNANCE", None, Some(101), Code::InvalidArgument),
            ("GOVERNANCE", Some(36_501), None, Code::InvalidArgument),
        ] {
            assert_eq!(rule(mode, days, years).unwrap_err().code(), code, "{mode} {days:?} {years:?}");
        }
        assert_eq!(read(dto::ObjectLockRule::default()).unwrap_err().code(), Code::MalformedXml);
    }
}
