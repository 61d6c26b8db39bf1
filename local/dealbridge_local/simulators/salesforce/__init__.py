"""A Salesforce org: REST API, SOQL, OAuth and the events that Event Relay carries to EventBridge.

simulator.py   the org: which path is which API, the daily allowance, the control surface
oauth.py       JWT bearer and client credentials, sessions that end in silence
rest.py        records, queries and describe; conditional.py, describe.py, composite.py beside it
schema.py      what metadata says; sobjects.py and custom_fields.py are this org's; seed.py its set-up data
database.py    records by index, in transactions; records.py the checks of a write; field_values.py its values
deal_rules.py  what the org does by itself when a deal is saved
soql.py        the parser; conditions.py, date_literals.py and query.py answer what it read
events.py      change and platform events; outbox.py hands them over; event_relay.py carries them to EventBridge
"""

from dealbridge_local.simulators.salesforce.simulator import SalesforceSimulator

__all__ = ["SalesforceSimulator"]
