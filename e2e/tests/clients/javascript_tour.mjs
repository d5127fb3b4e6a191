// Drives an S3 server with the AWS SDK for JavaScript (v3) as an application would, at the SDK's default settings.
//
// Usage: javascript_tour.mjs [objects|versions]; endpoint, region and access key are those of the environment. An endpoint that has a name is
// that of this machine, as are the names of its buckets: no name server knows them.
// Each step has a bucket of its own, and runs whatever happened to the others. Exits with 1 when one failed.

import { createHash, randomUUID } from "node:crypto";
import dns from "node:dns";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";

import * as s3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

import { check, pattern, refused, run, same, step } from "./tour.mjs";

const PART = 5 * 1024 * 1024;
const KEYS = ["plain", "a b", "a+b", "100%", "ü/€/😀", "q?x=1&y=2#z", "<tag attr='x\"'>&amp;", "~._-!*'()", "folder/", "a//b"];

const endpoint = new URL(process.env.AWS_ENDPOINT_URL).hostname;
const hosts = new Set();
const lookup = dns.lookup;
dns.lookup = (host, options, done) => {
  hosts.add(host);
  return lookup(host === endpoint || host.endsWith(`.${endpoint}`) ? "127.0.0.1" : host, options, done);
};

const client = new s3.S3Client({});

const md5 = (bytes) => createHash("md5").update(bytes).digest("hex");
const send = (operation, input) => client.send(new s3[`${operation}Command`](input));

async function newBucket() {
  const Bucket = `js-${randomUUID().replaceAll("-", "").slice(0, 20)}`;
  await send("CreateBucket", { Bucket });
  return Bucket;
}

const put = (Bucket, Key, Body = "x", options = {}) => send("PutObject", { Bucket, Key, Body, ...options });

async function get(Bucket, Key, options = {}) {
  const found = await send("GetObject", { Bucket, Key, ...options });
  return Buffer.from(await found.Body.transformToByteArray());
}

function objects() {
  step("a bucket is made, found, listed and deleted", async () => {
    const Bucket = await newBucket();
    await send("HeadBucket", { Bucket });
    // The SDK writes the bucket into the host wherever the endpoint has a name.
    check(isIP(endpoint) || hosts.has(`${Bucket}.${endpoint}`), `asked for ${[...hosts]}`);
    check((await send("ListBuckets", {})).Buckets.some((found) => found.Name === Bucket));
    await put(Bucket, "key");
    await refused("BucketNotEmpty", 409, () => send("DeleteBucket", { Bucket }));
    await send("DeleteObject", { Bucket, Key: "key" });
    await send("DeleteBucket", { Bucket });
    await refused("NotFound", 404, () => send("HeadBucket", { Bucket }));
    await refused("NoSuchBucket", 404, () => put(Bucket, "key"));
  });

  step("an object comes back as it was put, with the checksum that the SDK sends by itself", async () => {
    const Bucket = await newBucket();
    const body = pattern(70_001);
    const answer = await put(Bucket, "folder/key", body, { ContentType: "text/x-tour", CacheControl: "max-age=60" });
    same(answer.ETag, `"${md5(body)}"`);
    check(answer.ChecksumCRC32, "the default checksum of the SDK is not answered");
    const head = await send("HeadObject", { Bucket, Key: "folder/key", ChecksumMode: "ENABLED" });
    same([head.ContentLength, head.ContentType, head.CacheControl], [body.length, "text/x-tour", "max-age=60"]);
    same(head.ChecksumCRC32, answer.ChecksumCRC32);
    same(await get(Bucket, "folder/key"), body);
    await refused("NoSuchKey", 404, () => get(Bucket, "missing"));
    await refused("NotFound", 404, () => send("HeadObject", { Bucket, Key: "missing" }));
  });

  step("a stream goes up with a trailing checksum of each kind", async () => {
    const Bucket = await newBucket();
    const body = pattern(300_007, 3);
    for (const ChecksumAlgorithm of [undefined, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      const pieces = [body.subarray(0, 1), body.subarray(1, 100_000), body.subarray(100_000)];
      // A stream has no length of its own: the SDK sends `aws-chunked` with the checksum behind the last chunk.
      const answer = await put(Bucket, "stream", Readable.from(pieces, { objectMode: false }), { ChecksumAlgorithm, ContentLength: body.length });
      check(answer[`Checksum${ChecksumAlgorithm ?? "CRC32"}`], `${ChecksumAlgorithm} is not answered`);
      same(await get(Bucket, "stream", { ChecksumMode: "ENABLED" }), body);
    }
  });

  step("keys may hold any character", async () => {
    const Bucket = await newBucket();
    for (const key of KEYS) await put(Bucket, key, key);
    for (const key of KEYS) same((await get(Bucket, key)).toString(), key);
    const listed = (await send("ListObjectsV2", { Bucket })).Contents.map((found) => found.Key);
    same(listed, [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    for (const [number, key] of KEYS.entries()) {
      await send("CopyObject", { Bucket, Key: `copy/${number}`, CopySource: `${Bucket}/${encodeURIComponent(key)}` });
      same((await get(Bucket, `copy/${number}`)).toString(), key);
    }
  });

  step("metadata and tags are kept, and follow a copy or are replaced by it", async () => {
    const Bucket = await newBucket();
    const Metadata = { colour: "blue", "two-words": "a b" };
    await put(Bucket, "key", "x", { Metadata, Tagging: "team=a%20b&cost=%2B1" });
    const tags = async (Key) => (await send("GetObjectTagging", { Bucket, Key })).TagSet.map((tag) => [tag.Key, tag.Value]).sort();
    const metadata = async (Key) => (await send("HeadObject", { Bucket, Key })).Metadata;
    same(await metadata("key"), Metadata);
    same(await tags("key"), [["cost", "+1"], ["team", "a b"]]);
    await send("CopyObject", { Bucket, Key: "copy", CopySource: `${Bucket}/key` });
    same([await metadata("copy"), await tags("copy")], [Metadata, [["cost", "+1"], ["team", "a b"]]]);
    const replaced = { MetadataDirective: "REPLACE", Metadata: { new: "1" }, TaggingDirective: "REPLACE", Tagging: "only=this" };
    await send("CopyObject", { Bucket, Key: "key", CopySource: `${Bucket}/key`, ...replaced });
    same([await metadata("key"), await tags("key")], [{ new: "1" }, [["only", "this"]]]);
    await send("PutObjectTagging", { Bucket, Key: "key", Tagging: { TagSet: [{ Key: "ü", Value: "straße" }] } });
    same(await tags("key"), [["ü", "straße"]]);
    await send("DeleteObjectTagging", { Bucket, Key: "key" });
    same(await tags("key"), []);
  });

  step("metadata outside of ASCII comes back as an encoded word", async () => {
    const Bucket = await newBucket();
    // RFC 2047, as AWS gives it back.
    const encoded = (text) => `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;
    await put(Bucket, "key", "x", { Metadata: { word: "grün", euro: encoded("grün €") } });
    same((await send("HeadObject", { Bucket, Key: "key" })).Metadata, { word: encoded("grün"), euro: encoded("grün €") });
  });

  step("ranges give their bytes", async () => {
    const Bucket = await newBucket();
    const body = pattern(100_000, 4);
    await put(Bucket, "key", body);
    same(await get(Bucket, "key", { Range: "bytes=0-9" }), body.subarray(0, 10));
    same(await get(Bucket, "key", { Range: "bytes=99990-" }), body.subarray(99_990));
    same(await get(Bucket, "key", { Range: "bytes=-5" }), body.subarray(-5));
    const found = await send("GetObject", { Bucket, Key: "key", Range: "bytes=50000-200000" });
    same([found.ContentRange, found.ContentLength], ["bytes 50000-99999/100000", 50_000]);
    await buffer(found.Body);
    await refused("InvalidRange", 416, () => get(Bucket, "key", { Range: "bytes=100000-" }));
  });

  step("conditions decide whether a read or a write happens", async () => {
    const Bucket = await newBucket();
    const writes = await Promise.allSettled([1, 2, 3, 4].map((n) => put(Bucket, "key", `${n}`, { IfNoneMatch: "*" })));
    const lost = writes.filter((write) => write.status === "rejected").map((write) => write.reason.$metadata.httpStatusCode);
    same(lost.length, 3);
    check(lost.every((status) => status === 412 || status === 409), `${lost}`);
    const { ETag } = await send("HeadObject", { Bucket, Key: "key" });
    await refused("PreconditionFailed", 412, () => put(Bucket, "key", "x", { IfMatch: '"other"' }));
    await refused("PreconditionFailed", 412, () => get(Bucket, "key", { IfMatch: '"other"' }));
    await refused(null, 304, () => get(Bucket, "key", { IfNoneMatch: ETag }));
    await refused("PreconditionFailed", 412, () => send("DeleteObject", { Bucket, Key: "key", IfMatch: '"other"' }));
    await put(Bucket, "key", "replaced", { IfMatch: ETag });
    same((await get(Bucket, "key")).toString(), "replaced");
  });

  step("a listing gives every key by pages, and folds folders", async () => {
    const Bucket = await newBucket();
    const keys = [...Array(12).keys()].map((n) => `a/${String(n).padStart(2, "0")}`).concat(["b/c/1", "b/x", "top", "z z/ü"]);
    await Promise.all(keys.map((key) => put(Bucket, key)));
    for (const pageSize of [1, 5, 1000]) {
      const found = [];
      for await (const page of s3.paginateListObjectsV2({ client, pageSize }, { Bucket })) found.push(...page.Contents.map(({ Key }) => Key));
      same(found, keys);
    }
    const folded = await send("ListObjectsV2", { Bucket, Delimiter: "/" });
    same([folded.CommonPrefixes.map(({ Prefix }) => Prefix), folded.Contents.map(({ Key }) => Key)], [["a/", "b/", "z z/"], ["top"]]);
    same((await send("ListObjectsV2", { Bucket, Prefix: "a/1", StartAfter: "a/10" })).Contents.map(({ Key }) => Key), ["a/11"]);
    same((await send("ListObjects", { Bucket, Marker: "b/x" })).Contents.map(({ Key }) => Key), ["top", "z z/ü"]);
  });

  step("many objects are deleted at once", async () => {
    const Bucket = await newBucket();
    await Promise.all(KEYS.map((key) => put(Bucket, key)));
    const answer = await send("DeleteObjects", { Bucket, Delete: { Objects: [...KEYS, "missing"].map((Key) => ({ Key })) } });
    same([answer.Deleted.length, answer.Errors ?? []], [KEYS.length + 1, []]);
    same((await send("ListObjectsV2", { Bucket })).KeyCount, 0);
  });

  step("a multipart upload of odd sizes becomes one object, by hand", async () => {
    const Bucket = await newBucket();
    const parts = [pattern(PART, 1), pattern(PART + 13, 2), pattern(777, 3)];
    const { UploadId } = await send("CreateMultipartUpload", { Bucket, Key: "big", ContentType: "text/big", Metadata: { m: "1" } });
    const Parts = [];
    for (const [at, Body] of parts.entries()) {
      const part = await send("UploadPart", { Bucket, Key: "big", UploadId, PartNumber: at + 1, Body });
      Parts.push({ PartNumber: at + 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
    }
    same((await send("ListParts", { Bucket, Key: "big", UploadId })).Parts.map(({ Size }) => Size), parts.map((part) => part.length));
    const done = await send("CompleteMultipartUpload", { Bucket, Key: "big", UploadId, MultipartUpload: { Parts } });
    same(done.ETag, `"${md5(Buffer.concat(parts.map((part) => createHash("md5").update(part).digest())))}-3"`);
    same(await get(Bucket, "big"), Buffer.concat(parts));
    same((await get(Bucket, "big", { PartNumber: 3 })).length, 777);
    const aborted = await send("CreateMultipartUpload", { Bucket, Key: "never" });
    await send("AbortMultipartUpload", { Bucket, Key: "never", UploadId: aborted.UploadId });
    same((await send("ListMultipartUploads", { Bucket })).Uploads ?? [], []);
  });

  step("a stream of unknown length is uploaded in parts by lib-storage", async () => {
    const Bucket = await newBucket();
    const body = pattern(2 * PART + 4321, 5);
    const pieces = [body.subarray(0, 3_000_001), body.subarray(3_000_001, 9_999_999), body.subarray(9_999_999)];
    const params = { Bucket, Key: "streamed", Body: Readable.from(pieces, { objectMode: false }) };
    const done = await new Upload({ client, params }).done();
    check(done.ETag.endsWith('-3"'), done.ETag);
    same(await get(Bucket, "streamed"), body);
    await new Upload({ client, params: { Bucket, Key: "small", Body: "small" } }).done();
    same((await get(Bucket, "small")).toString(), "small");
  });

  step("a presigned URL puts and gets one object and nothing else", async () => {
    const Bucket = await newBucket();
    for (const Key of ["plain", "a b+c%/ü"]) {
      const url = (operation, input = {}) => getSignedUrl(client, new s3[`${operation}Command`]({ Bucket, Key, ...input }), { expiresIn: 300 });
      const putting = await url("PutObject");
      const answer = await fetch(putting, { method: "PUT", body: "by URL" });
      // The SDK has put the checksum of no bytes into the URL.
      check(putting.includes("x-amz-checksum-crc32=AAAAAA"), putting);
      same([answer.status, await answer.text()], [200, ""]);
      const read = await fetch(await url("GetObject", { ResponseContentType: "text/x-other" }));
      same([read.status, read.headers.get("content-type"), await read.text()], [200, "text/x-other", "by URL"]);
      same((await fetch(putting)).status, 403);
      same((await fetch((await url("GetObject")).split("?")[0])).status, 403);
    }
  });
}

function versions() {
  const listed = async (Bucket) => {
    const page = await send("ListObjectVersions", { Bucket });
    return { versions: page.Versions ?? [], markers: page.DeleteMarkers ?? [] };
  };
  const versioned = async () => {
    const Bucket = await newBucket();
    await send("PutBucketVersioning", { Bucket, VersioningConfiguration: { Status: "Enabled" } });
    same((await send("GetBucketVersioning", { Bucket })).Status, "Enabled");
    return Bucket;
  };

  step("every put is a version that is read by its id", async () => {
    const Bucket = await versioned();
    const first = (await put(Bucket, "key", "one")).VersionId;
    const second = (await put(Bucket, "key", "two")).VersionId;
    check(first && second && first !== second, `${first} ${second}`);
    same((await get(Bucket, "key")).toString(), "two");
    same((await get(Bucket, "key", { VersionId: first })).toString(), "one");
    same((await send("HeadObject", { Bucket, Key: "key" })).VersionId, second);
    same((await listed(Bucket)).versions.map((found) => [found.VersionId, found.IsLatest]), [[second, true], [first, false]]);
    await send("CopyObject", { Bucket, Key: "key", CopySource: `${Bucket}/key?versionId=${first}` });
    same((await get(Bucket, "key")).toString(), "one");
  });

  step("a delete leaves a marker, and removing the marker brings the object back", async () => {
    const Bucket = await versioned();
    const { VersionId } = await put(Bucket, "key", "one");
    const deleted = await send("DeleteObject", { Bucket, Key: "key" });
    same(deleted.DeleteMarker, true);
    await refused("NoSuchKey", 404, () => get(Bucket, "key"));
    same((await get(Bucket, "key", { VersionId })).toString(), "one");
    same((await listed(Bucket)).markers.map((found) => [found.VersionId, found.IsLatest]), [[deleted.VersionId, true]]);
    await send("DeleteObject", { Bucket, Key: "key", VersionId: deleted.VersionId });
    same((await get(Bucket, "key")).toString(), "one");
  });

  step("a bucket is deleted when its versions were deleted one by one", async () => {
    const Bucket = await versioned();
    for (const body of ["one", "two", "three"]) await put(Bucket, "a b/ü", body);
    await send("DeleteObject", { Bucket, Key: "a b/ü" });
    await refused("BucketNotEmpty", 409, () => send("DeleteBucket", { Bucket }));
    const { versions, markers } = await listed(Bucket);
    same([versions.length, markers.length], [3, 1]);
    const Objects = [...versions, ...markers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    same((await send("DeleteObjects", { Bucket, Delete: { Objects } })).Errors ?? [], []);
    await send("DeleteBucket", { Bucket });
  });
}

({ objects, versions })[process.argv[2] ?? "objects"]();
await run();
