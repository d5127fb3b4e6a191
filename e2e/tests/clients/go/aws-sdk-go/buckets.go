package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	. "zas-tours/tour"
)

var buckets = []Step{
	{"a new bucket is listed, found and located", func() {
		bucket := newBucket()
		found := false
		pages := s3.NewListBucketsPaginator(client, &s3.ListBucketsInput{MaxBuckets: aws.Int32(3)})
		for pages.HasMorePages() {
			for _, listed := range Must(pages.NextPage(ctx)).Buckets {
				found = found || *listed.Name == *bucket
			}
		}
		Check(found, "%s is not listed", *bucket)
		Must(client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}))
		where := Must(client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: bucket})).LocationConstraint
		Same(where, "")
	}},
	{"only an empty bucket is deleted, and is gone then", func() {
		bucket := newBucket()
		put(bucket, "key", []byte("x"))
		_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
		refused("BucketNotEmpty", 409, err)
		Must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("key")}))
		Must(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}))
		_, err = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket})
		refused("NotFound", 404, err)
		_, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
		refused("NoSuchBucket", 404, err)
	}},
	{"the tags of a bucket are kept until they are removed", func() {
		bucket := newBucket()
		asked := &s3.GetBucketTaggingInput{Bucket: bucket}
		_, err := client.GetBucketTagging(ctx, asked)
		refused("NoSuchTagSet", 404, err)
		tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("a b")}, {Key: aws.String("größe"), Value: aws.String("")}}
		Must(client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: bucket, Tagging: &types.Tagging{TagSet: tags}}))
		Same(Must(client.GetBucketTagging(ctx, asked)).TagSet, tags)
		Must(client.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: bucket}))
		_, err = client.GetBucketTagging(ctx, asked)
		refused("NoSuchTagSet", 404, err)
	}},
	{"a policy opens what it names to everybody, until it is removed", func() {
		bucket := newBucket()
		put(bucket, "public/key", []byte("open"))
		put(bucket, "other", []byte("shut"))
		request := Must(s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("public/key")}))
		url, _, _ := strings.Cut(request.URL, "?")
		status := func(url string) int {
			status, _, _ := Exchange(plain, http.MethodGet, url, nil, nil)
			return status
		}
		Same(status(url), 403)
		policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
			"Resource": "arn:aws:s3:::%s/public/*"}]}`, *bucket)
		Must(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}))
		stored := Must(client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})).Policy
		Check(strings.Contains(*stored, "/public/*"), "%s", *stored)
		public := Must(client.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: bucket}))
		Check(*public.PolicyStatus.IsPublic, "the policy does not count as public")
		Same([]int{status(url), status(strings.Replace(url, "public/key", "other", 1))}, []int{200, 403})
		Must(client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket}))
		_, err := client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
		refused("NoSuchBucketPolicy", 404, err)
		Same(status(url), 403)
	}},
	{"the rules for browsers are kept until they are removed", func() {
		bucket := newBucket()
		asked := &s3.GetBucketCorsInput{Bucket: bucket}
		rules := []types.CORSRule{{
			AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"*"},
			ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60),
		}}
		Must(client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules}}))
		Same(Must(client.GetBucketCors(ctx, asked)).CORSRules, rules)
		Must(client.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: bucket}))
		_, err := client.GetBucketCors(ctx, asked)
		refused("NoSuchCORSConfiguration", 404, err)
	}},
}
