//! Checksums: the five algorithms of S3, what a client says about its bytes, and what the parts' checksums say about
//! the whole (AWS, *Checking object integrity*).
//!
//! What does not live here: reading the bytes (`body`).

use aws_lc_rs::digest as lc;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;

use crate::digest::{Digest, Hasher as Sha256};
use crate::error::{Code, Error, Result};

/// One checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name in S3's documents and headers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The name in the index.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The header or trailer that carries a value.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Reads a name, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of a value.
    const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether the checksum of a whole can be had from those of its parts: only CRCs can.
    pub(super) const fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// Reads a base64 value; `None` where it is no value of this algorithm.
    pub(super) fn decode(self, value: &str) -> Option<Vec<u8>> {
        STANDARD.decode(value).ok().filter(|bytes| bytes.len() == self.length())
    }
}

/// A checksum in the making.
pub(super) enum Hasher {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha1(lc::Context),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (Algorithm::Sha1, None) => Self::Sha1(lc::Context::new(&lc::SHA1_FOR_LEGACY_USE_ONLY)),
            (_, None) => Self::Sha256(Sha256::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(context) => context.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The value in base64.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc(algorithm, digest) => encode_crc(algorithm, digest.finalize()),
            Self::Sha1(context) => STANDARD.encode(context.finish()),
            Self::Sha256(hasher) => STANDARD.encode(hasher.finish().as_bytes()),
        }
    }
}

/// CRCs are written big-endian, in as many bytes as the algorithm has.
fn encode_crc(algorithm: Algorithm, crc: u64) -> String {
    let bytes = crc.to_be_bytes();
    STANDARD.encode(bytes.get(bytes.len() - algorithm.length()..).unwrap_or(&bytes))
}

fn decode_crc(algorithm: Algorithm, value: &str) -> Option<u64> {
    let bytes = algorithm.decode(value)?;
    Some(bytes.iter().fold(0, |crc, byte| (crc << 8) | u64::from(*byte)))
}

/// The checksum of the whole from the values and sizes of its parts; `None` where the algorithm cannot, or a value is none.
pub(super) fn full_object<'a>(algorithm: Algorithm, parts: impl IntoIterator<Item = (&'a str, u64)>) -> Option<String> {
    let crc = algorithm.crc()?;
    let mut whole = None;
    for (value, size) in parts {
        let part = decode_crc(algorithm, value)?;
        whole = Some(whole.map_or(part, |whole| crc_fast::checksum_combine(crc, whole, part, size)));
    }
    whole.map(|whole| encode_crc(algorithm, whole))
}

/// The checksum over the checksums of the parts, with their number behind a dash.
pub(super) fn composite<'a>(algorithm: Algorithm, parts: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0_u32;
    for value in parts {
        hasher.update(&algorithm.decode(value)?);
        count += 1;
    }
    Some(format!("{}-{count}", hasher.finish()))
}

/// What a request says about the bytes of its body.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// `Content-MD5`.
    pub(super) md5: Option<[u8; 16]>,
    /// `x-amz-content-sha256`, where it is a digest.
    pub(super) sha256: Option<Digest>,
    /// The checksum that the client sends, or will send behind the body.
    pub(super) checksum: Option<Stated>,
}

/// A checksum that a client sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stated {
    /// In a header: base64.
    Value(Algorithm, String),
    /// In a trailer behind the body.
    Trailer(Algorithm),
}

impl Stated {
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Value(algorithm, _) | Self::Trailer(algorithm) => *algorithm,
        }
    }
}

impl Expected {
    /// Only the hash that the signature covers.
    pub(super) fn signed(headers: &HeaderMap) -> Self {
        Self { sha256: content_sha256(headers), ..Self::default() }
    }

    /// Reads the headers of an upload.
    ///
    /// # Errors
    /// `InvalidDigest` or `InvalidRequest` where one of them cannot be read or two of them disagree.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let checksum = stated(headers)?;
        if let Some(named) = text(headers, "x-amz-sdk-checksum-algorithm")
            && Algorithm::parse(named) != checksum.as_ref().map(Stated::algorithm)
        {
            return Err(Error::new(
                Code::InvalidRequest,
                "x-amz-sdk-checksum-algorithm names an algorithm for which there is no x-amz-checksum header or trailer.",
            ));
        }
        Ok(Self { md5: content_md5(headers)?, sha256: content_sha256(headers), checksum })
    }
}

fn stated(headers: &HeaderMap) -> Result<Option<Stated>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(value) = text(headers, algorithm.header()) {
            found.push(Stated::Value(algorithm, value.to_owned()));
        }
    }
    if let Some(names) = text(headers, "x-amz-trailer") {
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let algorithm = Algorithm::ALL.into_iter().find(|a| a.header().eq_ignore_ascii_case(name));
            let algorithm = algorithm.ok_or_else(|| {
                Error::new(Code::InvalidRequest, "The value specified in the x-amz-trailer header is not supported.")
            })?;
            found.push(Stated::Trailer(algorithm));
        }
    }
    let first = found.pop();
    if !found.is_empty() {
        return Err(Error::new(
            Code::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.",
        ));
    }
    if let Some(Stated::Value(algorithm, value)) = &first {
        check_value(*algorithm, value)?;
    }
    Ok(first)
}

/// Whether a header, or the query parameter that stands for one, says the checksum of no bytes at all.
pub(super) fn is_of_nothing(name: &str, value: &str) -> bool {
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.header()));
    algorithm.is_some_and(|algorithm| Hasher::new(algorithm).finish() == value)
}

/// Whether a value can be one of the algorithm.
///
/// # Errors
/// `InvalidRequest`, naming the header.
pub(super) fn check_value(algorithm: Algorithm, value: &str) -> Result<()> {
    if algorithm.decode(value).is_some() {
        return Ok(());
    }
    Err(Error::new(Code::InvalidRequest, format!("Value for {} header is invalid.", algorithm.header())))
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let bytes = STANDARD.decode(value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or_else(|| Error::new(Code::InvalidDigest, "The Content-MD5 you specified was invalid."))
}

fn content_sha256(headers: &HeaderMap) -> Option<Digest> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text(headers, "x-amz-content-sha256")?, &mut bytes).ok()?;
    Some(Digest::from_bytes(bytes))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use proptest::prelude::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    fn expected(pairs: &[(&'static str, &str)]) -> Result<Expected> {
        let map = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        Expected::of(&map)
    }

    #[test]
    fn known_bytes_have_the_known_checksums() {
        // "123456789" is the check string of the CRC catalogue; the SHAs are those of `sha1sum` and `sha256sum`.
        let hex = |value: &str| hex::encode(STANDARD.decode(value).unwrap());
        assert_eq!(hex(&of(Algorithm::Crc32, b"123456789")), "cbf43926");
        assert_eq!(hex(&of(Algorithm::Crc32c, b"123456789")), "e3069283");
        assert_eq!(hex(&of(Algorithm::Crc64Nvme, b"123456789")), "ae8b14860a799888");
        assert_eq!(hex(&of(Algorithm::Sha1, b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(of(Algorithm::Sha256, b"abc"), STANDARD.encode(Digest::of(b"abc").as_bytes()));
    }

    #[test]
    fn a_checksum_that_cannot_be_read_is_refused() {
        for pairs in [
            &[("x-amz-checksum-crc32", "AAAA")][..],
            &[("x-amz-checksum-crc32", "not base64")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-trailer", "x-amz-checksum-crc32")],
            &[("x-amz-trailer", "x-amz-meta-a")],
            &[("x-amz-sdk-checksum-algorithm", "CRC32")],
            &[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "AAAAAA==")],
            &[("x-amz-sdk-checksum-algorithm", "MD4"), ("x-amz-checksum-crc32", "AAAAAA==")],
        ] {
            assert_eq!(expected(pairs).unwrap_err().code(), Code::InvalidRequest, "{pairs:?}");
        }
        for value in ["", "AAAA", "!"] {
            assert_eq!(expected(&[("content-md5", value)]).unwrap_err().code(), Code::InvalidDigest, "{value}");
        }
    }

    #[test]
    fn what_a_client_states_is_read() {
        let trailer =
            expected(&[("x-amz-trailer", "x-amz-checksum-crc32c"), ("x-amz-sdk-checksum-algorithm", "CRC32C")]);
        assert_eq!(trailer.unwrap().checksum, Some(Stated::Trailer(Algorithm::Crc32c)));
        let value = expected(&[("x-amz-checksum-crc32", "AAAAAA==")]).unwrap();
        assert_eq!(value.checksum, Some(Stated::Value(Algorithm::Crc32, "AAAAAA==".into())));
        let signed = expected(&[("x-amz-content-sha256", &Digest::of(b"x").hex())]).unwrap();
        assert_eq!(signed.sha256, Some(Digest::of(b"x")));
        assert_eq!(expected(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]).unwrap().sha256, None);
    }

    #[test]
    fn a_composite_checksum_is_one_of_the_parts_checksums() {
        let parts = [of(Algorithm::Sha256, b"one"), of(Algorithm::Sha256, b"two")];
        let raw: Vec<u8> = parts.iter().flat_map(|part| STANDARD.decode(part).unwrap()).collect();
        let expected = format!("{}-2", of(Algorithm::Sha256, &raw));
        assert_eq!(composite(Algorithm::Sha256, parts.iter().map(String::as_str)), Some(expected));
    }

    #[test]
    fn hashes_do_not_combine() {
        assert_eq!(full_object(Algorithm::Sha1, [(of(Algorithm::Sha1, b"a").as_str(), 1)]), None);
        assert!(!Algorithm::Sha256.combines() && Algorithm::Crc64Nvme.combines());
    }

    proptest! {
        #[test]
        fn crcs_of_parts_combine_to_the_crc_of_the_whole(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..6)) {
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let values: Vec<_> = parts.iter().map(|part| (of(algorithm, part), part.len() as u64)).collect();
                let whole = full_object(algorithm, values.iter().map(|(value, size)| (value.as_str(), *size)));
                prop_assert_eq!(whole, Some(of(algorithm, &parts.concat())));
            }
        }
    }
}
