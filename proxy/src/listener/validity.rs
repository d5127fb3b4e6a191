//! When a certificate ends: as much of X.509 as that takes, for rustls does not say.

use time::{Date, Month, PrimitiveDateTime, Time};

/// DER tags (X.690, 8.1.2).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a DER certificate (RFC 5280, 4.1), in seconds since 1970; `None` where it cannot be read.
pub(crate) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(certificate)?;
    let (tag, mut fields, _) = element(certificate)?;
    if tag != SEQUENCE {
        return None;
    }
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    instant(tag, std::str::from_utf8(text).ok()?)
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn instant(tag: u8, text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
    let (year, at) = match tag {
        // RFC 5280, 4.1.2.5.1: years from 50 on are of the last century.
        UTC_TIME => {
            let year = i32::from(number(0..2)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        GENERALIZED_TIME => (text.get(0..4)?.parse().ok()?, 4),
        _ => return None,
    };
    let month = Month::try_from(number(at..at + 2)?).ok()?;
    let date = Date::from_calendar_date(year, month, number(at + 2..at + 4)?).ok()?;
    let time = Time::from_hms(number(at + 4..at + 6)?, number(at + 6..at + 8)?, number(at + 8..at + 10)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_notations() {
        assert_eq!(not_after(&certificate(2031)), Some(1_927_843_200));
        assert_eq!(not_after(&certificate(2061)), Some(2_874_614_400));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(cut in 0_usize..400, flip in 0_usize..400) {
            let mut bytes = certificate(2031);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 0xff;
            }
            bytes.truncate(cut);
            let _ = not_after(&bytes);
        }
    }
}
