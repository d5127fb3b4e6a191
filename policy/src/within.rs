//! Whether a bucket's policy speaks of its own bucket alone, as AWS demands ("Policy has invalid resource").

use crate::document::{Policy, Resources};
use crate::resource::S3;

impl Policy {
    /// The `Sid` or number of the first statement that reaches beyond the bucket.
    #[must_use]
    pub fn reaches_beyond(&self, bucket: &str) -> Option<String> {
        let own = format!("{S3}{bucket}");
        let is_own = |start: &str| start == own || start.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/'));
        self.statements.iter().enumerate().find_map(|(at, statement)| {
            let (Resources::Of(patterns) | Resources::AllBut(patterns)) = &statement.resources else { return None };
            let beyond = patterns.iter().any(|pattern| {
                let start = pattern.literal_prefix();
                // A pattern without `arn:` stands for both doors; the half that is about repositories says nothing here.
                !start.starts_with(crate::resource::OCI)
                    && !(is_own(start) && (pattern.is_fixed() || start.len() > own.len()))
            });
            beyond.then(|| statement.sid.as_ref().map_or_else(|| at.to_string(), |sid| sid.to_string()))
        })
    }
}
