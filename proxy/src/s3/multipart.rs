//! What the multipart operations share: limits, and which checksum an upload has.

use super::checksum::{self, Algorithm};
use super::put_object::DEFAULT_ALGORITHM;
use crate::error::{Code, Error, Result};
use crate::index::{ChecksumType, Checksums, Upload};

/// The highest part number, and so the most parts.
pub(super) const MAX_PARTS: i32 = 10_000;

/// Every part but the last has so many bytes at least.
pub(super) const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// The checksum that an upload was begun with.
///
/// # Errors
/// `InvalidRequest` for a pair that S3 does not have.
pub(super) fn declared(algorithm: Option<&str>, kind: Option<&str>) -> Result<Option<(Algorithm, ChecksumType)>> {
    let invalid = |text: String| Err(Error::new(Code::InvalidRequest, text));
    let Some(name) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => invalid("x-amz-checksum-type can only be used with x-amz-checksum-algorithm.".into()),
        };
    };
    let Some(algorithm) = Algorithm::parse(name) else {
        return invalid("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]".into());
    };
    let default = if algorithm == Algorithm::Crc64Nvme { ChecksumType::FullObject } else { ChecksumType::Composite };
    let kind = match kind {
        None => default,
        Some(text) => match ChecksumType::parse(text) {
            Some(kind) => kind,
            None => return invalid("Value for x-amz-checksum-type header is invalid.".into()),
        },
    };
    let possible = match kind {
        ChecksumType::FullObject => algorithm.combines(),
        ChecksumType::Composite => algorithm != Algorithm::Crc64Nvme,
    };
    if possible {
        return Ok(Some((algorithm, kind)));
    }
    invalid(format!(
        "The {} checksum type cannot be used with the {} checksum algorithm.",
        kind.as_str(),
        algorithm.name().to_lowercase()
    ))
}

/// The algorithm of an upload's parts: the declared one, or S3's default.
///
/// # Errors
/// `InvalidRequest` where a part states another one than was declared.
pub(super) fn part_algorithm(upload: &Upload, stated: Option<Algorithm>) -> Result<Algorithm> {
    let declared = upload.checksum_algorithm.as_deref().and_then(Algorithm::parse);
    match (declared, stated) {
        (Some(declared), Some(stated)) if declared != stated => Err(Error::new(
            Code::InvalidRequest,
            format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                declared.name().to_lowercase(),
                stated.name().to_lowercase()
            ),
        )),
        (declared, _) => Ok(declared.unwrap_or(DEFAULT_ALGORITHM)),
    }
}

/// Whether S3 has such a part number.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_part_number(number: i32) -> Result<()> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive."))
}

/// The checksum of the object that parts with these checksums and sizes become; none where they have none in common.
pub(super) fn whole(upload: &Upload, parts: &[(&Checksums, u64)]) -> Option<(Algorithm, ChecksumType, String)> {
    let (algorithm, kind) = match upload.checksum_algorithm.as_deref().and_then(Algorithm::parse) {
        Some(algorithm) => (algorithm, upload.checksum_type.unwrap_or(ChecksumType::Composite)),
        None => {
            let common = Algorithm::ALL.into_iter().find(|a| parts.iter().all(|(c, _)| c.contains_key(a.key())))?;
            (common, if common.combines() { ChecksumType::FullObject } else { ChecksumType::Composite })
        }
    };
    let values = || parts.iter().map(|(checksums, _)| checksums.get(algorithm.key()).map_or("", String::as_str));
    let value = match kind {
        ChecksumType::FullObject => checksum::full_object(algorithm, values().zip(parts.iter().map(|(_, size)| *size))),
        ChecksumType::Composite => checksum::composite(algorithm, values()),
    }?;
    Some((algorithm, kind, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::checksum::Hasher;
    use time::OffsetDateTime;

    fn upload(algorithm: Option<&str>, kind: Option<ChecksumType>) -> Upload {
        Upload {
            id: "id".into(),
            key: "key".into(),
            checksum_algorithm: algorithm.map(str::to_owned),
            checksum_type: kind,
            storage_class: "STANDARD".into(),
            owner: "root/AKIA".into(),
            initiated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn checksums(algorithm: Algorithm, bytes: &[u8]) -> Checksums {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        Checksums::from([(algorithm.key().to_owned(), hasher.finish())])
    }

    #[test]
    fn the_pairs_that_s3_has_are_taken_and_no_others() {
        use ChecksumType::{Composite, FullObject};
        for (algorithm, kind, expected) in [
            (None, None, None),
            (Some("CRC32"), None, Some((Algorithm::Crc32, Composite))),
            (Some("CRC32"), Some("FULL_OBJECT"), Some((Algorithm::Crc32, FullObject))),
            (Some("CRC64NVME"), None, Some((Algorithm::Crc64Nvme, FullObject))),
            (Some("SHA256"), None, Some((Algorithm::Sha256, Composite))),
        ] {
            assert_eq!(declared(algorithm, kind).unwrap(), expected, "{algorithm:?} {kind:?}");
        }
        for (algorithm, kind) in [
            (None, Some("FULL_OBJECT")),
            (Some("MD4"), None),
            (Some("CRC32"), Some("HALF_OBJECT")),
            (Some("CRC64NVME"), Some("COMPOSITE")),
            (Some("SHA1"), Some("FULL_OBJECT")),
        ] {
            assert_eq!(declared(algorithm, kind).unwrap_err().code(), Code::InvalidRequest, "{algorithm:?} {kind:?}");
        }
    }

    #[test]
    fn a_part_keeps_to_the_declared_algorithm() {
        let sha = upload(Some("sha256"), Some(ChecksumType::Composite));
        assert_eq!(part_algorithm(&sha, None).unwrap(), Algorithm::Sha256);
        assert_eq!(part_algorithm(&sha, Some(Algorithm::Crc32)).unwrap_err().code(), Code::InvalidRequest);
        assert_eq!(part_algorithm(&upload(None, None), Some(Algorithm::Crc32)).unwrap(), DEFAULT_ALGORITHM);
    }

    #[test]
    fn an_upload_that_declared_nothing_has_the_checksum_that_its_parts_share() {
        let (one, two) = (checksums(Algorithm::Crc64Nvme, b"one"), checksums(Algorithm::Crc64Nvme, b"two"));
        let expected = checksums(Algorithm::Crc64Nvme, b"onetwo");
        let (algorithm, kind, value) = whole(&upload(None, None), &[(&one, 3), (&two, 3)]).unwrap();
        assert_eq!((algorithm, kind), (Algorithm::Crc64Nvme, ChecksumType::FullObject));
        assert_eq!(value, expected["crc64nvme"]);
        let other = checksums(Algorithm::Crc32, b"two");
        assert_eq!(whole(&upload(None, None), &[(&one, 3), (&other, 3)]), None);
    }

    #[test]
    fn part_numbers_have_bounds() {
        assert!(check_part_number(1).is_ok() && check_part_number(10_000).is_ok());
        for number in [0, -1, 10_001, i32::MAX] {
            assert_eq!(check_part_number(number).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
