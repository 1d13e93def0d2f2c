"""The table of S3's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.s3 import bucket_operations, listing, multipart, objects, tagging

OPERATIONS: dict[str, Operation] = {
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "CopyObject": objects.copy_object,
    "CreateBucket": bucket_operations.create_bucket,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "DeleteBucket": bucket_operations.delete_bucket,
    "DeleteObject": objects.delete_object,
    "DeleteObjectTagging": tagging.delete_object_tagging,
    "DeleteObjects": objects.delete_objects,
    "GetBucketLocation": bucket_operations.get_bucket_location,
    "GetBucketVersioning": bucket_operations.get_bucket_versioning,
    "GetObject": objects.get_object,
    "GetObjectTagging": tagging.get_object_tagging,
    "HeadBucket": bucket_operations.head_bucket,
    "HeadObject": objects.head_object,
    "ListBuckets": bucket_operations.list_buckets,
    "ListMultipartUploads": multipart.list_multipart_uploads,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListParts": multipart.list_parts,
    "PutObject": objects.put_object,
    "PutObjectTagging": tagging.put_object_tagging,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy,
}

_ENCRYPTION = "objects are plain files; the header is kept and repeated"
_ACCESS = "every caller may do everything"
_VERSIONS = "an object has one version"
_RULES = {
    "ACL": _ACCESS,
    "BucketKeyEnabled": _ENCRYPTION,
    "GrantFullControl": _ACCESS,
    "GrantRead": _ACCESS,
    "GrantReadACP": _ACCESS,
    "GrantWrite": _ACCESS,
    "GrantWriteACP": _ACCESS,
    "ObjectLockLegalHoldStatus": _VERSIONS,
    "ObjectLockMode": _VERSIONS,
    "ObjectLockRetainUntilDate": _VERSIONS,
    "RequestPayer": _ACCESS,
    "SSEKMSEncryptionContext": _ENCRYPTION,
    "SSEKMSKeyId": _ENCRYPTION,
    "ServerSideEncryption": _ENCRYPTION,
    "StorageClass": "the file is where it is; the header is kept and repeated",
}
_CUSTOMER_KEYS = {
    "SSECustomerAlgorithm": "objects are not encrypted with customers' keys",
    "SSECustomerKey": "objects are not encrypted with customers' keys",
}
_WRITE = Exceptions(
    without_effect=_RULES, refused={**_CUSTOMER_KEYS, "WriteOffsetBytes": "objects are not appended to"}
)
_READ = Exceptions(without_effect={"RequestPayer": _ACCESS}, refused=_CUSTOMER_KEYS)
EXCEPTIONS: dict[str, Exceptions] = {
    "PutObject": _WRITE,
    "CopyObject": _WRITE,
    "CreateMultipartUpload": _WRITE,
    "UploadPart": _READ,
    "GetObject": _READ,
    "HeadObject": _READ,
    "CreateBucket": Exceptions(
        without_effect={
            **_RULES,
            "CreateBucketConfiguration": "all buckets are in the platform's region",
            "ObjectLockEnabledForBucket": _VERSIONS,
            "ObjectOwnership": _ACCESS,
        }
    ),
    "DeleteObject": Exceptions(
        without_effect={"MFA": _ACCESS, "BypassGovernanceRetention": _VERSIONS, "VersionId": _VERSIONS}
    ),
    "DeleteObjects": Exceptions(without_effect={"MFA": _ACCESS, "BypassGovernanceRetention": _VERSIONS}),
}
