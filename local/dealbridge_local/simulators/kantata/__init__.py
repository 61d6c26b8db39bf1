"""Kantata OX, simulated.

simulator.py      the account: routes, tokens, what is seeded, the switches
resource.py       how a resource of the API is described
tenant.py         the records, their indexes and the events that writes leave
listing.py        reading: filters, order, pages, includes, the envelope
writing.py        writing: bodies, accepted attributes, create, update, delete
readers.py        from what was sent to what is stored
refusals.py       the error answers
limits.py         429
oauth.py          tokens
people.py         what people do in the account while a test runs
directory, workspaces, participations, tasks, billing, staffing, actuals, submissions, custom_fields, references, events
                  the resources and their rules
"""

from dealbridge_local.simulators.kantata.limits import Limits
from dealbridge_local.simulators.kantata.people import ADMINISTRATOR, APPROVER, CONSULTANTS, MANAGERS, People
from dealbridge_local.simulators.kantata.simulator import RESOURCES, KantataSimulator

__all__ = ["ADMINISTRATOR", "APPROVER", "CONSULTANTS", "MANAGERS", "RESOURCES", "KantataSimulator", "Limits", "People"]
