"""The table of S3's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.s3 import bucket_operations, copies, listing, multipart, objects, tagging

OPERATIONS: dict[str, Operation] = {
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "CopyObject": copies.copy_object,
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
    "ListMultipartUploads": listing.list_multipart_uploads,
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
_DIRECTORIES = "of directory buckets"
_CHECKSUMS = "kept and repeated, and not compared"
_PAYER = {"RequestPayer": _ACCESS}
_KEPT_CHECKSUMS = {
    "ChecksumCRC32C": _CHECKSUMS,
    "ChecksumCRC64NVME": _CHECKSUMS,
    "ChecksumXXHASH128": _CHECKSUMS,
    "ChecksumXXHASH3": _CHECKSUMS,
    "ChecksumXXHASH64": _CHECKSUMS,
}
_RULES = {
    "ACL": _ACCESS,
    "GrantFullControl": _ACCESS,
    "GrantRead": _ACCESS,
    "GrantReadACP": _ACCESS,
    "GrantWrite": _ACCESS,
    "GrantWriteACP": _ACCESS,
}
_STORED = {
    **_PAYER,
    **_RULES,
    "BucketKeyEnabled": _ENCRYPTION,
    "ObjectLockEventHold": _VERSIONS,
    "ObjectLockEventHoldDurationDays": _VERSIONS,
    "ObjectLockEventHoldDurationYears": _VERSIONS,
    "ObjectLockLegalHoldStatus": _VERSIONS,
    "ObjectLockMode": _VERSIONS,
    "ObjectLockRetainUntilDate": _VERSIONS,
    "SSEKMSEncryptionContext": _ENCRYPTION,
    "SSEKMSKeyId": _ENCRYPTION,
    "ServerSideEncryption": _ENCRYPTION,
    "StorageClass": "the file is where it is; the header is kept and repeated",
}
_NO_KEYS = "objects are not encrypted with customers' keys"
_KEYS = {"SSECustomerAlgorithm": _NO_KEYS, "SSECustomerKey": _NO_KEYS, "SSECustomerKeyMD5": _NO_KEYS}
_SOURCE_KEYS = {
    "CopySourceSSECustomerAlgorithm": _NO_KEYS,
    "CopySourceSSECustomerKey": _NO_KEYS,
    "CopySourceSSECustomerKeyMD5": _NO_KEYS,
}
_READ = Exceptions(_PAYER, _KEYS)
_LIST = Exceptions({**_PAYER, "OptionalObjectAttributes": "nothing is restored here"})
EXCEPTIONS: dict[str, Exceptions] = {
    "AbortMultipartUpload": Exceptions(_PAYER, {"IfMatchInitiatedTime": _DIRECTORIES}),
    "CompleteMultipartUpload": Exceptions(
        {
            **_PAYER,
            **_KEPT_CHECKSUMS,
            "ChecksumCRC32": _CHECKSUMS,
            "ChecksumMD5": _CHECKSUMS,
            "ChecksumSHA1": _CHECKSUMS,
            "ChecksumSHA256": _CHECKSUMS,
            "ChecksumSHA512": _CHECKSUMS,
            "ChecksumType": _CHECKSUMS,
            "MpuObjectSize": "the size is that of the parts",
        },
        _KEYS,
    ),
    "CopyObject": Exceptions(
        {
            **_STORED,
            "AnnotationDirective": "objects have no annotations",
            "ChecksumAlgorithm": "a copy keeps the checksums of its source",
        },
        {**_KEYS, **_SOURCE_KEYS},
    ),
    "CreateBucket": Exceptions(
        {
            **_RULES,
            "BucketNamespace": "there is one",
            "CreateBucketConfiguration": "all buckets are in the platform's region",
            "ObjectLockEnabledForBucket": _VERSIONS,
            "ObjectOwnership": _ACCESS,
        }
    ),
    "CreateMultipartUpload": Exceptions({**_STORED, "ChecksumType": _CHECKSUMS}, _KEYS),
    "DeleteObject": Exceptions(
        {**_PAYER, "BypassGovernanceRetention": _VERSIONS, "MFA": _ACCESS},
        {"IfMatchLastModifiedTime": _DIRECTORIES, "IfMatchSize": _DIRECTORIES},
    ),
    "DeleteObjects": Exceptions(
        {**_PAYER, "BypassGovernanceRetention": _VERSIONS, "MFA": _ACCESS},
        {"Delete.Objects.LastModifiedTime": _DIRECTORIES, "Delete.Objects.Size": _DIRECTORIES},
    ),
    "GetObject": _READ,
    "GetObjectTagging": Exceptions(_PAYER),
    "HeadObject": _READ,
    "ListBuckets": Exceptions(
        {"BucketRegion": "there is one region", "ContinuationToken": ONE_PAGE, "MaxBuckets": ONE_PAGE}
    ),
    "ListMultipartUploads": Exceptions(_PAYER),
    "ListObjects": _LIST,
    "ListObjectsV2": _LIST,
    "ListParts": _READ,
    "PutObject": Exceptions(
        {**_STORED, **_KEPT_CHECKSUMS}, {**_KEYS, "WriteOffsetBytes": "objects are not appended to"}
    ),
    "PutObjectTagging": Exceptions(_PAYER),
    "UploadPart": Exceptions({**_PAYER, **_KEPT_CHECKSUMS}, _KEYS),
    "UploadPartCopy": Exceptions(_PAYER, {**_KEYS, **_SOURCE_KEYS}),
}
