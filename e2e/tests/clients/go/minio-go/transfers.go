package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	. "zas-tours/tour"
)

var transfers = []Step{
	{"an object is uploaded in parts, of known and of unknown length", func() {
		bucket := newBucket()
		for key, size := range map[string]int{"known": 2*part + 3, "unknown": 3*part + 1} {
			body, length := Pattern(size, size), int64(size)
			if key == "unknown" {
				length = -1
			}
			source := struct{ io.Reader }{bytes.NewReader(body)}
			stored := Must(client.PutObject(ctx, bucket, key, source, length, minio.PutObjectOptions{PartSize: part}))
			Check(stored.Size == int64(size) && strings.Contains(stored.ETag, "-"), "%d bytes, ETag %s", stored.Size, stored.ETag)
			SameBytes(Must(get(bucket, key, minio.GetObjectOptions{Checksum: true})), body)
		}
		body := Pattern(17<<20+5, 4)
		put(bucket, "default", body)
		SameBytes(Must(get(bucket, "default", minio.GetObjectOptions{})), body)
		for left := range client.ListIncompleteUploads(ctx, bucket, "", true) {
			Check(false, "%s is left: %v", left.Key, left.Err)
		}
	}},
	{"objects are copied, and composed of others, within the server", func() {
		bucket, other := newBucket(), newBucket()
		first, second := Pattern(part+77, 5), []byte("the end")
		put(bucket, "first ü+&", first, minio.PutObjectOptions{UserMetadata: map[string]string{"a": "1"}})
		put(bucket, "second", second)
		source := minio.CopySrcOptions{Bucket: bucket, Object: "first ü+&"}
		Must(client.CopyObject(ctx, minio.CopyDestOptions{Bucket: other, Object: "copy"}, source))
		SameBytes(Must(get(other, "copy", minio.GetObjectOptions{})), first)
		Same(Must(client.StatObject(ctx, other, "copy", minio.StatObjectOptions{})).UserMetadata["A"], "1")
		Must(client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: other, Object: "composed"}, source, minio.CopySrcOptions{Bucket: bucket, Object: "second"}))
		SameBytes(Must(get(other, "composed", minio.GetObjectOptions{})), append(bytes.Clone(first), second...))
		source.MatchETag = "other"
		_, err := client.CopyObject(ctx, minio.CopyDestOptions{Bucket: other, Object: "refused"}, source)
		refused("PreconditionFailed", 412, err)
	}},
}

var presigned = []Step{
	{"presigned URLs open one operation each to whoever has them", func() {
		bucket, key := newBucket(), "a b/ü+&"
		write := Must(client.PresignedPutObject(ctx, bucket, key, time.Minute)).String()
		status, _, told := Exchange(http.DefaultClient, http.MethodPut, write, nil, []byte("hello"))
		Check(status == 200, "%d %s", status, told)
		read := Must(client.PresignedGetObject(ctx, bucket, key, time.Minute, map[string][]string{"response-content-type": {"text/x-tour"}})).String()
		status, headers, body := Exchange(http.DefaultClient, http.MethodGet, read, nil, nil)
		Check(status == 200 && headers.Get("Content-Type") == "text/x-tour", "%d %v", status, headers)
		Same(string(body), "hello")
		look := Must(client.PresignedHeadObject(ctx, bucket, key, time.Minute, nil)).String()
		status, headers, _ = Exchange(http.DefaultClient, http.MethodHead, look, nil, nil)
		Check(status == 200 && headers.Get("Content-Length") == "5", "%d %v", status, headers)
		status, _, _ = Exchange(http.DefaultClient, http.MethodPut, read, nil, []byte("x"))
		Same(status, 403)
	}},
}
