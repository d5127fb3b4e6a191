//! How grave a vulnerability is, in the words of many scanners.

/// How grave a vulnerability is; the greater the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::supply_chain) enum Severity {
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
    pub(in crate::supply_chain) const fn as_str(self) -> &'static str {
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
    pub(in crate::supply_chain) fn of_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" | "minor" => Self::Low,
            "none" | "negligible" | "informational" | "info" => Self::None,
            _ => Self::Unknown,
        }
    }

    /// By a score of a method: a word of any, or a number ([`Self::of_number`]).
    pub(in crate::supply_chain) fn of_score(method: &str, score: &str) -> Self {
        match score.trim().parse::<f64>() {
            Ok(number) => Self::of_number(method, number),
            Err(_) => Self::of_word(score),
        }
    }

    /// By a number of CVSS, by which NVD rates too (CVSS 4.0, "Qualitative Severity Rating Scale"): other numbers, such as those of EPSS,
    /// measure something else.
    pub(in crate::supply_chain) fn of_number(method: &str, number: f64) -> Self {
        let method = method.to_ascii_lowercase();
        if !(method.contains("cvss") || method == "nvd") || !(0.0..=10.0).contains(&number) {
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
    pub(in crate::supply_chain) fn of_all(said: impl Iterator<Item = Self>) -> Self {
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
            ("NVD", "9.8", Severity::Critical),
            ("vendor", "9.8", Severity::Unknown),
            ("vendor", "minor", Severity::Low),
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
