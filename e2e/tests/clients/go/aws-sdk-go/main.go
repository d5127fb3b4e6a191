// Drives an S3 server with the AWS SDK for Go, version 2, as an application would, and says of each step whether it holds.
//
// Usage: aws-sdk-go objects|versions. Endpoint, region and access key come from the environment, as the SDK reads it; nothing else is
// set. ZAS_TOUR_ADDRESS (HOST:PORT), where given, is where every name is found: for domains that no name server knows.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	. "zas-tours/tour"
)

const part = 5 << 20

var (
	ctx    context.Context
	client *s3.Client
	// What opens presigned URLs: it finds the same names.
	plain *http.Client
)

func main() {
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var options []func(*config.LoadOptions) error
	plain = http.DefaultClient
	if address := os.Getenv("ZAS_TOUR_ADDRESS"); address != "" {
		found := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		})
		options = append(options, config.WithHTTPClient(found))
		plain = &http.Client{Transport: found.GetTransport()}
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: aws-sdk-go objects|versions;", err)
		os.Exit(2)
	}
	client = s3.NewFromConfig(settings)
	tours := map[string][][]Step{"objects": {buckets, objects, reading, listing, transfers, presigned}, "versions": {versions}}
	var steps []Step
	for _, group := range tours[os.Args[1]] {
		steps = append(steps, group...)
	}
	Run(steps)
}

// refused: the call must have failed with this code and status. HEAD has no body to carry a code; the SDK makes one of the status.
func refused(code string, status int, err error) {
	var answer *awshttp.ResponseError
	Check(errors.As(err, &answer), "expected %d %s, found %v", status, code, err)
	Same(answer.HTTPStatusCode(), status)
	var told smithy.APIError
	Check(errors.As(err, &told) && (code == "" || told.ErrorCode() == code), "expected %s, found %v", code, err)
}

func newBucket() *string {
	name := aws.String(Name())
	Must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name}))
	return name
}

func put(bucket *string, key string, body []byte) *s3.PutObjectOutput {
	return Must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}))
}

func get(bucket *string, key string) []byte {
	return read(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key}))
}

func read(answer *s3.GetObjectOutput, err error) []byte {
	Done(err)
	defer answer.Body.Close()
	return Must(io.ReadAll(answer.Body))
}

func head(bucket *string, key string) (*s3.HeadObjectOutput, error) {
	return client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: &key})
}
