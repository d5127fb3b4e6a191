// Drives an S3 server with the AWS SDK for Java (v2) as an application would, at the SDK's default settings.
//
// Usage: java -cp JARS JavaTour.java [objects|versions]; endpoint, region and access key are those of the environment.
// Each step has a bucket of its own, and runs whatever happened to the others. Exits with 1 when one failed. Files are left in the folder
// that it works in.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.*;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

public final class JavaTour {
    private static final int PART = 5 * 1024 * 1024;
    private static final List<String> KEYS = List.of(
            "plain", "a b", "a+b", "100%", "ü/€/😀", "q?x=1&y=2#z", "<tag attr='x\"'>&amp;", "~._-!*'()", "folder/", "a//b");

    private static final S3Client s3 = S3Client.create();
    private static int held;
    private static int failed;

    public static void main(String[] arguments) throws Exception {
        switch (arguments.length == 0 ? "objects" : arguments[0]) {
            case "objects" -> objects();
            case "versions" -> versions();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.out.println(held + " steps hold, " + failed + " do not");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void objects() {
        step("a bucket is made, found, listed and deleted", () -> {
            String bucket = newBucket();
            s3.headBucket(r -> r.bucket(bucket));
            check(s3.listBuckets().buckets().stream().anyMatch(found -> found.name().equals(bucket)), "not listed");
            put(bucket, "key", bytes("x"));
            refused("BucketNotEmpty", 409, () -> s3.deleteBucket(r -> r.bucket(bucket)));
            s3.deleteObject(r -> r.bucket(bucket).key("key"));
            s3.deleteBucket(r -> r.bucket(bucket));
            refused(null, 404, () -> s3.headBucket(r -> r.bucket(bucket)));
            refused("NoSuchBucket", 404, () -> put(bucket, "key", bytes("x")));
        });

        step("an object comes back as it was put, with the checksum that the SDK sends by itself", () -> {
            String bucket = newBucket();
            byte[] body = pattern(70_001, 0);
            var answer = s3.putObject(r -> r.bucket(bucket).key("folder/key").contentType("text/x-tour"), RequestBody.fromBytes(body));
            same(answer.eTag(), '"' + md5(body) + '"');
            check(answer.checksumCRC32() != null, "the default checksum of the SDK is not answered");
            var head = s3.headObject(r -> r.bucket(bucket).key("folder/key").checksumMode(ChecksumMode.ENABLED));
            same(List.of(head.contentLength(), head.contentType(), head.checksumCRC32()),
                    List.of((long) body.length, "text/x-tour", answer.checksumCRC32()));
            same(get(bucket, "folder/key"), body);
            refused("NoSuchKey", 404, () -> get(bucket, "missing"));
        });

        step("a stream goes up with a trailing checksum of each kind", () -> {
            String bucket = newBucket();
            byte[] body = pattern(300_007, 3);
            for (var algorithm : List.of(ChecksumAlgorithm.CRC32, ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256)) {
                // A stream's checksum is not known before its bytes went out: it follows them.
                s3.putObject(r -> r.bucket(bucket).key("stream").checksumAlgorithm(algorithm),
                        RequestBody.fromInputStream(new ByteArrayInputStream(body), body.length));
                same(get(bucket, "stream"), body);
                var head = s3.headObject(r -> r.bucket(bucket).key("stream").checksumMode(ChecksumMode.ENABLED));
                var found = Arrays.asList(head.checksumCRC32(), head.checksumSHA1(), head.checksumSHA256());
                same(found.stream().filter(Objects::nonNull).count(), 1L);
            }
        });

        step("keys may hold any character", () -> {
            String bucket = newBucket();
            for (String key : KEYS) put(bucket, key, bytes(key));
            for (String key : KEYS) same(get(bucket, key), bytes(key));
            var sorted = new ArrayList<>(KEYS);
            sorted.sort((a, b) -> Arrays.compareUnsigned(bytes(a), bytes(b)));
            same(keys(s3.listObjectsV2(r -> r.bucket(bucket)).contents()), sorted);
            for (String key : KEYS) {
                s3.copyObject(r -> r.sourceBucket(bucket).sourceKey(key).destinationBucket(bucket).destinationKey("copy"));
                same(get(bucket, "copy"), bytes(key));
            }
        });

        step("metadata and tags are kept, and follow a copy or are replaced by it", () -> {
            String bucket = newBucket();
            var metadata = Map.of("colour", "blue", "two-words", "a b");
            var tags = List.of(tag("cost", "+1"), tag("team", "a b"));
            s3.putObject(r -> r.bucket(bucket).key("key").metadata(metadata).tagging(Tagging.builder().tagSet(tags).build()),
                    RequestBody.fromString("x"));
            same(s3.headObject(r -> r.bucket(bucket).key("key")).metadata(), metadata);
            same(tags(bucket, "key"), tags);
            s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("key").destinationBucket(bucket).destinationKey("copy"));
            same(List.of(s3.headObject(r -> r.bucket(bucket).key("copy")).metadata(), tags(bucket, "copy")), List.of(metadata, tags));
            s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("key").destinationBucket(bucket).destinationKey("key")
                    .metadataDirective(MetadataDirective.REPLACE).metadata(Map.of("new", "1"))
                    .taggingDirective(TaggingDirective.REPLACE).tagging("only=this"));
            same(s3.headObject(r -> r.bucket(bucket).key("key")).metadata(), Map.of("new", "1"));
            same(tags(bucket, "key"), List.of(tag("only", "this")));
            s3.putObjectTagging(r -> r.bucket(bucket).key("key").tagging(t -> t.tagSet(tag("ü", "straße"))));
            same(tags(bucket, "key"), List.of(tag("ü", "straße")));
            s3.deleteObjectTagging(r -> r.bucket(bucket).key("key"));
            same(tags(bucket, "key"), List.of());
        });

        step("metadata in UTF-8 comes back as an encoded word", () -> {
            String bucket = newBucket();
            String word = "=?UTF-8?B?" + Base64.getEncoder().encodeToString(bytes("grün €")) + "?=";
            s3.putObject(r -> r.bucket(bucket).key("key").metadata(Map.of("word", word)), RequestBody.fromString("x"));
            same(s3.headObject(r -> r.bucket(bucket).key("key")).metadata(), Map.of("word", word));
        });

        step("ranges give their bytes", () -> {
            String bucket = newBucket();
            byte[] body = pattern(100_000, 4);
            put(bucket, "key", body);
            same(get(bucket, "key", "bytes=0-9"), Arrays.copyOf(body, 10));
            same(get(bucket, "key", "bytes=99990-"), Arrays.copyOfRange(body, 99_990, 100_000));
            same(get(bucket, "key", "bytes=-5"), Arrays.copyOfRange(body, 99_995, 100_000));
            same(get(bucket, "key", "bytes=50000-200000"), Arrays.copyOfRange(body, 50_000, 100_000));
            refused("InvalidRange", 416, () -> get(bucket, "key", "bytes=100000-"));
        });

        step("conditions decide whether a read or a write happens", () -> {
            String bucket = newBucket();
            same(writers(4, () -> s3.putObject(r -> r.bucket(bucket).key("key").ifNoneMatch("*"), RequestBody.fromString("x"))), 1);
            String etag = s3.headObject(r -> r.bucket(bucket).key("key")).eTag();
            refused("PreconditionFailed", 412,
                    () -> s3.putObject(r -> r.bucket(bucket).key("key").ifMatch("\"other\""), RequestBody.fromString("y")));
            refused("PreconditionFailed", 412, () -> s3.getObjectAsBytes(r -> r.bucket(bucket).key("key").ifMatch("\"other\"")));
            refused(null, 304, () -> s3.getObjectAsBytes(r -> r.bucket(bucket).key("key").ifNoneMatch(etag)));
            refused("PreconditionFailed", 412, () -> s3.deleteObject(r -> r.bucket(bucket).key("key").ifMatch("\"other\"")));
            s3.putObject(r -> r.bucket(bucket).key("key").ifMatch(etag), RequestBody.fromString("replaced"));
            same(get(bucket, "key"), bytes("replaced"));
        });

        step("a listing gives every key by pages, and folds folders", () -> {
            String bucket = newBucket();
            var keys = new ArrayList<>(IntStream.range(0, 12).mapToObj("a/%02d"::formatted).toList());
            keys.addAll(List.of("b/c/1", "b/x", "top", "z z/ü"));
            for (String key : keys) put(bucket, key, bytes("x"));
            for (int size : new int[] {1, 5, 1000}) {
                same(keys(s3.listObjectsV2Paginator(r -> r.bucket(bucket).maxKeys(size)).contents()), keys);
            }
            var folded = s3.listObjectsV2(r -> r.bucket(bucket).delimiter("/"));
            same(folded.commonPrefixes().stream().map(CommonPrefix::prefix).toList(), List.of("a/", "b/", "z z/"));
            same(keys(folded.contents()), List.of("top"));
            same(keys(s3.listObjectsV2(r -> r.bucket(bucket).prefix("a/1").startAfter("a/10")).contents()), List.of("a/11"));
            same(keys(s3.listObjects(r -> r.bucket(bucket).marker("b/x")).contents()), List.of("top", "z z/ü"));
        });

        step("many objects are deleted at once", () -> {
            String bucket = newBucket();
            for (String key : KEYS) put(bucket, key, bytes("x"));
            var names = KEYS.stream().map(key -> ObjectIdentifier.builder().key(key).build()).toList();
            var answer = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(names)));
            same(List.of(answer.deleted().size(), answer.errors()), List.of(KEYS.size(), List.of()));
            same(s3.listObjectsV2(r -> r.bucket(bucket)).keyCount(), 0);
        });

        step("a multipart upload of odd sizes becomes one object, by hand", () -> {
            String bucket = newBucket();
            var parts = List.of(pattern(PART, 1), pattern(PART + 13, 2), pattern(777, 3));
            String id = s3.createMultipartUpload(r -> r.bucket(bucket).key("big").metadata(Map.of("m", "1"))).uploadId();
            var done = new ArrayList<CompletedPart>();
            for (int at = 0; at < parts.size(); at++) {
                int number = at + 1;
                var part = s3.uploadPart(r -> r.bucket(bucket).key("big").uploadId(id).partNumber(number), RequestBody.fromBytes(parts.get(at)));
                done.add(CompletedPart.builder().partNumber(number).eTag(part.eTag()).checksumCRC32(part.checksumCRC32()).build());
            }
            var listed = s3.listParts(r -> r.bucket(bucket).key("big").uploadId(id)).parts();
            same(listed.stream().map(part -> part.size().intValue()).toList(), parts.stream().map(part -> part.length).toList());
            var whole = s3.completeMultipartUpload(r -> r.bucket(bucket).key("big").uploadId(id).multipartUpload(m -> m.parts(done)));
            check(whole.eTag().endsWith("-3\""), whole.eTag());
            same(get(bucket, "big"), joined(parts));
            String never = s3.createMultipartUpload(r -> r.bucket(bucket).key("never")).uploadId();
            s3.abortMultipartUpload(r -> r.bucket(bucket).key("never").uploadId(never));
            same(s3.listMultipartUploads(r -> r.bucket(bucket)).uploads(), List.of());
        });

        step("the asynchronous client puts, gets and deletes, bodies of unknown length too", () -> {
            String bucket = newBucket();
            byte[] body = pattern(400_003, 6);
            try (S3AsyncClient async = S3AsyncClient.create()) {
                async.putObject(r -> r.bucket(bucket).key("key"), AsyncRequestBody.fromBytes(body)).join();
                same(async.getObject(r -> r.bucket(bucket).key("key"), AsyncResponseTransformer.toBytes()).join().asByteArray(), body);
                async.deleteObject(r -> r.bucket(bucket).key("key")).join();
            }
            refused("NoSuchKey", 404, () -> get(bucket, "key"));
        });

        step("the transfer manager moves a file in parts, up and down, and copies it", () -> {
            String bucket = newBucket();
            byte[] body = pattern(2 * 8 * 1024 * 1024 + 4321, 5);
            var folder = Files.createDirectories(Path.of(bucket));
            var source = Files.write(folder.resolve("source"), body);
            try (S3AsyncClient async = S3AsyncClient.builder().multipartEnabled(true).build();
                    S3TransferManager transfers = S3TransferManager.builder().s3Client(async).build()) {
                transfers.uploadFile(r -> r.source(source).putObjectRequest(p -> p.bucket(bucket).key("a b/big"))).completionFuture().join();
                check(s3.headObject(r -> r.bucket(bucket).key("a b/big")).eTag().endsWith("-3\""), "not in three parts");
                var copy = CopyObjectRequest.builder().sourceBucket(bucket).sourceKey("a b/big").destinationBucket(bucket).destinationKey("copy").build();
                transfers.copy(r -> r.copyObjectRequest(copy)).completionFuture().join();
                var back = folder.resolve("back");
                transfers.downloadFile(r -> r.destination(back).getObjectRequest(g -> g.bucket(bucket).key("copy"))).completionFuture().join();
                same(Files.readAllBytes(back), body);
            }
        });

        step("a presigned URL puts and gets one object and nothing else", () -> {
            String bucket = newBucket();
            try (S3Presigner presigner = S3Presigner.create()) {
                for (String key : List.of("plain", "a b+c%/ü")) {
                    var ttl = Duration.ofMinutes(5);
                    var putting = presigner.presignPutObject(r -> r.signatureDuration(ttl).putObjectRequest(p -> p.bucket(bucket).key(key)));
                    var getting = presigner.presignGetObject(r -> r.signatureDuration(ttl)
                            .getObjectRequest(g -> g.bucket(bucket).key(key).responseContentType("text/x-other")));
                    same(http("PUT", putting.url().toString(), bytes("by URL")).statusCode(), 200);
                    var read = http("GET", getting.url().toString(), null);
                    same(List.of(read.statusCode(), read.headers().firstValue("content-type").orElse("")), List.of(200, "text/x-other"));
                    same(read.body(), bytes("by URL"));
                    same(http("GET", putting.url().toString(), null).statusCode(), 403);
                    same(http("GET", getting.url().toString().split("\\?")[0], null).statusCode(), 403);
                }
            }
        });
    }

    private static void versions() {
        step("every put is a version that is read by its id", () -> {
            String bucket = versioned();
            String first = put(bucket, "key", bytes("one")).versionId();
            String second = put(bucket, "key", bytes("two")).versionId();
            check(first != null && second != null && !first.equals(second), first + " " + second);
            same(get(bucket, "key"), bytes("two"));
            same(s3.getObjectAsBytes(r -> r.bucket(bucket).key("key").versionId(first)).asByteArray(), bytes("one"));
            var listed = s3.listObjectVersions(r -> r.bucket(bucket)).versions();
            same(listed.stream().map(found -> found.versionId() + found.isLatest()).toList(), List.of(second + true, first + false));
            s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("key").sourceVersionId(first).destinationBucket(bucket).destinationKey("key"));
            same(get(bucket, "key"), bytes("one"));
        });

        step("a delete leaves a marker, and removing the marker brings the object back", () -> {
            String bucket = versioned();
            String version = put(bucket, "key", bytes("one")).versionId();
            var deleted = s3.deleteObject(r -> r.bucket(bucket).key("key"));
            same(deleted.deleteMarker(), true);
            refused("NoSuchKey", 404, () -> get(bucket, "key"));
            same(s3.getObjectAsBytes(r -> r.bucket(bucket).key("key").versionId(version)).asByteArray(), bytes("one"));
            same(s3.listObjectVersions(r -> r.bucket(bucket)).deleteMarkers().get(0).versionId(), deleted.versionId());
            s3.deleteObject(r -> r.bucket(bucket).key("key").versionId(deleted.versionId()));
            same(get(bucket, "key"), bytes("one"));
        });

        step("a bucket is deleted when its versions were deleted one by one", () -> {
            String bucket = versioned();
            for (String body : List.of("one", "two", "three")) put(bucket, "a b/ü", bytes(body));
            s3.deleteObject(r -> r.bucket(bucket).key("a b/ü"));
            refused("BucketNotEmpty", 409, () -> s3.deleteBucket(r -> r.bucket(bucket)));
            var names = new ArrayList<ObjectIdentifier>();
            for (var page : s3.listObjectVersionsPaginator(r -> r.bucket(bucket).maxKeys(2))) {
                page.versions().forEach(found -> names.add(name(found.key(), found.versionId())));
                page.deleteMarkers().forEach(found -> names.add(name(found.key(), found.versionId())));
            }
            same(names.size(), 4);
            same(s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(names))).errors(), List.of());
            s3.deleteBucket(r -> r.bucket(bucket));
        });
    }

    private interface Step {
        void run() throws Exception;
    }

    private static void step(String sentence, Step step) {
        try {
            step.run();
            held++;
            System.out.println("ok   " + sentence);
        } catch (Exception | AssertionError error) {
            failed++;
            // Where in the step: neither in the SDK nor in the helpers below.
            var frames = Arrays.stream(error.getStackTrace()).filter(frame -> frame.getClassName().startsWith("JavaTour"));
            var line = frames.filter(frame -> frame.getMethodName().startsWith("lambda")).findFirst();
            System.out.println("FAIL " + sentence + " (line " + line.map(StackTraceElement::getLineNumber).orElse(0) + "): " + error);
        }
    }

    private static void check(boolean condition, String told) {
        // Not `assert`, which the virtual machine leaves out.
        if (!condition) throw new AssertionError(told);
    }

    private static void same(Object found, Object expected) {
        check(Objects.equals(found, expected), "found " + found + ", expected " + expected);
    }

    private static void same(byte[] found, byte[] expected) {
        int place = Arrays.mismatch(found, expected);
        check(place < 0, found.length + " bytes found, " + expected.length + " expected, the first difference at " + place);
    }

    /** The call must fail with this S3 error code (null: any; HEAD has no body to carry one) and this HTTP status. */
    private static void refused(String code, int status, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (S3Exception error) {
            same(error.statusCode(), status);
            if (code != null) same(error.awsErrorDetails().errorCode(), code);
            return;
        }
        throw new AssertionError("accepted, expected " + status + " " + code);
    }

    /** How many of `count` calls at once succeed; the others must fail with 409 or 412. */
    private static int writers(int count, Callable<?> call) throws Exception {
        var pool = Executors.newFixedThreadPool(count);
        try {
            int won = 0;
            for (Future<Integer> writer : pool.invokeAll(Collections.nCopies(count, (Callable<Integer>) () -> outcome(call)))) {
                int status = writer.get();
                check(status == 200 || status == 409 || status == 412, "status " + status);
                won += status == 200 ? 1 : 0;
            }
            return won;
        } finally {
            pool.shutdown();
        }
    }

    private static int outcome(Callable<?> call) throws Exception {
        try {
            call.call();
            return 200;
        } catch (S3Exception error) {
            return error.statusCode();
        }
    }

    private static String newBucket() {
        String name = "java-" + UUID.randomUUID().toString().replace("-", "").substring(0, 20);
        s3.createBucket(r -> r.bucket(name));
        return name;
    }

    private static String versioned() {
        String bucket = newBucket();
        s3.putBucketVersioning(r -> r.bucket(bucket).versioningConfiguration(v -> v.status(BucketVersioningStatus.ENABLED)));
        same(s3.getBucketVersioning(r -> r.bucket(bucket)).status(), BucketVersioningStatus.ENABLED);
        return bucket;
    }

    private static PutObjectResponse put(String bucket, String key, byte[] body) {
        return s3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromBytes(body));
    }

    private static byte[] get(String bucket, String key) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asByteArray();
    }

    private static byte[] get(String bucket, String key, String range) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(key).range(range)).asByteArray();
    }

    private static List<String> keys(Iterable<S3Object> objects) {
        var keys = new ArrayList<String>();
        objects.forEach(object -> keys.add(object.key()));
        return keys;
    }

    private static Tag tag(String key, String value) {
        return Tag.builder().key(key).value(value).build();
    }

    private static List<Tag> tags(String bucket, String key) {
        var tags = new ArrayList<>(s3.getObjectTagging(r -> r.bucket(bucket).key(key)).tagSet());
        tags.sort(Comparator.comparing(Tag::key));
        return tags;
    }

    private static ObjectIdentifier name(String key, String version) {
        return ObjectIdentifier.builder().key(key).versionId(version).build();
    }

    private static HttpResponse<byte[]> http(String method, String url, byte[] body) throws Exception {
        var publisher = body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body);
        var request = HttpRequest.newBuilder(URI.create(url)).method(method, publisher).timeout(Duration.ofMinutes(1)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] joined(List<byte[]> pieces) throws Exception {
        var whole = new ByteArrayOutputStream();
        for (byte[] piece : pieces) whole.write(piece);
        return whole.toByteArray();
    }

    private static String md5(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(bytes));
    }

    /** Bytes that differ from place to place, so that a piece in the wrong place is seen. */
    private static byte[] pattern(int size, long seed) {
        byte[] bytes = new byte[size];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
