package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	. "zas-tours/tour"
)

var reading = []Step{
	{"ranges give their bytes", func() {
		bucket, body := newBucket(), Pattern(100_000, 4)
		put(bucket, "key", body)
		for asked, expected := range map[string][]byte{
			"bytes=0-9": body[:10], "bytes=99990-": body[99_990:], "bytes=-5": body[99_995:], "bytes=50000-60000": body[50_000:60_001],
		} {
			found := Must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("key"), Range: &asked}))
			Check(strings.HasSuffix(*found.ContentRange, "/100000"), "%s", *found.ContentRange)
			SameBytes(read(found, nil), expected)
		}
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("key"), Range: aws.String("bytes=100000-")})
		refused("InvalidRange", 416, err)
	}},
	{"conditions decide whether a read answers", func() {
		bucket, key := newBucket(), aws.String("key")
		etag := put(bucket, "key", []byte("x")).ETag
		Same(string(read(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, IfMatch: etag}))), "x")
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, IfMatch: aws.String(`"other"`)})
		refused("PreconditionFailed", 412, err)
		_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, IfNoneMatch: etag})
		refused("", 304, err)
	}},
	{"what is not there is not found", func() {
		bucket := newBucket()
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("missing")})
		refused("NoSuchKey", 404, err)
		_, err = head(bucket, "missing")
		refused("NotFound", 404, err)
		_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(Name()), Key: aws.String("missing")})
		refused("NoSuchBucket", 404, err)
	}},
}

var listing = []Step{
	{"a listing gives every key in order, by pages and by folders", func() {
		bucket := newBucket()
		keys := []string{"top", "z z/ü"}
		for n := range 11 {
			keys = append(keys, fmt.Sprintf("a/%02d", n), fmt.Sprintf("b/%d/x", n%3))
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for _, key := range keys {
			put(bucket, key, []byte(key))
		}
		for _, size := range []int32{1, 7, 1000} {
			var found []string
			pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: &size})
			for pages.HasMorePages() {
				page := Must(pages.NextPage(ctx))
				Check(len(page.Contents) <= int(size), "%d keys in a page of %d", len(page.Contents), size)
				for _, listed := range page.Contents {
					found = append(found, *listed.Key)
				}
			}
			Same(found, keys)
		}
		page := Must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Delimiter: aws.String("/")}))
		var folders []string
		for _, folder := range page.CommonPrefixes {
			folders = append(folders, *folder.Prefix)
		}
		Same(folders, []string{"a/", "b/", "z z/"})
		Check(len(page.Contents) == 1 && *page.Contents[0].Key == "top", "%d keys", len(page.Contents))
		after := Must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("a/"), StartAfter: aws.String("a/08")}))
		Same(len(after.Contents), 2)
		old := Must(client.ListObjects(ctx, &s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String("z")}))
		Same(*old.Contents[0].Key, "z z/ü")
	}},
}
