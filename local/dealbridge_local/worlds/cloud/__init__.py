"""AWS in memory, behind the functions of `dealbridge.aws`: answers in microseconds, the same on every run.

    expressions.py  DynamoDB's expressions, those forms that the ledger and Powertools' idempotency write
    dynamodb.py     tables with one index by state; conditional and transactional writes
    queues.py       SQS: visibility, receive counts, dead letters
    services.py     EventBridge, Step Functions' front, S3, Secrets Manager, AppConfig
    seam.py         all of it in place of `dealbridge.aws`, each call seen by whoever watches

A form or an operation that is not here raises NotEmulatedError: a fake that guesses proves nothing.
tests/faults/test_cloud.py holds the tables against moto.
"""
