"""What connectors share on the way to a vendor.

client.py     one HTTP client: signs in, calls, turns answers into errors.py's classes, tells who watches
outcomes.py   the table from a vendor's signals to an error class
tokens.py     bearer tokens: fetched when needed, renewed once after a 401
signatures.py our own scheme for signed requests
redaction.py  what never appears in a log
"""
