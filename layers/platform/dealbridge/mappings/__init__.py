"""Governed reference data: what is configuration and never an `if` in code.

reference.py   the published document as typed models, and what may be asked of it
expressions.py JSONata field mappings: a CRM's words to ours
folder.py      the YAML files of `mappings/` to one document, checked (not used in functions)
published.py   the document as a function reads it, through AppConfig, cached
"""
