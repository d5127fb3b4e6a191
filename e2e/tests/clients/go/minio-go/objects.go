package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	. "zas-tours/tour"
)

var objects = []Step{
	{"an object comes back as it was put, with a checksum", func() {
		bucket, body := newBucket(), Pattern(70_001, 1)
		put(bucket, "folder/key", body, minio.PutObjectOptions{ContentType: "text/x-tour", CacheControl: "max-age=60"})
		SameBytes(Must(get(bucket, "folder/key", minio.GetObjectOptions{Checksum: true})), body)
		found := Must(client.StatObject(ctx, bucket, "folder/key", minio.StatObjectOptions{Checksum: true}))
		Same(fmt.Sprint(found.Size, found.ContentType, found.Metadata.Get("Cache-Control")), "70001text/x-tourmax-age=60")
		put(bucket, "empty", nil)
		Same(len(Must(get(bucket, "empty", minio.GetObjectOptions{}))), 0)
	}},
	{"every checksum that can be asked for is kept", func() {
		bucket, body := newBucket(), Pattern(12_345, 2)
		trailing := Must(connect(true))
		for _, kind := range []minio.ChecksumType{
			minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumCRC64NVME, minio.ChecksumSHA1, minio.ChecksumSHA256,
		} {
			options := minio.PutObjectOptions{Checksum: kind}
			Must(trailing.PutObject(ctx, bucket, kind.String(), bytes.NewReader(body), int64(len(body)), options))
			SameBytes(Must(get(bucket, kind.String(), minio.GetObjectOptions{Checksum: true})), body)
		}
		put(bucket, "md5", body, minio.PutObjectOptions{SendContentMd5: true})
		SameBytes(Must(get(bucket, "md5", minio.GetObjectOptions{})), body)
	}},
	{"metadata is kept, also beyond ASCII", func() {
		bucket := newBucket()
		put(bucket, "key", []byte("x"), minio.PutObjectOptions{UserMetadata: map[string]string{"colour": "blue", "utf-8": "grün"}})
		found := Must(client.StatObject(ctx, bucket, "key", minio.StatObjectOptions{})).UserMetadata
		Same(found["Colour"], "blue")
		// As it was sent, or as header values beyond ASCII are written (RFC 2047).
		Check(slices.Contains([]string{"grün", "=?UTF-8?Q?gr=C3=BCn?=", "=?UTF-8?B?Z3LDvG4=?="}, found["Utf-8"]), "%v", found)
	}},
	{"keys may hold any character, and are deleted at once", func() {
		bucket := newBucket()
		for _, key := range Keys {
			put(bucket, key, []byte(key))
		}
		for _, key := range Keys {
			Same(string(Must(get(bucket, key, minio.GetObjectOptions{}))), key)
		}
		Same(list(bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 3}), Keys)
		gone := make(chan minio.ObjectInfo, len(Keys))
		for _, key := range Keys {
			gone <- minio.ObjectInfo{Key: key}
		}
		close(gone)
		for failed := range client.RemoveObjects(ctx, bucket, gone, minio.RemoveObjectsOptions{}) {
			Done(failed.Err)
		}
		Same(len(list(bucket, minio.ListObjectsOptions{Recursive: true})), 0)
	}},
	{"a listing goes by pages and by folders", func() {
		bucket := newBucket()
		for n := range 7 {
			put(bucket, fmt.Sprintf("a/%d", n), []byte("x"))
		}
		put(bucket, "top", []byte("x"))
		Same(list(bucket, minio.ListObjectsOptions{}), []string{"top", "a/"}) // the keys of a page come first
		for _, old := range []bool{false, true} {
			Same(len(list(bucket, minio.ListObjectsOptions{Prefix: "a/", MaxKeys: 2, UseV1: old})), 7)
		}
		Same(list(bucket, minio.ListObjectsOptions{Recursive: true, StartAfter: "a/5"}), []string{"a/6", "top"})
	}},
	{"an object is read from anywhere, and by ranges", func() {
		bucket, body := newBucket(), Pattern(100_000, 3)
		put(bucket, "key", body)
		options := minio.GetObjectOptions{}
		Done(options.SetRange(10, 19))
		SameBytes(Must(get(bucket, "key", options)), body[10:20])
		object := Must(client.GetObject(ctx, bucket, "key", minio.GetObjectOptions{}))
		defer object.Close()
		piece := make([]byte, 100)
		Must(object.ReadAt(piece, 50_000))
		SameBytes(piece, body[50_000:50_100])
		Must(object.Seek(-7, io.SeekEnd))
		SameBytes(Must(io.ReadAll(object)), body[99_993:])
		_, err := get(bucket, "missing", minio.GetObjectOptions{})
		refused("NoSuchKey", 404, err)
		_, err = client.StatObject(ctx, bucket, "missing", minio.StatObjectOptions{})
		refused("NoSuchKey", 404, err)
	}},
	{"a write and a read happen only on their conditions", func() {
		bucket := newBucket()
		isNew, isOther := minio.PutObjectOptions{}, minio.PutObjectOptions{}
		isNew.SetMatchETagExcept("*")
		isOther.SetMatchETag("other")
		first := put(bucket, "key", []byte("first"), isNew)
		write := func(options minio.PutObjectOptions) error {
			_, err := client.PutObject(ctx, bucket, "key", nil, 0, options)
			return err
		}
		refused("PreconditionFailed", 412, write(isNew))
		refused("PreconditionFailed", 412, write(isOther))
		isSame := minio.PutObjectOptions{}
		isSame.SetMatchETag(first.ETag)
		second := put(bucket, "key", []byte("second"), isSame)
		options := minio.GetObjectOptions{}
		Done(options.SetMatchETag(first.ETag))
		_, err := get(bucket, "key", options)
		refused("PreconditionFailed", 412, err)
		Done(options.SetMatchETag(second.ETag))
		Same(string(Must(get(bucket, "key", options))), "second")
	}},
	{"tags come with an object, and are changed and removed", func() {
		bucket := newBucket()
		put(bucket, "a key", []byte("x"), minio.PutObjectOptions{UserTags: map[string]string{"a": "1", "b": "two words"}})
		found := func() map[string]string {
			return Must(client.GetObjectTagging(ctx, bucket, "a key", minio.GetObjectTaggingOptions{})).ToMap()
		}
		Same(found(), map[string]string{"a": "1", "b": "two words"})
		changed := Must(tags.MapToObjectTags(map[string]string{"c": "3"}))
		Done(client.PutObjectTagging(ctx, bucket, "a key", changed, minio.PutObjectTaggingOptions{}))
		Same(found(), map[string]string{"c": "3"})
		Done(client.RemoveObjectTagging(ctx, bucket, "a key", minio.RemoveObjectTaggingOptions{}))
		Same(found(), map[string]string{})
	}},
}
