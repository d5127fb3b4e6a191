package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	. "zas-tours/tour"
)

func setVersioning(bucket *string, status types.BucketVersioningStatus) {
	Must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	}))
	Same(Must(client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})).Status, status)
}

// listed gives a line for each version and each marker: the newest of a key first.
func listed(bucket *string, page int32) []string {
	var versions, markers []string
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: bucket, MaxKeys: &page})
	for pages.HasMorePages() {
		found := Must(pages.NextPage(ctx))
		for _, version := range found.Versions {
			versions = append(versions, fmt.Sprint(*version.Key, " ", *version.VersionId, " ", *version.IsLatest))
		}
		for _, marker := range found.DeleteMarkers {
			markers = append(markers, fmt.Sprint("marker ", *marker.Key, " ", *marker.VersionId, " ", *marker.IsLatest))
		}
	}
	return append(versions, markers...)
}

var versions = []Step{
	{"every version of an object is kept, listed, read and deleted by its id", func() {
		bucket, key := newBucket(), aws.String("a key/ü")
		setVersioning(bucket, types.BucketVersioningStatusEnabled)
		first, second := *put(bucket, *key, []byte("first")).VersionId, *put(bucket, *key, []byte("second")).VersionId
		Check(first != second && first != "null", "%s and %s", first, second)
		for _, page := range []int32{1, 1000} {
			Same(listed(bucket, page), []string{*key + " " + second + " true", *key + " " + first + " false"})
		}
		Same(string(get(bucket, *key)), "second")
		old := &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: &first}
		Same(string(read(client.GetObject(ctx, old))), "first")
		Same(*Must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key, VersionId: &first})).ContentLength, int64(5))
		Must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: &second}))
		Same(string(get(bucket, *key)), "first")
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: &second})
		refused("NoSuchVersion", 404, err)
	}},
	{"a delete leaves a marker, and the object is back when the marker is removed", func() {
		bucket, key := newBucket(), aws.String("key")
		setVersioning(bucket, types.BucketVersioningStatusEnabled)
		version := *put(bucket, *key, []byte("body")).VersionId
		deleted := Must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
		Check(deleted.DeleteMarker != nil && *deleted.DeleteMarker, "no marker")
		marker := *deleted.VersionId
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
		refused("NoSuchKey", 404, err)
		Same(listed(bucket, 1000), []string{"key " + version + " false", "marker key " + marker + " true"})
		Same(len(Must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})).Contents), 0)
		_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: &marker})
		refused("MethodNotAllowed", 405, err)
		removed := Must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: &marker}))
		Check(removed.DeleteMarker != nil && *removed.DeleteMarker && *removed.VersionId == marker, "the removed marker is not told")
		Same(string(get(bucket, *key)), "body")
	}},
	{"a version is copied, and has tags of its own", func() {
		bucket, key := newBucket(), aws.String("key")
		setVersioning(bucket, types.BucketVersioningStatusEnabled)
		first := *put(bucket, *key, []byte("first")).VersionId
		put(bucket, *key, []byte("second"))
		source := aws.String(*bucket + "/key?versionId=" + first)
		copied := Must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: source}))
		Same(*copied.CopySourceVersionId, first)
		Same(string(get(bucket, "copy")), "first")
		tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("old"), Value: aws.String("1")}}}
		Must(client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: key, VersionId: &first, Tagging: tags}))
		Same(len(Must(client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key, VersionId: &first})).TagSet), 1)
		Same(len(Must(client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key})).TagSet), 0)
	}},
	{"suspended versioning replaces the version null and keeps the others", func() {
		bucket, key := newBucket(), aws.String("key")
		put(bucket, *key, []byte("before"))
		setVersioning(bucket, types.BucketVersioningStatusEnabled)
		kept := *put(bucket, *key, []byte("kept")).VersionId
		setVersioning(bucket, types.BucketVersioningStatusSuspended)
		put(bucket, *key, []byte("after"))
		Same(listed(bucket, 1000), []string{"key null true", "key " + kept + " false"})
		Same(string(read(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: aws.String("null")}))), "after")
		Same(string(read(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: &kept}))), "kept")
	}},
	{"all versions and markers are deleted at once, and then the bucket", func() {
		bucket := newBucket()
		setVersioning(bucket, types.BucketVersioningStatusEnabled)
		for n := range 3 {
			put(bucket, "key", []byte(strings.Repeat("x", n)))
		}
		Must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("key")}))
		_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
		refused("BucketNotEmpty", 409, err)
		var named []types.ObjectIdentifier
		found := Must(client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket}))
		for _, version := range found.Versions {
			named = append(named, types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
		}
		for _, marker := range found.DeleteMarkers {
			named = append(named, types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
		}
		answer := Must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: named}}))
		Same([]int{len(answer.Deleted), len(answer.Errors)}, []int{4, 0})
		Must(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}))
	}},
}
