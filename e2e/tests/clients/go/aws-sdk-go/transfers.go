package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	. "zas-tours/tour"
)

var transfers = []Step{
	{"the manager uploads in parts of odd sizes, from a stream too, and downloads by ranges", func() {
		bucket := newBucket()
		uploader := manager.NewUploader(client, func(options *manager.Uploader) { options.PartSize = part + 1 })
		for n, size := range []int{2*part + 2, 2*part + 3, 100} {
			key, body := fmt.Sprintf("manager %d", n), Pattern(size, n)
			var source io.Reader = bytes.NewReader(body)
			if n > 0 {
				source = struct{ io.Reader }{source} // no way back in it
			}
			Must(uploader.Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: source}))
			Same(*Must(head(bucket, key)).ContentLength, int64(size))
			back := manager.NewWriteAtBuffer(nil)
			Must(manager.NewDownloader(client).Download(ctx, back, &s3.GetObjectInput{Bucket: bucket, Key: &key}))
			SameBytes(back.Bytes(), body)
		}
	}},
	{"the transfer manager uploads and downloads in parts as it comes", func() {
		bucket, key, body := newBucket(), aws.String("transfer"), Pattern(17<<20+1, 5)
		transfer := transfermanager.New(client)
		Must(transfer.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body)}))
		found := Must(head(bucket, "transfer"))
		Check(strings.Contains(*found.ETag, "-"), "%s is no ETag of parts", *found.ETag)
		answer := Must(transfer.GetObject(ctx, &transfermanager.GetObjectInput{Bucket: bucket, Key: key}))
		SameBytes(Must(io.ReadAll(answer.Body)), body)
	}},
	{"parts are uploaded, copied, listed and completed", func() {
		bucket, key := newBucket(), aws.String("parts")
		whole := Pattern(part+4_321, 6)
		put(bucket, "source ü", whole)
		upload := Must(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: bucket, Key: key, Metadata: map[string]string{"a": "1"},
		})).UploadId
		copied := Must(client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: bucket, Key: key, UploadId: upload, PartNumber: aws.Int32(1),
			CopySource: aws.String(*bucket + "/" + url.PathEscape("source ü")), CopySourceRange: aws.String(fmt.Sprintf("bytes=1-%d", part+1_000)),
		})).CopyPartResult.ETag
		last := Must(client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: upload, PartNumber: aws.Int32(7), Body: strings.NewReader("the end"),
		})).ETag
		listed := Must(client.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: upload})).Parts
		Same([]int64{*listed[0].Size, *listed[1].Size}, []int64{part + 1_000, 7})
		Same(len(Must(client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket})).Uploads), 1)
		parts := []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: copied}, {PartNumber: aws.Int32(7), ETag: last}}
		complete := func(condition *string) error {
			_, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
				Bucket: bucket, Key: key, UploadId: upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, IfMatch: condition,
			})
			return err
		}
		put(bucket, "parts", []byte("what the upload replaces"))
		refused("PreconditionFailed", 412, complete(aws.String(`"other"`)))
		Done(complete(nil))
		SameBytes(get(bucket, "parts"), append(bytes.Clone(whole[1:part+1_001]), "the end"...))
		Same(Must(head(bucket, "parts")).Metadata, map[string]string{"a": "1"})
		piece := Must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, PartNumber: aws.Int32(7)}))
		Same(string(read(piece, nil)), "the end")
	}},
	{"an aborted upload is gone", func() {
		bucket, key := newBucket(), aws.String("aborted")
		upload := Must(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})).UploadId
		Must(client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: upload}))
		_, err := client.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: upload})
		refused("NoSuchUpload", 404, err)
	}},
}

var presigned = []Step{
	{"presigned URLs open one operation each to whoever has them", func() {
		bucket, key := newBucket(), aws.String("a b/ü+&")
		signer := s3.NewPresignClient(client)
		write := Must(signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, ContentType: aws.String("text/x-tour")}))
		status, _, told := Exchange(plain, http.MethodPut, write.URL, write.SignedHeader, []byte("hello"))
		Check(status == 200, "%d %s", status, told)
		look := Must(signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}))
		status, headers, body := Exchange(plain, http.MethodGet, look.URL, look.SignedHeader, nil)
		Same(fmt.Sprint(status, headers.Get("Content-Type"), string(body)), "200text/x-tourhello")
		status, _, _ = Exchange(plain, http.MethodPut, look.URL, nil, []byte("x"))
		Same(status, 403)
		unsigned, _, _ := strings.Cut(look.URL, "?")
		status, _, _ = Exchange(plain, http.MethodGet, unsigned, nil, nil)
		Same(status, 403)
		remove := Must(signer.PresignDeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
		status, _, _ = Exchange(plain, http.MethodDelete, remove.URL, remove.SignedHeader, nil)
		Same(status, 204)
		status, _, _ = Exchange(plain, http.MethodGet, look.URL, look.SignedHeader, nil)
		Same(status, 404)
	}},
	{"a presigned part is uploaded", func() {
		bucket, key := newBucket(), aws.String("parts")
		upload := Must(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})).UploadId
		request := Must(s3.NewPresignClient(client).PresignUploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: upload, PartNumber: aws.Int32(1),
		}))
		status, headers, told := Exchange(plain, http.MethodPut, request.URL, request.SignedHeader, []byte("from a browser"))
		Check(status == 200, "%d %s", status, told)
		Must(client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: key, UploadId: upload, MultipartUpload: &types.CompletedMultipartUpload{
				Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(headers.Get("ETag"))}},
			},
		}))
		Same(string(get(bucket, "parts")), "from a browser")
	}},
}
