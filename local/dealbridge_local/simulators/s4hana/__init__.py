"""SAP S/4HANA Cloud (Public Edition): the OData V2 services that a professional-services deal touches.

simulator.py     the tenant's door: sign-in, CSRF, change sets, control actions, events on their way out
sessions.py      communication user, sessions, CSRF tokens, OAuth
gateway.py       one OData request to reads and changes, and back
addresses.py     URLs: services, keys, query options
filters.py       $filter
bodies.py        request bodies, checked against the model
rendering.py     the JSON envelope, and Atom for who does not ask for JSON
metadata.py      $metadata and service documents
batch.py         $batch
repeatable.py    RequestID
errors.py        what SAP says when it refuses
events.py        CloudEvents to a webhook
model.py edm.py  the entity model and its types
entities/        the services' entity models
applications/    the business rules behind them
tables.py        records with their indexes
tenant.py        what applications share: clock, numbers, locks, events
customizing.py   what the sample tenant is set up with

What is not simulated: OData V4 services, header billing plans, suppliers, deliveries, PDF output, Atom request bodies.
"""

from dealbridge_local.simulators.s4hana.simulator import S4HanaSimulator

__all__ = ["S4HanaSimulator"]
