"""The CRM object types served here, and every name HubSpot takes for one: plural, singular or type id."""

from dataclasses import dataclass

from dealbridge_local.simulators.hubspot.errors import invalid_request


@dataclass(frozen=True)
class ObjectType:
    """One object type. `returned` are the properties of a read that asks for none."""

    name: str
    singular: str
    type_id: str
    returned: tuple[str, ...]
    modified: str = "hs_lastmodifieddate"

    @property
    def always_returned(self) -> tuple[str, ...]:
        """Seen on every read, asked for or not (observed on live portals)."""
        return ("createdate", self.modified, "hs_object_id")

    @property
    def association_key(self) -> str:
        """The key under `associations` of a read object: HubSpot prints "line items" with a space."""
        return self.name.replace("_", " ")


CONTACTS = ObjectType("contacts", "contact", "0-1", ("email", "firstname", "lastname"), "lastmodifieddate")
COMPANIES = ObjectType("companies", "company", "0-2", ("domain", "name"))
DEALS = ObjectType("deals", "deal", "0-3", ("amount", "closedate", "dealname", "dealstage", "pipeline"))
PRODUCTS = ObjectType("products", "product", "0-7", ("description", "name", "price"))
LINE_ITEMS = ObjectType("line_items", "line_item", "0-8", ())
QUOTES = ObjectType("quotes", "quote", "0-14", ("hs_expiration_date", "hs_status", "hs_title"))

OBJECT_TYPES = {each.name: each for each in (CONTACTS, COMPANIES, DEALS, PRODUCTS, LINE_ITEMS, QUOTES)}

_NAMES = {name: each for each in OBJECT_TYPES.values() for name in (each.name, each.singular, each.type_id)}


def object_type(given: str) -> ObjectType:
    """The type of a path or association name; raises a 400 where it is none."""
    found = _NAMES.get(given.lower())
    if found is None:
        raise invalid_request(f"Unable to infer object type from: {given}")
    return found
