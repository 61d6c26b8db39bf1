"""The entity models of the services, after their published metadata (EDMX of API releases 2302 to 2502).

A model holds the properties that matter to a professional-services deal, with SAP's names, types, lengths and
`sap:creatable`/`sap:updatable`; industry and logistics fields are left out.
"""
