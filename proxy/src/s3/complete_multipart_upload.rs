//! CompleteMultipartUpload: the parts become an object. No byte moves; a repeated request gets the same answer.

use md5::{Digest as _, Md5};
use s3s::{S3Request, S3Response, dto};

use super::checksum::Algorithm;
use super::multipart::{self, MAX_PARTS, MIN_PART_BYTES};
use super::{conditions, headers};
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{ChecksumType, Checksums, CompleteUpload, CompletedPart, CompletedUpload, Part, PartPage, Upload};

type Input = dto::CompleteMultipartUploadInput;
type Output = dto::CompleteMultipartUploadOutput;

pub(super) async fn complete_multipart_upload(
    app: &App,
    permit: &Permit,
    request: S3Request<Input>,
) -> Result<S3Response<Output>> {
    let input = &request.input;
    let named = named_parts(input)?;
    let result = match uploaded_parts(app, input).await {
        Ok((upload, uploaded)) => complete(app, permit, &request, &upload, &named, &uploaded).await,
        Err(error) => Err(error),
    };
    match result {
        Ok((output, digest)) => Ok(S3Response::with_headers(output, headers::oci_digest(digest.as_ref()))),
        // The client may not have heard the first answer.
        Err(error) if error.code() == Code::NoSuchUpload => {
            let completed = app.index.completed_upload(&input.bucket, &input.key, &input.upload_id).await?;
            if named_etag(&named).as_ref() != Some(&completed.etag) {
                return Err(error);
            }
            let (output, digest) = repeated(app, input, &completed).await?;
            Ok(S3Response::with_headers(output, headers::oci_digest(digest.as_ref())))
        }
        Err(error) => Err(error),
    }
}

/// The first answer once more. Checksums and digest are told while the object still stands: they are kept with it.
async fn repeated(app: &App, input: &Input, completed: &CompletedUpload) -> Result<(Output, Option<Digest>)> {
    let CompletedUpload { etag, version_id } = completed;
    let first = || Output { version_id: version_id.clone(), ..output(input, etag) };
    match app.index.version(&input.bucket, &input.key, version_id.as_deref()).await {
        Ok(object) if object.head.etag == *etag => {
            let mut output = headers::with_checksums!(first(), &object.head.checksums);
            output.checksum_type = headers::checksum_type(&object.head);
            Ok((output, object.oci_digest))
        }
        Ok(_) => Ok((first(), None)),
        Err(error) if error.code().is_nothing_there() => Ok((first(), None)),
        Err(error) => Err(error),
    }
}

/// The parts that the client names, in order.
fn named_parts(input: &Input) -> Result<Vec<(i32, &dto::CompletedPart)>> {
    let parts = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
    if parts.is_empty() || parts.len() > MAX_PARTS.unsigned_abs() as usize {
        return Err(Code::MalformedXml.into());
    }
    let mut named = Vec::with_capacity(parts.len());
    let mut last = 0;
    for part in parts {
        let number = part.part_number.ok_or(Code::MalformedXml)?;
        multipart::check_part_number(number)?;
        if number <= last {
            return Err(Error::from(Code::InvalidPartOrder).with("UploadId", &input.upload_id));
        }
        last = number;
        named.push((number, part));
    }
    Ok(named)
}

async fn uploaded_parts(app: &App, input: &Input) -> Result<(Upload, Vec<Part>)> {
    let limit = MAX_PARTS.unsigned_abs();
    let PartPage { upload, parts, .. } = app.index.parts(&input.bucket, &input.key, &input.upload_id, 0, limit).await?;
    Ok((upload, parts))
}

async fn complete(
    app: &App,
    permit: &Permit,
    request: &S3Request<Input>,
    upload: &Upload,
    named: &[(i32, &dto::CompletedPart)],
    uploaded: &[Part],
) -> Result<(Output, Option<Digest>)> {
    let input = &request.input;
    let parts = chosen(input, named, uploaded)?;
    check_sizes(input, &parts)?;
    let etag = etag(&parts)?;
    let sums: Vec<_> = parts.iter().map(|part| (&part.checksums, part.size)).collect();
    let whole = multipart::whole(upload, &sums);
    check_checksum(input, whole.as_ref())?;
    let checksums: Checksums =
        whole.iter().map(|(algorithm, _, value)| (algorithm.key().into(), value.clone())).collect();
    let kind = whole.as_ref().map(|(_, kind, _)| *kind);
    let completed: Vec<_> =
        parts.iter().map(|part| CompletedPart { part_number: part.part_number, etag: part.etag.clone() }).collect();
    let record = permit.record();
    let completion = CompleteUpload {
        bucket: &input.bucket,
        key: &input.key,
        upload_id: &input.upload_id,
        parts: &completed,
        etag: &etag,
        checksums: &checksums,
        checksum_type: kind,
        conditions: conditions::write(&request.headers)?,
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
    };
    let committed = app.index.complete_upload(completion).await?;
    let mut output = headers::with_checksums!(output(input, &etag), &checksums);
    output.checksum_type = kind.map(|kind| dto::ChecksumType::from_static(kind.as_str()));
    output.version_id = committed.version_id;
    Ok((output, committed.oci_digest))
}

/// The uploaded parts that the client names, each with the ETag and the checksum that it names.
fn chosen<'a>(input: &Input, named: &[(i32, &dto::CompletedPart)], uploaded: &'a [Part]) -> Result<Vec<&'a Part>> {
    let mut uploaded = uploaded.iter();
    let mut chosen = Vec::with_capacity(named.len());
    for (number, wanted) in named {
        // Both lists are in order.
        let part =
            uploaded.by_ref().find(|part| part.part_number >= *number).filter(|part| part.part_number == *number);
        let same = |part: &&Part| {
            wanted.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag) && sums_agree(wanted, part)
        };
        let part = part.filter(same).ok_or_else(|| {
            Error::from(Code::InvalidPart).with("UploadId", &input.upload_id).with("PartNumber", number)
        })?;
        chosen.push(part);
    }
    Ok(chosen)
}

fn sums_agree(wanted: &dto::CompletedPart, part: &Part) -> bool {
    let stated = [
        (Algorithm::Crc32, &wanted.checksum_crc32),
        (Algorithm::Crc32c, &wanted.checksum_crc32c),
        (Algorithm::Crc64Nvme, &wanted.checksum_crc64nvme),
        (Algorithm::Sha1, &wanted.checksum_sha1),
        (Algorithm::Sha256, &wanted.checksum_sha256),
    ];
    stated
        .into_iter()
        .all(|(algorithm, value)| value.is_none() || part.checksums.get(algorithm.key()) == value.as_ref())
}

fn check_sizes(input: &Input, parts: &[&Part]) -> Result<()> {
    let all_but_last = parts.split_last().map(|(_, rest)| rest).unwrap_or_default();
    if let Some(small) = all_but_last.iter().find(|part| part.size < MIN_PART_BYTES) {
        return Err(Error::from(Code::EntityTooSmall)
            .with("PartNumber", small.part_number)
            .with("ETag", &small.etag)
            .with("ProposedSize", small.size)
            .with("MinSizeAllowed", MIN_PART_BYTES));
    }
    let size: u64 = parts.iter().map(|part| part.size).sum();
    match input.mpu_object_size {
        Some(stated) if u64::try_from(stated).ok() != Some(size) => Err(Error::new(
            Code::InvalidRequest,
            format!(
                "The provided 'x-amz-mp-object-size' header value {stated} does not match what was computed: {size}"
            ),
        )),
        _ => Ok(()),
    }
}

fn etag(parts: &[&Part]) -> Result<String> {
    let etags = parts.iter().map(|part| part.etag.as_str());
    md5_of_md5s(etags).ok_or_else(|| Error::internal("a part's ETag is no MD5"))
}

/// The ETag of an object of the parts that the client names; `None` where one of them cannot be a part's ETag.
fn named_etag(named: &[(i32, &dto::CompletedPart)]) -> Option<String> {
    let etags: Option<Vec<&str>> = named.iter().map(|(_, part)| part.e_tag.as_ref().map(dto::ETag::value)).collect();
    md5_of_md5s(etags?.into_iter())
}

/// MD5 over the MD5s of the parts, with their number behind a dash.
fn md5_of_md5s<'a>(etags: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let (mut md5, count) = (Md5::new(), etags.len());
    for etag in etags {
        md5.update(hex::decode(etag).ok()?);
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}

/// What the client says about the whole object.
fn check_checksum(input: &Input, whole: Option<&(Algorithm, ChecksumType, String)>) -> Result<()> {
    if let Some(stated) = &input.checksum_type
        && whole.is_none_or(|(_, kind, _)| kind.as_str() != stated.as_str())
    {
        return Err(Error::new(Code::BadDigest, "The x-amz-checksum-type differs from that of the upload."));
    }
    let stated = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, value) in stated {
        let Some(value) = value else { continue };
        let Some((_, _, computed)) = whole.filter(|(own, ..)| *own == algorithm) else {
            return Err(Error::new(Code::InvalidRequest, format!("The upload has no {} checksum.", algorithm.name())));
        };
        // A composite one may be stated with the number of parts or without it.
        if value != computed && computed.split('-').next() != Some(value) {
            return Err(Error::new(
                Code::BadDigest,
                format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
            ));
        }
    }
    Ok(())
}

fn output(input: &Input, etag: &str) -> Output {
    Output {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        e_tag: Some(headers::etag(etag)),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn part(number: i32, size: u64) -> Part {
        Part {
            part_number: number,
            size,
            etag: hex::encode(Md5::digest(number.to_be_bytes())),
            checksums: Checksums::from([("crc32".into(), "AAAAAA==".into())]),
            last_modified: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn input(parts: &[(i32, &str)]) -> Input {
        let parts = parts.iter().map(|(number, etag)| dto::CompletedPart {
            part_number: Some(*number),
            e_tag: Some(headers::etag(etag)),
            ..Default::default()
        });
        Input {
            bucket: "bucket".into(),
            key: "key".into(),
            upload_id: "id".into(),
            multipart_upload: Some(dto::CompletedMultipartUpload { parts: Some(parts.collect()) }),
            ..Default::default()
        }
    }

    fn choose(named: &[(i32, &str)], uploaded: &[Part]) -> Result<Vec<i32>> {
        let input = input(named);
        let named = named_parts(&input)?;
        Ok(chosen(&input, &named, uploaded)?.iter().map(|part| part.part_number).collect())
    }

    #[test]
    fn parts_come_in_order_or_not_at_all() {
        for numbers in [&[2, 1][..], &[1, 1], &[1, 3, 2]] {
            let named: Vec<_> = numbers.iter().map(|number| (*number, "x")).collect();
            assert_eq!(named_parts(&input(&named)).unwrap_err().code(), Code::InvalidPartOrder, "{numbers:?}");
        }
        assert_eq!(named_parts(&input(&[])).unwrap_err().code(), Code::MalformedXml);
        assert_eq!(named_parts(&input(&[(0, "x")])).unwrap_err().code(), Code::InvalidArgument);
        let many: Vec<_> = (1..=10_001).map(|number| (number, "x")).collect();
        assert_eq!(named_parts(&input(&many)).unwrap_err().code(), Code::MalformedXml);
    }

    #[test]
    fn a_part_that_is_unknown_or_another_is_refused() {
        let uploaded = [part(1, 1), part(3, 1), part(7, 1)];
        let [one, three, seven] = [0, 1, 2].map(|i| uploaded[i].etag.as_str());
        assert_eq!(choose(&[(1, one), (7, seven)], &uploaded).unwrap(), [1, 7]);
        for named in [&[(2, one)][..], &[(1, three)], &[(1, one), (8, seven)]] {
            assert_eq!(choose(named, &uploaded).unwrap_err().code(), Code::InvalidPart, "{named:?}");
        }
    }

    #[test]
    fn a_part_with_another_checksum_is_refused() {
        let uploaded = part(1, 1);
        let mut wanted = dto::CompletedPart { checksum_crc32: Some("AAAAAA==".into()), ..Default::default() };
        assert!(sums_agree(&wanted, &uploaded));
        wanted.checksum_crc32 = Some("AAAAAQ==".into());
        assert!(!sums_agree(&wanted, &uploaded));
    }

    #[test]
    fn only_the_last_part_may_be_small() {
        let (small, large) = (part(1, MIN_PART_BYTES - 1), part(2, MIN_PART_BYTES));
        assert!(check_sizes(&input(&[]), &[&large, &small]).is_ok());
        assert_eq!(check_sizes(&input(&[]), &[&small, &large]).unwrap_err().code(), Code::EntityTooSmall);
    }

    #[test]
    fn the_stated_size_of_the_whole_must_be_right() {
        let stated = |size| Input { mpu_object_size: Some(size), ..input(&[]) };
        assert!(check_sizes(&stated(7), &[&part(1, 7)]).is_ok());
        assert_eq!(check_sizes(&stated(8), &[&part(1, 7)]).unwrap_err().code(), Code::InvalidRequest);
        assert_eq!(check_sizes(&stated(-7), &[&part(1, 7)]).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn the_etag_is_the_md5_of_the_md5s() {
        let mut part_one = part(1, 1);
        part_one.etag = "0cc175b9c0f1b6a831c399e269772661".into(); // MD5 of "a"
        let expected = hex::encode(Md5::digest(hex::decode(&part_one.etag).unwrap()));
        assert_eq!(etag(&[&part_one]).unwrap(), format!("{expected}-1"));
    }

    #[test]
    fn the_stated_checksum_of_the_whole_must_be_right() {
        let whole = (Algorithm::Crc32, ChecksumType::Composite, "AAAAAA==-2".to_owned());
        let stated = |value: &str| Input { checksum_crc32: Some(value.into()), ..input(&[]) };
        assert!(check_checksum(&stated("AAAAAA==-2"), Some(&whole)).is_ok());
        assert!(check_checksum(&stated("AAAAAA=="), Some(&whole)).is_ok());
        assert_eq!(check_checksum(&stated("AAAAAQ=="), Some(&whole)).unwrap_err().code(), Code::BadDigest);
        assert_eq!(check_checksum(&stated("AAAAAA=="), None).unwrap_err().code(), Code::InvalidRequest);
        let kind = |kind| Input { checksum_type: Some(dto::ChecksumType::from_static(kind)), ..input(&[]) };
        assert!(check_checksum(&kind("COMPOSITE"), Some(&whole)).is_ok());
        assert_eq!(check_checksum(&kind("FULL_OBJECT"), Some(&whole)).unwrap_err().code(), Code::BadDigest);
    }
}
