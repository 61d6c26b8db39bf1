"""The applications behind the services: the business rules of SAP that a client meets."""
