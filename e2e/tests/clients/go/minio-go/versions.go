package main

import (
	"github.com/minio/minio-go/v7"

	. "zas-tours/tour"
)

func versioned() string {
	bucket := newBucket()
	Done(client.EnableVersioning(ctx, bucket))
	Same(Must(client.GetBucketVersioning(ctx, bucket)).Status, "Enabled")
	return bucket
}

// ids gives the versions and markers of all keys: the newest of a key first.
func ids(bucket string) []string {
	var found []string
	for listed := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true, MaxKeys: 1}) {
		Done(listed.Err)
		Same(listed.IsLatest, len(found) == 0)
		found = append(found, listed.VersionID)
	}
	return found
}

var versions = []Step{
	{"every version of an object is kept, listed, read and deleted by its id", func() {
		bucket, key := versioned(), "a key/ü"
		first, second := put(bucket, key, []byte("first")).VersionID, put(bucket, key, []byte("second")).VersionID
		Same(ids(bucket), []string{second, first})
		Same(string(Must(get(bucket, key, minio.GetObjectOptions{}))), "second")
		Same(string(Must(get(bucket, key, minio.GetObjectOptions{VersionID: first}))), "first")
		Same(Must(client.StatObject(ctx, bucket, key, minio.StatObjectOptions{VersionID: first})).Size, int64(5))
		Done(client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{VersionID: second}))
		Same(string(Must(get(bucket, key, minio.GetObjectOptions{}))), "first")
		_, err := get(bucket, key, minio.GetObjectOptions{VersionID: second})
		refused("NoSuchVersion", 404, err)
	}},
	{"a delete leaves a marker, and the object is back when the marker is removed", func() {
		bucket := versioned()
		version := put(bucket, "key", []byte("body")).VersionID
		Done(client.RemoveObject(ctx, bucket, "key", minio.RemoveObjectOptions{}))
		_, err := get(bucket, "key", minio.GetObjectOptions{})
		refused("NoSuchKey", 404, err)
		found := ids(bucket)
		Check(len(found) == 2 && found[1] == version, "%v, and %s was put", found, version)
		Same(len(list(bucket, minio.ListObjectsOptions{Recursive: true})), 0)
		Done(client.RemoveObject(ctx, bucket, "key", minio.RemoveObjectOptions{VersionID: found[0]}))
		Same(string(Must(get(bucket, "key", minio.GetObjectOptions{}))), "body")
	}},
	{"a version is copied", func() {
		bucket := versioned()
		first := put(bucket, "key", []byte("first")).VersionID
		put(bucket, "key", []byte("second"))
		source := minio.CopySrcOptions{Bucket: bucket, Object: "key", VersionID: first}
		Must(client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, source))
		Same(string(Must(get(bucket, "copy", minio.GetObjectOptions{}))), "first")
	}},
	{"all versions and markers are deleted, and then the bucket", func() {
		bucket := versioned()
		put(bucket, "key", []byte("a"))
		put(bucket, "key", []byte("b"))
		Done(client.RemoveObject(ctx, bucket, "key", minio.RemoveObjectOptions{}))
		Done(client.SuspendVersioning(ctx, bucket))
		refused("BucketNotEmpty", 409, client.RemoveBucket(ctx, bucket))
		gone := client.ListObjects(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true})
		for failed := range client.RemoveObjects(ctx, bucket, gone, minio.RemoveObjectsOptions{}) {
			Done(failed.Err)
		}
		Done(client.RemoveBucket(ctx, bucket))
	}},
}
