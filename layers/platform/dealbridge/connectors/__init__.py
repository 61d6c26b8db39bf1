"""One folder per system, all with the same files:

    __init__.py   CAPABILITIES and connect(): all that wiring.py knows of a connector
    README.md     API version, auth, keys, concurrency, limits, what is not possible, with the vendor's documents
    settings.py   the connection's options and its secret, as typed models
    auth.py       sign-in
    outcomes.py   the table from the vendor's signals to our errors
    records.py    the vendor's record shapes
    mapping.py    our objects to the vendor's and back: pure functions
    system.py     the port, in calls

A connector imports domain, ports, errors and transport; never ledger, another connector or boto3.
"""
