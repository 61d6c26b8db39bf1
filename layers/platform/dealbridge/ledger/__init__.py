"""What we know and did, over one DynamoDB table (design, section 5).

    table.py       items and their codec; conditional writes that say whether they happened
    documents.py   large JSON, packed; beyond an item's size it goes to S3 and travels by reference
    deals.py       the head of a deal: lease, pending hints, state
    runs.py        runs and their story: each step with its time, its outcome, what it waited for
    records.py     records outside: intent, outcome, content last applied, effects
    exceptions.py  what a person has to look at
    references.py  the reference data that runs work by, by version
    audit.py       append-only entries per deal, each with the hash of the one before
    cursors.py     how far a poll has read, and inbound requests that were refused

Keys: DEAL#<deal> / HEAD | RUN#<n> | STORY#<n>#<time>#<step> | SNAPSHOT#<hash> | PLAN#<run> | RECORD#<identity> |
EXCEPTION#<run> | AUDIT#<n>; SHARED#<identity> / RECORD for records that many deals write; REFERENCE#<version> /
REFERENCE; CURSOR#<connection> / CURSOR; REFUSED#<day> / <id>.
Index `by_state` (gsi_pk, gsi_sk) lists deals by state and exceptions by cause.
"""
