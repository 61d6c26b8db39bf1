"""What connectors share on the way to a vendor.

client.py     one HTTP client: signs in, calls, turns answers into errors.py's classes, tells who watches
outcomes.py   the table from a vendor's signals to an error class
tokens.py     bearer tokens: fetched when needed, renewed once after a 401
gate.py       a connection's budget and circuit breaker, shared by all functions
settings.py   what options and secrets begin with
mapping.py    the codes of a write, what our records say, our status in a CRM's fields
signatures.py our own scheme for signed requests
redaction.py  what never appears in a log
"""
