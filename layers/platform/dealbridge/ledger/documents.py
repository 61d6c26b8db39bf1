"""Large JSON, packed. Beyond what an item should hold it goes to S3, named by its hash, and travels by reference."""

import gzip
import hashlib
import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dealbridge import aws
from dealbridge.errors import TransientError

INLINE_BYTES = 200_000
"""An item holds 400 KB in all (DynamoDB quotas); what is larger than this packed goes to S3."""


class Documents:
    """Packs and unpacks plain JSON values."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def pack(self, value: Any) -> bytes | str:
        """Compressed bytes, or `s3:<key>` where they are too many. The same value packs to the same."""
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        packed = gzip.compress(text, compresslevel=6, mtime=0)
        if len(packed) <= INLINE_BYTES:
            return packed
        key = f"documents/{hashlib.sha256(packed).hexdigest()}.json.gz"
        try:
            aws.s3().put_object(Bucket=self._bucket, Key=key, Body=packed, ContentType="application/json")
        except (BotoCoreError, ClientError) as error:
            raise TransientError(f"ledger: S3 does not take a document ({type(error).__name__})") from error
        return f"s3:{key}"

    def unpack(self, packed: bytes | str) -> Any:
        if isinstance(packed, str):
            try:
                answer = aws.s3().get_object(Bucket=self._bucket, Key=packed.removeprefix("s3:"))
                packed = answer["Body"].read()
            except (BotoCoreError, ClientError) as error:
                raise TransientError(f"ledger: S3 does not give a document ({type(error).__name__})") from error
        return json.loads(gzip.decompress(packed))
