"""Evidence from a running platform: the vendors' records over HTTP, the ledger from DynamoDB, of some deals alone.

Other deals stand in the same systems. What is looked at is what came after a beginning (`Inspection.begin`), and of
that what bears no key, or the key of one of the deals, or that of an account or a contact that came after it too.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from dealbridge_local.worlds.checker import Evidence
from dealbridge_local.worlds.checker.evidence import Item, Record, Records
from dealbridge_local.worlds.checker.s4hana import project_number
from dealbridge_local.worlds.site import Site
from dealbridge_local.worlds.testimony import erp_of, roles

_DEALS = {"salesforce": "Opportunity", "hubspot": "deals"}
_PEOPLE = {"salesforce": ("Account", "Contact"), "hubspot": ("companies", "contacts")}
_KEY = re.compile(r"(?P<kind>CUST|CONT|PROJ|TASK|SO|BILL|PSA|STAF)-(?P<id>[^-]+)")
_OF_PEOPLE = ("CUST", "CONT")


@dataclass(frozen=True)
class Inspection:
    """What stood in each system at the beginning."""

    site: Site
    people: Collection[tuple[str, str, str]]
    """CRM, kind and id of accounts and contacts."""
    records: Collection[str]
    """Whole records of ERPs and PSA, as text."""

    @classmethod
    def begin(cls, site: Site) -> Self:
        people = {
            (crm, kind, _id(each))
            for crm, kinds in _PEOPLE.items()
            for kind, held in site.records(crm).items()
            if kind in kinds
            for each in held
        }
        others = [name for name in site.vendors if name not in _PEOPLE]
        return cls(
            site, people, {_text(each) for name in others for held in site.records(name).values() for each in held}
        )

    def gather(self) -> Evidence:
        """Evidence of the site's deals."""
        crms = {crm: self._sold_in(crm) for crm in _DEALS}
        ours = _Ours.of(crms)
        ledger = [item for item in self.site.ledger() if ours.told_of(item)]
        return Evidence(
            crms=crms,
            erps={
                "netsuite": ours.in_netsuite(self._since("netsuite")),
                "s4hana": ours.in_s4hana(self._since("s4hana")),
            },
            psas={"kantata": ours.in_kantata(self._since("kantata"))},
            ledger=ledger,
            unfinished=list(self.site.unfinished()),
            roles=roles(),
            erp_of=erp_of(),
        )

    def _sold_in(self, crm: str) -> Records:
        """A CRM's records with no deals but the site's, and no people but those who came after the beginning."""

        def kept(kind: str, record: Record) -> bool:
            if kind == _DEALS[crm]:
                return self.site.concerns(f"{crm}:{_id(record)}")
            return kind not in _PEOPLE[crm] or (crm, kind, _id(record)) not in self.people

        return {kind: [each for each in held if kept(kind, each)] for kind, held in self.site.records(crm).items()}

    def _since(self, system: str) -> Records:
        return {
            kind: [each for each in held if _text(each) not in self.records]
            for kind, held in self.site.records(system).items()
        }


@dataclass(frozen=True)
class _Ours:
    """The ids of deals, and of accounts and contacts, to which records may belong."""

    deals: Collection[str]
    people: Collection[str]

    @classmethod
    def of(cls, crms: Mapping[str, Records]) -> Self:
        deals = {_id(each) for crm, held in crms.items() for each in held.get(_DEALS[crm], ())}
        people = {_id(each) for crm, held in crms.items() for kind in _PEOPLE[crm] for each in held.get(kind, ())}
        return cls(deals, people)

    def owns(self, key: str) -> bool:
        told = _KEY.match(key)
        return told is not None and told["id"] in (self.people if told["kind"] in _OF_PEOPLE else self.deals)

    def told_of(self, item: Item) -> bool:
        """Whether an item of the ledger is about them."""
        if "identity" in item:
            return self.owns(str(item["identity"]).rsplit("/", 1)[1])
        pk = str(item["pk"])
        return pk.startswith("DEAL#") and pk.rsplit(":", 1)[1] in self.deals

    def in_netsuite(self, records: Records) -> Records:
        return {kind: [each for each in held if self._or_no(each.get("externalId"))] for kind, held in records.items()}

    def in_s4hana(self, records: Records) -> Records:
        partners = {f"{prefix}-{each}".upper() for prefix in ("A", "C") for each in self.people}
        numbers = {project_number(deal, entity) for deal in self.deals for entity in erp_of()}
        kept = dict(records)
        kept["A_BusinessPartner"] = [
            each
            for each in records.get("A_BusinessPartner", ())
            if not each["BusinessPartnerIDByExtSystem"] or each["BusinessPartnerIDByExtSystem"] in partners
        ]
        kept["A_EnterpriseProject"] = [
            each for each in records.get("A_EnterpriseProject", ()) if each["Project"] in numbers
        ]
        kept["A_SalesOrder"] = [
            each for each in records.get("A_SalesOrder", ()) if self._or_no(each["PurchaseOrderByShipToParty"])
        ]
        orders = {each["SalesOrder"] for each in kept["A_SalesOrder"]}
        kept["A_SalesOrderItem"] = [
            each for each in records.get("A_SalesOrderItem", ()) if each["SalesOrder"] in orders
        ]
        return kept

    def in_kantata(self, records: Records) -> Records:
        """Without the workspaces and resources that bear the keys of others."""
        others = {
            (str(each["subject_type"]), str(each["subject_id"]))
            for each in records.get("custom_field_values", ())
            if not self._or_no(each["value"])
        }
        kinds = {"workspaces": "Workspace", "workspace_resources": "Resource"}
        return {
            kind: [each for each in held if (kinds.get(kind, ""), str(each.get("id"))) not in others]
            for kind, held in records.items()
        }

    def _or_no(self, key: Any) -> bool:
        return not key or not _KEY.match(str(key)) or self.owns(str(key))


def _id(record: Record) -> str:
    return str(record.get("Id") or record.get("id"))


def _text(record: Record) -> str:
    return json.dumps(record, sort_keys=True, default=str)
