//! What applications do with objects.

use std::{collections::HashMap, time::Duration};

use aws_sdk_s3::{
    presigning::{PresignedRequest, PresigningConfig},
    primitives::ByteStream,
    types::{
        ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete, MetadataDirective,
        ObjectIdentifier, Tag, Tagging, TaggingDirective,
    },
};

use crate::tour::{Calls, Outcome, Tour, check, pattern, refused, same, same_bytes};

const PART: usize = 5 * 1024 * 1024;
const KEYS: [&str; 10] =
    ["plain", "a b", "a+b", "100%", "ü/€/😀", "q?x=1&y=2#z", "<tag attr='x\"'>&amp;", "~._-!*'()", "folder/", "a//b"];

pub async fn run(tour: &mut Tour) {
    tour.step("a bucket is made, found, listed and deleted", buckets).await;
    tour.step("an object comes back as it was put, with the checksum that the SDK sends by itself", roundtrip).await;
    tour.step("a file goes up with a trailing checksum of each kind", trailers).await;
    tour.step("keys may hold any character", keys).await;
    tour.step("metadata and tags are kept, and follow a copy or are replaced by it", metadata).await;
    tour.step("ranges give their bytes", ranges).await;
    tour.step("conditions decide whether a read or a write happens", conditions).await;
    tour.step("a listing gives every key by pages, and folds folders", listings).await;
    tour.step("many objects are deleted at once", deletes).await;
    tour.step("a multipart upload of odd sizes becomes one object", multipart).await;
    tour.step("a presigned URL puts and gets one object and nothing else", presigned).await;
}

async fn buckets(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    s3.0.head_bucket().bucket(&bucket).send().await?;
    let listed = s3.0.list_buckets().send().await?;
    check(listed.buckets().iter().any(|found| found.name() == Some(&bucket)), "not listed")?;
    s3.put(&bucket, "key", b"x").await?;
    refused(Some("BucketNotEmpty"), 409, s3.0.delete_bucket().bucket(&bucket).send().await)?;
    s3.0.delete_object().bucket(&bucket).key("key").send().await?;
    s3.0.delete_bucket().bucket(&bucket).send().await?;
    refused(None, 404, s3.0.head_bucket().bucket(&bucket).send().await)?;
    refused(Some("NoSuchBucket"), 404, s3.0.put_object().bucket(&bucket).key("key").send().await)
}

async fn roundtrip(s3: Calls) -> Outcome {
    let (bucket, body) = (s3.new_bucket().await?, pattern(70_001, 0));
    let put = s3.0.put_object().bucket(&bucket).key("folder/key").content_type("text/x-tour");
    let answer = put.body(ByteStream::from(body.clone())).send().await?;
    check(answer.checksum_crc32().is_some(), "the default checksum of the SDK is not answered")?;
    let head = s3.0.head_object().bucket(&bucket).key("folder/key").checksum_mode(ChecksumMode::Enabled).send().await?;
    same((head.content_length(), head.content_type()), (Some(70_001), Some("text/x-tour")))?;
    same((head.e_tag(), head.checksum_crc32()), (answer.e_tag(), answer.checksum_crc32()))?;
    same_bytes(&s3.get(&bucket, "folder/key").await?, &body)?;
    refused(Some("NoSuchKey"), 404, s3.0.get_object().bucket(&bucket).key("missing").send().await)?;
    refused(None, 404, s3.0.head_object().bucket(&bucket).key("missing").send().await)
}

async fn trailers(s3: Calls) -> Outcome {
    let (bucket, body) = (s3.new_bucket().await?, pattern(300_007, 3));
    let file = std::path::Path::new(&bucket);
    std::fs::write(file, &body)?;
    use ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
    for algorithm in [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256] {
        // A file is read once, on its way: its checksum follows the bytes.
        let put = s3.0.put_object().bucket(&bucket).key("file").checksum_algorithm(algorithm.clone());
        let answer = put.body(ByteStream::from_path(file).await?).send().await?;
        let found = match algorithm {
            Crc32 => answer.checksum_crc32(),
            Crc32C => answer.checksum_crc32_c(),
            Crc64Nvme => answer.checksum_crc64_nvme(),
            Sha1 => answer.checksum_sha1(),
            _ => answer.checksum_sha256(),
        };
        check(found.is_some(), &format!("{algorithm} is not answered"))?;
        same_bytes(&s3.get(&bucket, "file").await?, &body)?;
    }
    Ok(std::fs::remove_file(file)?)
}

async fn keys(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    for key in KEYS {
        s3.put(&bucket, key, key.as_bytes()).await?;
    }
    for key in KEYS {
        same_bytes(&s3.get(&bucket, key).await?, key.as_bytes())?;
    }
    let mut sorted = KEYS;
    sorted.sort_unstable();
    same(s3.keys(&bucket).await?, sorted)?;
    for key in KEYS {
        s3.0.copy_object().bucket(&bucket).key("copy").copy_source(encoded(&bucket, key)).send().await?;
        same_bytes(&s3.get(&bucket, "copy").await?, key.as_bytes())?;
    }
    Ok(())
}

async fn metadata(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    // A word outside of ASCII is given back as an encoded word (RFC 2047), as AWS does.
    let word = "=?UTF-8?B?Z3LDvG4g4oKs?=";
    let put = s3.0.put_object().bucket(&bucket).key("key").metadata("colour", "blue").metadata("word", word);
    put.tagging("team=a%20b&cost=%2B1").send().await?;
    let expected = HashMap::from([("colour".to_owned(), "blue".to_owned()), ("word".to_owned(), word.to_owned())]);
    let copy = |key: &str| s3.0.copy_object().bucket(&bucket).copy_source(format!("{bucket}/key")).key(key);
    copy("copy").send().await?;
    for key in ["key", "copy"] {
        same(s3.0.head_object().bucket(&bucket).key(key).send().await?.metadata(), Some(&expected))?;
        same(
            tags(&s3, &bucket, key).await?,
            [("cost".to_owned(), "+1".to_owned()), ("team".to_owned(), "a b".to_owned())],
        )?;
    }
    let replacing = copy("key").metadata_directive(MetadataDirective::Replace).metadata("new", "1");
    replacing.tagging_directive(TaggingDirective::Replace).tagging("only=this").send().await?;
    let expected = HashMap::from([("new".to_owned(), "1".to_owned())]);
    same(s3.0.head_object().bucket(&bucket).key("key").send().await?.metadata(), Some(&expected))?;
    same(tags(&s3, &bucket, "key").await?, [("only".to_owned(), "this".to_owned())])?;
    let tagging = Tagging::builder().tag_set(Tag::builder().key("ü").value("straße").build()?).build()?;
    s3.0.put_object_tagging().bucket(&bucket).key("key").tagging(tagging).send().await?;
    same(tags(&s3, &bucket, "key").await?, [("ü".to_owned(), "straße".to_owned())])?;
    s3.0.delete_object_tagging().bucket(&bucket).key("key").send().await?;
    check(tags(&s3, &bucket, "key").await?.is_empty(), "tags are left")
}

async fn tags(s3: &Calls, bucket: &str, key: &str) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let found = s3.0.get_object_tagging().bucket(bucket).key(key).send().await?;
    let mut tags: Vec<_> = found.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort_unstable();
    Ok(tags)
}

async fn ranges(s3: Calls) -> Outcome {
    let (bucket, body) = (s3.new_bucket().await?, pattern(100_000, 4));
    s3.put(&bucket, "key", &body).await?;
    for (range, expected) in [
        ("bytes=0-9", &body[..10]),
        ("bytes=99990-", &body[99_990..]),
        ("bytes=-5", &body[99_995..]),
        ("bytes=50000-200000", &body[50_000..]),
    ] {
        same_bytes(&s3.range(&bucket, "key", range).await?, expected)?;
    }
    refused(Some("InvalidRange"), 416, s3.0.get_object().bucket(&bucket).key("key").range("bytes=100000-").send().await)
}

async fn conditions(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    let put = || s3.0.put_object().bucket(&bucket).key("key");
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(put().if_none_match("*").send())).collect();
    let mut won = 0;
    for writer in writers {
        match writer.await? {
            Ok(_) => won += 1,
            Err(error) => {
                let status = error.raw_response().map(|raw| raw.status().as_u16());
                check(matches!(status, Some(409 | 412)), &format!("{status:?}"))?;
            }
        }
    }
    same(won, 1)?;
    let etag = s3.0.head_object().bucket(&bucket).key("key").send().await?.e_tag().unwrap_or_default().to_owned();
    let failed = Some("PreconditionFailed");
    refused(failed, 412, put().if_match("\"other\"").send().await)?;
    refused(failed, 412, s3.0.get_object().bucket(&bucket).key("key").if_match("\"other\"").send().await)?;
    refused(None, 304, s3.0.get_object().bucket(&bucket).key("key").if_none_match(&etag).send().await)?;
    refused(failed, 412, s3.0.delete_object().bucket(&bucket).key("key").if_match("\"other\"").send().await)?;
    put().if_match(etag).body(ByteStream::from_static(b"replaced")).send().await?;
    same_bytes(&s3.get(&bucket, "key").await?, b"replaced")
}

async fn listings(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    let mut keys: Vec<String> = (0..12).map(|n| format!("a/{n:02}")).collect();
    keys.extend(["b/c/1", "b/x", "top", "z z/ü"].map(str::to_owned));
    for key in &keys {
        s3.put(&bucket, key, b"x").await?;
    }
    for size in [1, 5, 1000] {
        let mut pages = s3.0.list_objects_v2().bucket(&bucket).into_paginator().page_size(size).send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            found.extend(page?.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        same(&found, &keys)?;
    }
    let folded = s3.0.list_objects_v2().bucket(&bucket).delimiter("/").send().await?;
    let prefixes: Vec<_> = folded.common_prefixes().iter().filter_map(|found| found.prefix()).collect();
    same(prefixes, ["a/", "b/", "z z/"])?;
    same(folded.contents().iter().filter_map(|found| found.key()).collect::<Vec<_>>(), ["top"])?;
    let after = s3.0.list_objects().bucket(&bucket).marker("b/x").send().await?;
    same(after.contents().iter().filter_map(|found| found.key()).collect::<Vec<_>>(), ["top", "z z/ü"])
}

async fn deletes(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    let mut names = Delete::builder();
    for key in KEYS {
        s3.put(&bucket, key, b"x").await?;
        names = names.objects(ObjectIdentifier::builder().key(key).build()?);
    }
    let answer = s3.0.delete_objects().bucket(&bucket).delete(names.build()?).send().await?;
    same((answer.deleted().len(), answer.errors().len()), (KEYS.len(), 0))?;
    check(s3.keys(&bucket).await?.is_empty(), "keys are left")
}

async fn multipart(s3: Calls) -> Outcome {
    let (bucket, parts) = (s3.new_bucket().await?, [pattern(PART, 1), pattern(PART + 13, 2), pattern(777, 3)]);
    let begun =
        s3.0.create_multipart_upload()
            .bucket(&bucket)
            .key("big")
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await?;
    let id = begun.upload_id().ok_or("no upload id")?;
    let mut done = CompletedMultipartUpload::builder();
    for (number, body) in (1..).zip(&parts) {
        let part = s3.0.upload_part().bucket(&bucket).key("big").upload_id(id).part_number(number);
        let part =
            part.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(body.clone())).send().await?;
        let completed =
            CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).set_checksum_crc32(part.checksum_crc32);
        done = done.parts(completed.build());
    }
    let listed = s3.0.list_parts().bucket(&bucket).key("big").upload_id(id).send().await?;
    same(
        listed.parts().iter().filter_map(|part| part.size()).collect::<Vec<_>>(),
        parts.each_ref().map(|part| part.len() as i64),
    )?;
    let complete =
        s3.0.complete_multipart_upload().bucket(&bucket).key("big").upload_id(id).multipart_upload(done.build());
    let etag = complete.send().await?.e_tag.unwrap_or_default();
    check(etag.ends_with("-3\""), &etag)?;
    same_bytes(&s3.get(&bucket, "big").await?, &parts.concat())?;
    let begun = s3.0.create_multipart_upload().bucket(&bucket).key("never").send().await?;
    s3.0.abort_multipart_upload().bucket(&bucket).key("never").set_upload_id(begun.upload_id).send().await?;
    same(s3.0.list_multipart_uploads().bucket(&bucket).send().await?.uploads().len(), 0)
}

async fn presigned(s3: Calls) -> Outcome {
    let bucket = s3.new_bucket().await?;
    let http = reqwest::Client::new();
    let within = || PresigningConfig::expires_in(Duration::from_secs(300));
    for key in ["plain", "a b+c%/ü"] {
        let putting = s3.0.put_object().bucket(&bucket).key(key).presigned(within()?).await?;
        same(http.put(putting.uri()).body("by URL").send().await?.status().as_u16(), 200)?;
        let getting =
            s3.0.get_object()
                .bucket(&bucket)
                .key(key)
                .response_content_type("text/x-other")
                .presigned(within()?)
                .await?;
        let read = http.get(getting.uri()).send().await?;
        same(read.headers().get("content-type").and_then(|value| value.to_str().ok()), Some("text/x-other"))?;
        same(read.text().await?, "by URL")?;
        let bare = |of: &PresignedRequest| of.uri().split('?').next().unwrap_or_default().to_owned();
        same(http.get(putting.uri()).send().await?.status().as_u16(), 403)?;
        same(http.get(bare(&getting)).send().await?.status().as_u16(), 403)?;
    }
    Ok(())
}

/// `bucket/key` as `x-amz-copy-source` has it: the SDK leaves the encoding to the application.
fn encoded(bucket: &str, key: &str) -> String {
    let bytes = key.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    format!("{bucket}/{}", bytes.collect::<String>())
}
