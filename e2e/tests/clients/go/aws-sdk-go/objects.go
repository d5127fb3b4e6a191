package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	. "zas-tours/tour"
)

var objects = []Step{
	{"an object comes back as it was put, with the checksum that the SDK adds by itself", func() {
		bucket, body := newBucket(), Pattern(70_001, 1)
		answer := put(bucket, "folder/key", body)
		sum := md5.Sum(body)
		Same(*answer.ETag, `"`+hex.EncodeToString(sum[:])+`"`)
		Check(answer.ChecksumCRC32 != nil, "no CRC32 came back")
		found := Must(client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: bucket, Key: aws.String("folder/key"), ChecksumMode: types.ChecksumModeEnabled,
		}))
		Same(*found.ChecksumCRC32, *answer.ChecksumCRC32)
		SameBytes(read(found, nil), body)
		Same(*Must(head(bucket, "folder/key")).ContentLength, int64(len(body)))
	}},
	{"every checksum is kept, and a wrong one is refused", func() {
		bucket, body := newBucket(), Pattern(12_345, 2)
		for _, algorithm := range []types.ChecksumAlgorithm{
			types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
			types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
		} {
			key := aws.String(string(algorithm))
			Must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm}))
			// The SDK compares what it reads with what the server says.
			found := Must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled}))
			sums := []*string{found.ChecksumCRC32, found.ChecksumCRC32C, found.ChecksumCRC64NVME, found.ChecksumSHA1, found.ChecksumSHA256}
			Same(len(slices.DeleteFunc(sums, func(sum *string) bool { return sum == nil })), 1)
			SameBytes(read(found, nil), body)
		}
		other := sha256.Sum256([]byte("other"))
		_, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: aws.String("wrong"), Body: bytes.NewReader(body),
			ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(other[:])),
		})
		refused("BadDigest", 400, err)
		_, err = head(bucket, "wrong")
		refused("NotFound", 404, err)
	}},
	{"an empty object is an object", func() {
		bucket := newBucket()
		put(bucket, "empty", nil)
		Same(len(get(bucket, "empty")), 0)
	}},
	{"metadata and headers are kept", func() {
		bucket := newBucket()
		// Header values are ASCII: what is more is encoded by the application (RFC 2047), and comes back as it was sent.
		metadata := map[string]string{"colour": "blue", "two-words": "a b", "encoded": "=?UTF-8?B?Z3LDvG4=?=", "utf-8": "grün"}
		Must(client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: aws.String("key"), Body: strings.NewReader("x"), Metadata: metadata, ContentType: aws.String("text/x-tour"),
			ContentEncoding: aws.String("identity"), ContentLanguage: aws.String("de"), CacheControl: aws.String("max-age=60"),
			ContentDisposition: aws.String(`attachment; filename="a b"`),
		}))
		found := Must(head(bucket, "key"))
		Same(found.Metadata["colour"]+found.Metadata["two-words"]+found.Metadata["encoded"], "bluea b=?UTF-8?B?Z3LDvG4=?=")
		Check(slices.Contains([]string{"grün", "=?UTF-8?Q?gr=C3=BCn?=", "=?UTF-8?B?Z3LDvG4=?="}, found.Metadata["utf-8"]), "%v", found.Metadata)
		Same([]string{*found.ContentType, *found.ContentEncoding, *found.ContentLanguage, *found.CacheControl, *found.ContentDisposition},
			[]string{"text/x-tour", "identity", "de", "max-age=60", `attachment; filename="a b"`})
	}},
	{"keys may hold any character", func() {
		bucket := newBucket()
		for _, key := range Keys {
			put(bucket, key, []byte(key))
		}
		for _, key := range Keys {
			Same(string(get(bucket, key)), key)
		}
		var found []string
		for _, listed := range Must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})).Contents {
			found = append(found, *listed.Key)
		}
		Same(found, Keys)
	}},
	{"a write happens only on its condition", func() {
		bucket, key := newBucket(), aws.String("key")
		write := func(body string, condition func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
			input := &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(body)}
			condition(input)
			return client.PutObject(ctx, input)
		}
		isNew := func(input *s3.PutObjectInput) { input.IfNoneMatch = aws.String("*") }
		first := Must(write("first", isNew))
		_, err := write("second", isNew)
		refused("PreconditionFailed", 412, err)
		_, err = write("second", func(input *s3.PutObjectInput) { input.IfMatch = aws.String(`"other"`) })
		refused("PreconditionFailed", 412, err)
		Same(string(get(bucket, "key")), "first")
		Must(write("second", func(input *s3.PutObjectInput) { input.IfMatch = first.ETag }))
		Same(string(get(bucket, "key")), "second")
		_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, IfMatch: first.ETag})
		refused("PreconditionFailed", 412, err)
		Same(string(get(bucket, "key")), "second")
	}},
	{"tags come with an object, and are changed and removed", func() {
		bucket, key := newBucket(), aws.String("a key")
		Must(client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: key, Body: strings.NewReader("x"), Tagging: aws.String("a=1&b=" + url.QueryEscape("two words: ü")),
		}))
		tags := func() map[string]string {
			found := map[string]string{}
			for _, tag := range Must(client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key})).TagSet {
				found[*tag.Key] = *tag.Value
			}
			return found
		}
		Same(tags(), map[string]string{"a": "1", "b": "two words: ü"})
		changed := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("c"), Value: aws.String("3")}}}
		Must(client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: changed}))
		Same(tags(), map[string]string{"c": "3"})
		Must(client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: bucket, Key: key}))
		Same(tags(), map[string]string{})
	}},
	{"a copy has the bytes, and the metadata that was asked for", func() {
		bucket, other, body := newBucket(), newBucket(), Pattern(9_999, 3)
		Must(client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: aws.String("from ü+&"), Body: bytes.NewReader(body), Metadata: map[string]string{"a": "1"},
		}))
		source := aws.String(*bucket + "/" + url.PathEscape("from ü+&"))
		Must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: other, Key: aws.String("kept"), CopySource: source}))
		SameBytes(get(other, "kept"), body)
		Same(Must(head(other, "kept")).Metadata, map[string]string{"a": "1"})
		Must(client.CopyObject(ctx, &s3.CopyObjectInput{
			Bucket: other, Key: aws.String("replaced"), CopySource: source, MetadataDirective: types.MetadataDirectiveReplace,
			Metadata: map[string]string{"b": "2"},
		}))
		Same(Must(head(other, "replaced")).Metadata, map[string]string{"b": "2"})
	}},
	{"many objects are deleted at once, with any character in their keys", func() {
		bucket := newBucket()
		var named []types.ObjectIdentifier
		for _, key := range Keys {
			put(bucket, key, []byte("x"))
			named = append(named, types.ObjectIdentifier{Key: &key})
		}
		put(bucket, "kept", []byte("x"))
		answer := Must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: named}}))
		Same([]int{len(answer.Deleted), len(answer.Errors)}, []int{len(Keys), 0})
		left := Must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})).Contents
		Check(len(left) == 1 && *left[0].Key == "kept", "%d are left", len(left))
	}},
}
