"""What the org itself does when a deal is saved: derived fields, roll-ups, and writes that it ignores in silence.

The rules are those of the Object Reference (Opportunity, OpportunityLineItem, OpportunityLineItemSchedule).
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.errors import ApiError, field_integrity, required_missing
from dealbridge_local.simulators.salesforce.field_values import rounded
from dealbridge_local.simulators.salesforce.schema import SObject
from dealbridge_local.simulators.store import Record

CENT = 2
"""Decimal places of a currency field; a price in a currency with fewer is rounded to those."""


@dataclass(frozen=True)
class Settings:
    """The org's features."""

    multi_currency: bool = True
    products_and_schedules: bool = True
    corporate_currency: str = "USD"


class Rules:
    def __init__(
        self, database: Database, settings: Settings, now: Callable[[], str], touch: Callable[..., None]
    ) -> None:
        self._database = database
        self._settings = settings
        self._now = now
        self._touch = touch
        self._before = {
            "Account": self._account,
            "Contact": self._name_person,
            "Contract": self._contract,
            "Opportunity": self._opportunity,
            "OpportunityLineItem": self._line,
            "OpportunityLineItemSchedule": self._schedule,
            "PricebookEntry": self._price_book_entry,
        }

    def before_save(self, sobject: SObject, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        """Derive fields of the record about to be saved, in place; `old` is None for a new one."""
        if sobject.money and self._settings.multi_currency and record["CurrencyIsoCode"] is None:
            record["CurrencyIsoCode"] = self._settings.corporate_currency
        rule = self._before.get(sobject.name)
        if rule:
            rule(old, given, record)

    def after_save(self, sobject: SObject, old: Record | None, record: Record, user_id: str) -> None:
        if sobject.name == "OpportunityLineItem":
            self._roll_up_lines(record["OpportunityId"], user_id)
        elif sobject.name == "OpportunityLineItemSchedule":
            self._roll_up_schedules(record["OpportunityLineItemId"], user_id)
        elif sobject.name == "OpportunityContactRole" and record["IsPrimary"]:
            self._one_primary(record, user_id)

    def before_delete(self, sobject: SObject, record: Record) -> None:
        """ "Deleting an account": one with won deals stays (Salesforce Help)."""
        if sobject.name == "Account":
            won = [deal for deal in self._database.find("Opportunity", "AccountId", record["Id"]) if deal["IsWon"]]
            if won:
                raise ApiError(
                    400,
                    "DELETE_FAILED",
                    f"Your attempt to delete {record['Name']} could not be completed because it is associated with the "
                    f"following closed won opportunities.: {won[0]['Name']}",
                    [],
                )

    def after_delete(self, sobject: SObject, record: Record, user_id: str) -> None:
        if sobject.name == "OpportunityLineItem":
            self._roll_up_lines(record["OpportunityId"], user_id)
        elif sobject.name == "OpportunityLineItemSchedule":
            self._roll_up_schedules(record["OpportunityLineItemId"], user_id)

    # Before a save

    def _account(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        """No account stands above itself (DmlException CIRCULAR_DEPENDENCY)."""
        above = record["ParentId"] if old else None
        seen: set[str] = set()
        while above and above not in seen:
            if above == record["Id"]:
                raise ApiError(
                    400, "CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints: [ParentId]", ["ParentId"]
                )
            seen.add(above)
            parent = self._database.get("Account", above)
            above = parent["ParentId"] if parent else None

    def _name_person(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        record["Name"] = " ".join(filter(None, (record["FirstName"], record["LastName"]))) or None

    def _contract(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        if old is None:
            record["ContractNumber"] = f"{len(self._database.all('Contract')) + 100:08d}"
        record["EndDate"] = None
        if record["StartDate"] and record["ContractTerm"]:
            record["EndDate"] = _last_day(date.fromisoformat(record["StartDate"]), record["ContractTerm"]).isoformat()

    def _opportunity(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        lines = self._lines(old["Id"]) if old else []
        record["HasOpportunityLineItem"] = bool(lines)
        if old and lines:
            # Opportunity.Amount: an update of it is ignored where the deal has products. It is not rejected.
            record["Amount"] = old["Amount"]
            record["TotalOpportunityQuantity"] = old["TotalOpportunityQuantity"]
            if record["Pricebook2Id"] != old["Pricebook2Id"]:
                raise field_integrity("Pricebook2Id", "cannot change the price book of an opportunity with products")
            if record.get("CurrencyIsoCode") != old.get("CurrencyIsoCode"):
                raise field_integrity("CurrencyIsoCode", "cannot change the currency of an opportunity with products")
        stage = self._stage(record["StageName"])
        if stage:
            record["IsWon"], record["IsClosed"] = stage["IsWon"], stage["IsClosed"]
            if old is None or old["StageName"] != record["StageName"]:
                record["LastStageChangeDate"] = None if old is None else self._now()
                if "Probability" not in given:
                    record["Probability"] = stage["DefaultProbability"]
                if "ForecastCategoryName" not in given:
                    record["ForecastCategoryName"] = stage["ForecastCategoryName"]
            record["ForecastCategory"] = (record["ForecastCategoryName"] or "").replace(" ", "").replace(
                "Commit", "Forecast"
            ) or None
        if record["CloseDate"]:
            closes = date.fromisoformat(record["CloseDate"])
            quarter = (closes.month - 1) // 3 + 1
            record.update(FiscalYear=closes.year, FiscalQuarter=quarter, Fiscal=f"{closes.year} {quarter}")
        record["ExpectedRevenue"] = self._expected(record)

    def _line(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        if record["OpportunityId"] is None:
            return
        if given.get("UnitPrice") is not None and given.get("TotalPrice") is not None:
            # OpportunityLineItem.TotalPrice: "you can change either this value or the UnitPrice, but not both".
            raise ApiError(
                400,
                "FIELD_INTEGRITY_EXCEPTION",
                "field integrity exception: unknown (only one of unit price, total price, may be specified)",
                [],
            )
        if old is None:
            self._place_line(given, record)
        places = self._places(record.get("CurrencyIsoCode"))
        if old is None:
            if record["Quantity"] is not None:
                _price_new_line(record, places)
        elif record["Quantity"] is None:
            raise required_missing(["Quantity"])
        else:
            _reprice_line(old, given, record, places)
        if record["UnitPrice"] is not None and record["Quantity"] is not None:
            record["Subtotal"] = rounded(record["UnitPrice"] * record["Quantity"], places)

    def _place_line(self, given: Mapping[str, Any], record: Record) -> None:
        """Find the new line's price book entry, and take from it what the line shows of the product."""
        deal = self._database.current("Opportunity", record["OpportunityId"])
        if deal is None:
            return
        entry = self._entry(deal, record)
        if entry is None:
            raise required_missing(["PricebookEntryId"])
        if deal["Pricebook2Id"] not in (None, entry["Pricebook2Id"]):
            raise field_integrity(
                "PricebookEntryId",
                "pricebook entry is in a different pricebook than the one assigned to the opportunity",
            )
        if not entry["IsActive"]:
            raise field_integrity("PricebookEntryId", "pricebook entry has been archived or is inactive")
        if self._settings.multi_currency:
            stated = given.get("CurrencyIsoCode") or deal["CurrencyIsoCode"]
            if not entry["CurrencyIsoCode"] == deal["CurrencyIsoCode"] == stated:
                raise field_integrity(
                    "PricebookEntryId", "pricebook entry currency code does not match opportunity currency code"
                )
            record["CurrencyIsoCode"] = deal["CurrencyIsoCode"]
        product = self._database.current("Product2", entry["Product2Id"]) or {}
        record.update(
            PricebookEntryId=entry["Id"],
            Product2Id=entry["Product2Id"],
            ProductCode=product.get("ProductCode"),
            Name=f"{deal['Name']} {product.get('Name')}",
            ListPrice=entry["UnitPrice"],
        )
        if self._settings.products_and_schedules:
            record["CanUseRevenueSchedule"] = bool(product.get("CanUseRevenueSchedule"))
            record["CanUseQuantitySchedule"] = bool(product.get("CanUseQuantitySchedule"))

    def _entry(self, deal: Record, record: Record) -> Record | None:
        """The price book entry named by the line, or the one for its product in the deal's book and currency."""
        if record["PricebookEntryId"]:
            return self._database.current("PricebookEntry", record["PricebookEntryId"])
        if not record["Product2Id"]:
            return None
        for entry in self._database.find("PricebookEntry", "Product2Id", record["Product2Id"]):
            same_book = deal["Pricebook2Id"] in (None, entry["Pricebook2Id"])
            if same_book and entry.get("CurrencyIsoCode") == deal.get("CurrencyIsoCode"):
                return entry
        raise field_integrity("Product2Id", "no active price book entry for this product and currency")

    def _schedule(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        line = self._database.current("OpportunityLineItem", record["OpportunityLineItemId"] or "")
        if line is None:
            return
        kinds = {"Revenue": ("Revenue",), "Quantity": ("Quantity",), "Both": ("Revenue", "Quantity")}
        needed = kinds.get(record["Type"], ())
        missing = [name for name in needed if record[name] is None]
        if missing:
            raise required_missing(missing)
        for name in needed:
            if old is None and not line[f"CanUse{name}Schedule"]:
                raise field_integrity("OpportunityLineItemId", f"the product does not allow a {name.lower()} schedule")
        if self._settings.multi_currency:
            record["CurrencyIsoCode"] = line["CurrencyIsoCode"]

    def _price_book_entry(self, old: Record | None, given: Mapping[str, Any], record: Record) -> None:
        product = self._database.current("Product2", record["Product2Id"] or "")
        if product:
            record.update(Name=product["Name"], ProductCode=product["ProductCode"])
        if old is None and record["Pricebook2Id"]:
            for entry in self._database.find("PricebookEntry", "Product2Id", record["Product2Id"]):
                same_currency = entry.get("CurrencyIsoCode") == record.get("CurrencyIsoCode")
                if entry["Pricebook2Id"] == record["Pricebook2Id"] and same_currency:
                    raise ApiError(
                        400, "DUPLICATE_VALUE", "This price definition already exists in this price book", []
                    )

    # After a save

    def _roll_up_lines(self, deal_id: str, user_id: str) -> None:
        """A deal's amount is the sum of its products; any change of a product moves the deal's time stamps."""
        deal = self._database.current("Opportunity", deal_id)
        if deal is None or deal["IsDeleted"]:
            return
        lines = self._lines(deal_id)
        rolled: Record = {
            "HasOpportunityLineItem": bool(lines),
            "Amount": sum((line["TotalPrice"] for line in lines), Decimal(0)),
            "TotalOpportunityQuantity": sum((line["Quantity"] for line in lines), Decimal(0)),
        }
        if lines and deal["Pricebook2Id"] is None:
            entry = self._database.current("PricebookEntry", lines[0]["PricebookEntryId"])
            rolled["Pricebook2Id"] = entry["Pricebook2Id"] if entry else None
        rolled["ExpectedRevenue"] = self._expected({**deal, **rolled})
        self._touch("Opportunity", deal_id, user_id, **rolled)

    def _roll_up_schedules(self, line_id: str, user_id: str) -> None:
        """A line with a revenue schedule is worth its sum, one with a quantity schedule counts its sum."""
        line = self._database.current("OpportunityLineItem", line_id)
        if line is None or line["IsDeleted"]:
            return
        schedules = self._database.find("OpportunityLineItemSchedule", "OpportunityLineItemId", line_id)
        revenue = [each["Revenue"] for each in schedules if each["Type"] != "Quantity"]
        quantity = [each["Quantity"] for each in schedules if each["Type"] != "Revenue"]
        rolled: Record = {
            "HasRevenueSchedule": bool(revenue),
            "HasQuantitySchedule": bool(quantity),
            "HasSchedule": bool(schedules),
        }
        if quantity:
            rolled["Quantity"] = sum(quantity, Decimal(0))
        if revenue:
            rolled["TotalPrice"] = sum(revenue, Decimal(0))
            count = rolled.get("Quantity", line["Quantity"])
            rolled["UnitPrice"] = rounded(rolled["TotalPrice"] / count, CENT) if count else line["UnitPrice"]
        elif quantity:
            places = self._places(line.get("CurrencyIsoCode"))
            rolled["TotalPrice"] = _total(line["UnitPrice"], rolled["Quantity"], line["Discount"], places)
        self._touch("OpportunityLineItem", line_id, user_id, **rolled)
        self._roll_up_lines(line["OpportunityId"], user_id)

    def _one_primary(self, role: Record, user_id: str) -> None:
        for other in self._database.find("OpportunityContactRole", "OpportunityId", role["OpportunityId"]):
            if other["Id"] != role["Id"] and other["IsPrimary"]:
                self._touch("OpportunityContactRole", other["Id"], user_id, IsPrimary=False)
        deal = self._database.current("Opportunity", role["OpportunityId"])
        if deal and deal["ContactId"] != role["ContactId"]:
            self._touch("Opportunity", deal["Id"], user_id, ContactId=role["ContactId"])

    def _lines(self, deal_id: str) -> list[Record]:
        return self._database.find("OpportunityLineItem", "OpportunityId", deal_id)

    def _stage(self, name: str | None) -> Record | None:
        return next((stage for stage in self._database.all("OpportunityStage") if stage["MasterLabel"] == name), None)

    def _expected(self, deal: Record) -> Decimal | None:
        if deal["Amount"] is None or deal["Probability"] is None:
            return None
        return rounded(deal["Amount"] * deal["Probability"] / 100, CENT)

    def _places(self, currency: str | None) -> int:
        if currency is None:
            return CENT
        types = (each for each in self._database.all("CurrencyType") if each["IsoCode"] == currency)
        return next((int(each["DecimalPlaces"]) for each in types), CENT)


def _total(unit_price: Decimal, quantity: Decimal, discount: Decimal | None, places: int) -> Decimal:
    return rounded(unit_price * quantity * (100 - (discount or 0)) / 100, places)


def _unit(total: Decimal, quantity: Decimal, discount: Decimal | None, otherwise: Decimal) -> Decimal:
    share = quantity * (100 - (discount or 0)) / 100
    return rounded(total / share, CENT) if share else otherwise


def _price_new_line(record: Record, places: int) -> None:
    """Either price gives the other; "if you do not specify UnitPrice, [TotalPrice] is required"."""
    if record["UnitPrice"] is not None:
        record["TotalPrice"] = _total(record["UnitPrice"], record["Quantity"], record["Discount"], places)
    elif record["TotalPrice"] is not None:
        record["UnitPrice"] = _unit(record["TotalPrice"], record["Quantity"], record["Discount"], Decimal(0))
    else:
        raise required_missing(["TotalPrice"])


def _reprice_line(old: Record, given: Mapping[str, Any], record: Record, places: int) -> None:
    """Which price follows which, as OpportunityLineItem says field by field ("held constant")."""
    if record.get("HasRevenueSchedule") or record.get("HasQuantitySchedule"):
        # "Read-only if this record has a schedule": the update is not rejected, the value is ignored.
        record["Quantity"] = old["Quantity"]
    if record.get("HasRevenueSchedule"):
        record["TotalPrice"], record["UnitPrice"] = old["TotalPrice"], old["UnitPrice"]
        return
    if {"Discount", "Quantity"} <= set(given) and not {"TotalPrice", "UnitPrice"} & set(given):
        raise ApiError(
            400,
            "FIELD_INTEGRITY_EXCEPTION",
            "field integrity exception: unknown (must specify either unit price or "
            "total price when discount and quantity are specified)",
            [],
        )
    if given.get("TotalPrice") is not None:
        record["UnitPrice"] = _unit(record["TotalPrice"], record["Quantity"], record["Discount"], old["UnitPrice"])
    elif given.get("UnitPrice") is not None or "Discount" in given:
        record["UnitPrice"] = old["UnitPrice"] if record["UnitPrice"] is None else record["UnitPrice"]
        record["TotalPrice"] = _total(record["UnitPrice"], record["Quantity"], record["Discount"], places)
    elif "Quantity" in given:
        # The trap: the total stays and the price moves.
        record["TotalPrice"] = old["TotalPrice"]
        record["UnitPrice"] = _unit(old["TotalPrice"], record["Quantity"], record["Discount"], old["UnitPrice"])
    else:
        record["UnitPrice"], record["TotalPrice"] = old["UnitPrice"], old["TotalPrice"]


def _last_day(start: date, months: int) -> date:
    """The day before the same day so many months later."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return date(year, month + 1, day) - timedelta(days=1)
