// Drives an S3 server with minio-go, version 7, as an application would, and says of each step whether it holds.
//
// Usage: minio-go objects|versions. Endpoint and access key come from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY); every other option has its default.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	. "zas-tours/tour"
)

const part = 5 << 20

var (
	ctx    context.Context
	client *minio.Client
)

func main() {
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var err error
	client, err = connect(false)
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: minio-go objects|versions;", err)
		os.Exit(2)
	}
	tours := map[string][][]Step{"objects": {buckets, objects, transfers, presigned}, "versions": {versions}}
	var steps []Step
	for _, group := range tours[os.Args[1]] {
		steps = append(steps, group...)
	}
	Run(steps)
}

// connect makes a client; one that may send trailers is asked for, and then signs chunks by plain HTTP.
func connect(trailers bool) (*minio.Client, error) {
	endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		return nil, err
	}
	options := minio.Options{Creds: credentials.NewEnvAWS(), Secure: endpoint.Scheme == "https", TrailingHeaders: trailers}
	return minio.New(endpoint.Host, &options)
}

// refused: the call must have failed with this code and status.
func refused(code string, status int, err error) {
	told := minio.ToErrorResponse(err)
	Check(err != nil && told.Code == code && told.StatusCode == status, "expected %d %s, found %v", status, code, err)
}

func newBucket() string {
	name := Name()
	Done(client.MakeBucket(ctx, name, minio.MakeBucketOptions{}))
	return name
}

func put(bucket, key string, body []byte, options ...minio.PutObjectOptions) minio.UploadInfo {
	options = append(options, minio.PutObjectOptions{})
	return Must(client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), options[0]))
}

// get asks only when it is read.
func get(bucket, key string, options minio.GetObjectOptions) ([]byte, error) {
	object := Must(client.GetObject(ctx, bucket, key, options))
	defer object.Close()
	return io.ReadAll(object)
}

func list(bucket string, options minio.ListObjectsOptions) []string {
	var found []string
	for listed := range client.ListObjects(ctx, bucket, options) {
		Done(listed.Err)
		found = append(found, listed.Key)
	}
	return found
}
