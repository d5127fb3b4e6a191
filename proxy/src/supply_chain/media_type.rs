//! Media types, as they are compared: whole, without parameters, and whatever the case (RFC 6838, 4.2 and 4.3).

/// A media type without its parameters, in lower case.
pub(super) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_make_no_difference() {
        for text in ["application/spdx+json", "Application/SPDX+JSON", " application/spdx+json ; charset=utf-8;v=1"] {
            assert_eq!(essence(text), "application/spdx+json", "{text}");
        }
        assert_eq!(essence(""), "");
    }
}
