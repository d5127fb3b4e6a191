//! The operations on objects and on the parts of uploads, and what there is to say of each.

use super::Note::{Here, HereOrNot, Never};
use super::Row;

const NO_LOCK: &str = "object lock is not implemented";
const NO_ANNOTATIONS: &str = "annotations are not kept; what is attached to an object is a referrer of its manifest";
const REFUSED: &str =
    "no storage classes, customers' keys, keys of a KMS, website redirects or appending: asking is 501";

macro_rules! rows {
    ($($name:ident $request:literal $note:expr;)+) => {
        /// Object by object.
        pub(super) const ROWS: &[Row] = &[$(Row { name: stringify!($name), request: $request, note: $note }),+];
    };
}

rows! {
    PutObject "PUT /{bucket}/{key}" Here(REFUSED);
    GetObject "GET /{bucket}/{key}" Here("`partNumber` is the part's number in its upload; a `Range` that cannot be read, or has several, is 400");
    HeadObject "HEAD /{bucket}/{key}" Here("as GetObject");
    GetObjectAttributes "GET /{bucket}/{key}?attributes" Here("");
    DeleteObject "DELETE /{bucket}/{key}" Here("a delete with a condition is 404 NoSuchKey where there is no object");
    CopyObject "PUT /{bucket}/{key} (x-amz-copy-source)" Here("moves no bytes, and keeps ETag and checksums; another checksum algorithm is 501; no access points; reads the source with `s3:GetObject`");
    RenameObject "PUT /{bucket}/{key}?renameObject" HereOrNot("where AWS has it for directory buckets alone; 501 where a bucket keeps versions", "copy and delete do the same in two requests");
    RestoreObject "POST /{bucket}/{key}?restore" Never("nothing is archived");
    SelectObjectContent "POST /{bucket}/{key}?select&select-type=2" Never("closed to new customers at AWS; engines read ranges");
    GetObjectTorrent "GET /{bucket}/{key}?torrent" Never("withdrawn by AWS");
    UpdateObjectEncryption "PUT /{bucket}/{key}?encryption" Never("the service does not encrypt: the registry's storage may");
    WriteGetObjectResponse "POST /WriteGetObjectResponse" Never("there are no functions that objects are read through");

    GetObjectTagging "GET /{bucket}/{key}?tagging" Here("");
    PutObjectTagging "PUT /{bucket}/{key}?tagging" Here("");
    DeleteObjectTagging "DELETE /{bucket}/{key}?tagging" Here("");
    GetObjectAcl "GET /{bucket}/{key}?acl" Here("who owns it is named as in ListBuckets: `user/<name>`, not an account's number");
    PutObjectAcl "PUT /{bucket}/{key}?acl" Here("where the bucket's owner owns everything: 400 AccessControlListNotSupported, as at AWS");
    GetObjectLegalHold "GET /{bucket}/{key}?legal-hold" HereOrNot("", NO_LOCK);
    PutObjectLegalHold "PUT /{bucket}/{key}?legal-hold" HereOrNot("", NO_LOCK);
    GetObjectRetention "GET /{bucket}/{key}?retention" HereOrNot("", NO_LOCK);
    PutObjectRetention "PUT /{bucket}/{key}?retention" HereOrNot("", NO_LOCK);
    GetObjectAnnotation "GET /{bucket}/{key}?annotation&annotationName=" Never(NO_ANNOTATIONS);
    PutObjectAnnotation "PUT /{bucket}/{key}?annotation&annotationName=" Never(NO_ANNOTATIONS);
    DeleteObjectAnnotation "DELETE /{bucket}/{key}?annotation&annotationName=" Never(NO_ANNOTATIONS);
    ListObjectAnnotations "GET /{bucket}/{key}?annotation" Never(NO_ANNOTATIONS);

    CreateMultipartUpload "POST /{bucket}/{key}?uploads" Here(REFUSED);
    UploadPart "PUT /{bucket}/{key}?partNumber=&uploadId=" Here("a signed chunk has 4 MiB at the most");
    UploadPartCopy "PUT /{bucket}/{key}?partNumber=&uploadId= (x-amz-copy-source)" Here("writes no bytes; no access points; reads the source with `s3:GetObject`");
    CompleteMultipartUpload "POST /{bucket}/{key}?uploadId=" Here("text in a CDATA section is not read");
    AbortMultipartUpload "DELETE /{bucket}/{key}?uploadId=" Here("");
    ListParts "GET /{bucket}/{key}?uploadId=" Here("");
}
