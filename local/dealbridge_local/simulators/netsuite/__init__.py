"""A simulator of Oracle NetSuite: SuiteTalk REST record service and SuiteQL, 2026.1.

Built to the vendor's documents; page ids stand where a behaviour is not self-evident. What the documents leave open is
a field of `account.Preferences` or an argument of `NetSuiteSimulator`.

oauth.py                   the token endpoint: client credentials with a certificate
fields.py                  what a record type is made of
record_types.py            the types offered; the tables stand in {entity,project,transaction,setup}_types.py
account.py                 records with their indexes, numbering, clock, preferences
writes.py                  from a request body to a record
rules.py, sales.py         what the account does when a record is saved
transforms.py              order to invoice
reads.py, filters.py       records as shown; the `q` parameter
record_service.py          the record service's calls
suiteql_{syntax,run,values}.py, analytics.py    SuiteQL: read, run, its values; the tables
asynchronous.py            jobs, idempotency keys, batches
catalog.py                 metadata
simulator.py               the front door, governance, and what the firm's people do
"""

from dealbridge_local.simulators.netsuite.simulator import NetSuiteSimulator

__all__ = ["NetSuiteSimulator"]
