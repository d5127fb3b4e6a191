package main

import (
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/minio/minio-go/v7/pkg/tags"

	. "zas-tours/tour"
)

var buckets = []Step{
	{"a new bucket is found and listed, and is gone when it was removed", func() {
		bucket := newBucket()
		Check(Must(client.BucketExists(ctx, bucket)), "it does not exist")
		found := false
		for _, listed := range Must(client.ListBuckets(ctx)) {
			found = found || listed.Name == bucket
		}
		Check(found, "it is not listed")
		put(bucket, "key", []byte("x"))
		refused("BucketNotEmpty", 409, client.RemoveBucket(ctx, bucket))
		Done(client.RemoveObject(ctx, bucket, "key", minio.RemoveObjectOptions{}))
		Done(client.RemoveBucket(ctx, bucket))
		Check(!Must(client.BucketExists(ctx, bucket)), "it still exists")
	}},
	{"tags, policy and rules for browsers are kept until they are removed", func() {
		bucket := newBucket()
		_, err := client.GetBucketTagging(ctx, bucket)
		refused("NoSuchTagSet", 404, err)
		labels := map[string]string{"team": "a b", "cost": ""}
		Done(client.SetBucketTagging(ctx, bucket, Must(tags.MapToBucketTags(labels))))
		Same(Must(client.GetBucketTagging(ctx, bucket)).ToMap(), labels)
		Done(client.RemoveBucketTagging(ctx, bucket))
		_, err = client.GetBucketTagging(ctx, bucket)
		refused("NoSuchTagSet", 404, err)

		policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]},
			"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::%s/public/*"]}]}`, bucket)
		Done(client.SetBucketPolicy(ctx, bucket, policy))
		Check(strings.Contains(Must(client.GetBucketPolicy(ctx, bucket)), "/public/*"), "the policy is another")
		Done(client.SetBucketPolicy(ctx, bucket, ""))
		Same(Must(client.GetBucketPolicy(ctx, bucket)), "")

		rule := cors.Rule{AllowedOrigin: []string{"https://*.example.com"}, AllowedMethod: []string{"GET"}, MaxAgeSeconds: 60}
		Done(client.SetBucketCors(ctx, bucket, cors.NewConfig([]cors.Rule{rule})))
		Same(Must(client.GetBucketCors(ctx, bucket)).CORSRules, []cors.Rule{rule})
		Done(client.SetBucketCors(ctx, bucket, nil))
		Check(Must(client.GetBucketCors(ctx, bucket)) == nil, "the rules are still there")
	}},
}
