//! How grave a vulnerability is, in the words of many scanners.

/// How grave a vulnerability is; the greater the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Severity {
    /// Not at all.
    None,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// As much as can be.
    Critical,
    /// Nobody says.
    Unknown,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Unknown => "of unknown severity",
        }
    }

    /// By a word.
    pub(super) fn of_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "none" | "negligible" | "informational" | "info" => Self::None,
            _ => Self::Unknown,
        }
    }

    /// By a score of a method: a word of any, a number of CVSS alone (CVSS 4.0, "Qualitative Severity Rating Scale"): other numbers,
    /// such as those of EPSS, measure something else.
    pub(super) fn of_score(method: &str, score: &str) -> Self {
        let Ok(number) = score.trim().parse::<f64>() else { return Self::of_word(score) };
        if !method.to_ascii_lowercase().contains("cvss") || !(0.0..=10.0).contains(&number) {
            return Self::Unknown;
        }
        match number {
            number if number >= 9.0 => Self::Critical,
            number if number >= 7.0 => Self::High,
            number if number >= 4.0 => Self::Medium,
            number if number > 0.0 => Self::Low,
            _ => Self::None,
        }
    }

    /// Of what several say the gravest that is known.
    pub(super) fn of_all(said: impl Iterator<Item = Self>) -> Self {
        said.filter(|severity| *severity != Self::Unknown).max().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_scores_of_cvss_are_understood_and_no_other_numbers() {
        for (method, score, severity) in [
            ("nvd", "medium", Severity::Medium),
            ("", "CRITICAL", Severity::Critical),
            ("redhat", "Important", Severity::High),
            ("cvss_score", "5.2", Severity::Medium),
            ("CVSSv3", "9.0", Severity::Critical),
            ("cvss", "8.9", Severity::High),
            ("cvss", "0", Severity::None),
            ("cvss", "11", Severity::Unknown),
            ("cvss", "NaN", Severity::Unknown),
            ("epss", "0.97", Severity::Unknown),
            ("cvss", "CVSS:3.1/AV:N/AC:L", Severity::Unknown),
        ] {
            assert_eq!(Severity::of_score(method, score), severity, "{method} {score}");
        }
    }

    #[test]
    fn the_gravest_word_that_is_known_counts() {
        let of_all = |said: &[Severity]| Severity::of_all(said.iter().copied());
        assert_eq!(of_all(&[Severity::Low, Severity::High, Severity::Unknown]), Severity::High);
        assert_eq!(of_all(&[Severity::Unknown]), Severity::Unknown);
        assert_eq!(of_all(&[]), Severity::Unknown);
    }
}
