"""What the account does when a record is saved: mandatory fields, defaults, and what may no longer change."""

from collections.abc import Callable
from decimal import Decimal

from dealbridge_local.simulators.netsuite import sales
from dealbridge_local.simulators.netsuite.account import Account, name_scope
from dealbridge_local.simulators.netsuite.errors import Refusal, invalid_value, missing, user_error
from dealbridge_local.simulators.netsuite.fields import RecordType
from dealbridge_local.simulators.netsuite.project_types import MILESTONE_SCHEDULE
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.store import Record

_CLOSED_WON = "13"
_PENDING = "1"


def save(account: Account, kind: RecordType, record: Record, before: Record | None) -> Record:
    """Complete a record by the rules of its type and hold it; `before` is None for a new one. Raises Refusal."""
    _claim_external_id(account, kind, record)
    if before is None:
        record = _new(account, kind, record)
    _RULES[kind.name](account, record, before)
    if "entityId" in record:
        _claim_name(account, kind, record)
    record["lastModifiedDate"] = account.now()
    saved = account.save(kind.name, record)
    if kind.name == "customerPayment":
        sales.settle(account, before, saved)
    if kind.name == "contact" and record.get("company") != (before or {}).get("company"):
        attach(account, record["company"], record["id"], None)
    return saved


def _new(account: Account, kind: RecordType, record: Record) -> Record:
    created = next((name for name in ("dateCreated", "createdDate") if name in kind.fields), None)
    return {
        "id": account.next_id(kind),
        **({created: account.now()} if created else {}),
        **({"isInactive": False} if "isInactive" in kind.fields else {}),
        **record,
    }


def _claim_external_id(account: Account, kind: RecordType, record: Record) -> None:
    """External ids are unique over a record group, not a type: a job cannot take its customer's (section_N3436356).

    The code of the refusal is UNVERIFIED; the vendor facts list DUPLICATE_KEYS.
    """
    given = record.get("externalId")
    if not given:
        return
    owner = account.owner_of(kind.group, given)
    if owner is not None and owner != (kind.name, record.get("id")):
        detail = f"The external ID {given} is already used by {owner[0]} {owner[1]}."
        raise Refusal(400, "DUPLICATE_KEYS", f"Error while accessing a resource. {detail}", path="externalId")


def _claim_name(account: Account, kind: RecordType, record: Record) -> None:
    owner = account.named(kind.name, name_scope(kind.name, record), record["entityId"])
    if owner is not None and owner != record["id"]:
        raise user_error(
            f"A {kind.name} record with this name already exists. Every {kind.name} record must have a unique name.",
            "entityId",
        )


def _require(record: Record, **labels: str) -> None:
    absent = [label for name, label in labels.items() if record.get(name) in (None, "", [])]
    if absent:
        raise missing(*absent)


def _auto_name(account: Account, record: Record, prefix: str) -> None:
    record.setdefault("autoName", "entityId" not in record)
    if "entityId" not in record:
        record["entityId"] = account.next_number(prefix)


def _customer(account: Account, record: Record, before: Record | None) -> None:
    record.setdefault("isPerson", False)
    if record["isPerson"]:
        _require(record, firstName="First Name", lastName="Last Name")
        record["altName"] = f"{record['firstName']} {record['lastName']}"
    else:
        _require(record, companyName="Company Name")
        record["altName"] = record["companyName"]
    _require(record, subsidiary="Primary Subsidiary")
    subsidiary = account.get("subsidiary", record["subsidiary"]) or {}
    record.setdefault("currency", subsidiary["currency"])
    record.setdefault("entityStatus", _CLOSED_WON)
    record.setdefault("balance", Decimal(0))
    record.setdefault("unbilledOrders", Decimal(0))
    _auto_name(account, record, "CUST")
    currencies = record.setdefault("currencyList", [])
    if not any(line.get("currency") == record["currency"] for line in currencies):
        record["currencyList"] = [{"currency": record["currency"], "balance": Decimal(0)}, *currencies]
    _above(account, record, "customer", record.get("parent"))
    if before is not None:
        _hold_fast(account, record, before)
    for line in record.get("addressBook", []):
        if "addressBookAddress" in line:
            line["addressBookAddress"] = _with_text(account, line["addressBookAddress"], record["altName"])
    default = next((line for line in record.get("addressBook", []) if line.get("defaultBilling")), None)
    if default:
        record["defaultAddress"] = default["addressBookAddress"]["addrText"]


def _with_text(account: Account, address: Record, addressee: str) -> Record:
    town = " ".join(filter(None, (address.get("city"), address.get("state"), address.get("zip"))))
    country = TYPES["subsidiary"].fields["country"].choices.get(address.get("country", ""), "")
    lines = (address.get("attention"), address.get("addressee", addressee), address.get("addr1"), address.get("addr2"))
    text = "\n".join(filter(None, (*lines, address.get("addr3"), town, country)))
    return {**address, "addrText": text}


def _hold_fast(account: Account, record: Record, before: Record) -> None:
    """What a customer or project may no longer change (help texts of currency and subsidiary in Oracle's reference)."""
    if record.get("currency") != before.get("currency") and account.transactions_of(record["id"]):
        raise user_error(
            "The currency cannot be changed after transactions for this customer have been saved.", "currency"
        )
    if record.get("subsidiary") != before.get("subsidiary") and account.has_posted(record["id"]):
        raise user_error(
            "Once a transaction has posted for the entity or job, you are not able to change the subsidiary.",
            "subsidiary",
        )


def _above(account: Account, record: Record, kind: str, parent: str | None) -> None:
    """No record stands above itself."""
    seen = record["id"]
    while parent is not None:
        if parent == seen:
            raise invalid_value(record["parent"], "parent", "parent")
        parent = (account.get(kind, parent) or {}).get("parent")


def _contact(account: Account, record: Record, before: Record | None) -> None:
    if "entityId" not in record:
        name = " ".join(filter(None, (record.get("firstName"), record.get("middleName"), record.get("lastName"))))
        if name:
            record["entityId"] = name
    company = record.get("company")
    if company and "subsidiary" not in record:
        owner = account.get("customer", company) or account.get("job", company) or {}
        record["subsidiary"] = owner["subsidiary"]
    _require(record, entityId="Contact", subsidiary="Subsidiary")


def attach(account: Account, company: str, contact: str, role: str | None) -> None:
    """Put a contact on a customer's list, or change its role there; projects keep no list in REST."""
    customer = account.get("customer", company)
    person = account.get("contact", contact)
    if customer is None or person is None:
        return
    others = [line for line in customer.get("contactRoles", []) if line["contact"] != contact]
    line = {"contact": contact, "contactName": person["entityId"], "email": person.get("email"), "role": role}
    line = {name: value for name, value in line.items() if value is not None}
    account.save("customer", {**customer, "contactRoles": [*others, line]})


def detach(account: Account, company: str, contact: str) -> None:
    customer = account.get("customer", company)
    if customer is not None:
        lines = [line for line in customer.get("contactRoles", []) if line["contact"] != contact]
        account.save("customer", {**customer, "contactRoles": lines})


def _relationship(account: Account, record: Record, before: Record | None) -> None:
    _require(record, entity="Entity", subsidiary="Subsidiary")
    if before is None:
        if record["subsidiary"] in sales.subsidiaries_of(account, record["entity"]):
            raise user_error("This entity is already related to this subsidiary.", "subsidiary")
    elif (before["entity"], before["subsidiary"]) != (record["entity"], record["subsidiary"]):
        raise user_error("The entity and the subsidiary of a relationship cannot be changed.", "subsidiary")
    subsidiary = account.get("subsidiary", record["subsidiary"]) or {}
    record.setdefault("primaryCurrency", subsidiary["currency"])
    record["isPrimarySub"] = False
    record["name"] = f"{account.label('customer', record['entity'])} - {subsidiary['name']}"


def _job(account: Account, record: Record, before: Record | None) -> None:
    if record.get("entityId"):
        record.setdefault("companyName", record["entityId"])
    _require(record, companyName="Project Name")
    _auto_name(account, record, "PRJ")
    record["altName"] = record["companyName"]
    if record.get("parent"):
        _project_of_customer(account, record)
    else:
        # An internal project: Oracle's own sample names no customer (article_83090456314).
        _require(record, subsidiary="Subsidiary")
        record.setdefault("currency", (account.get("subsidiary", record["subsidiary"]) or {}).get("currency"))
    record.setdefault("entityStatus", _PENDING)
    record.setdefault("allowTime", True)
    record.setdefault("allowExpenses", True)
    record.setdefault("schedulingMethod", "FORWARD")
    if before is not None:
        _hold_fast(account, record, before)
    if record.get("startDate") and record.get("projectedEndDate") and record["projectedEndDate"] < record["startDate"]:
        raise user_error("The estimated end date of a project cannot be before its start date.", "projectedEndDate")
    for name in ("estimatedCost", "estimatedRevenue", "jobPrice"):
        if name in record:
            record[name] = account.money(record[name], record["currency"])
    _profit(record)


def _project_of_customer(account: Account, record: Record) -> None:
    customer = sales.customer_of(account, record["parent"])
    if customer is None:
        raise invalid_value(record["parent"], "parent", "parent")
    _above(account, record, "job", record["parent"])
    record.setdefault("subsidiary", customer["subsidiary"])
    record.setdefault("currency", customer["currency"])
    sales.check_subsidiary(account, customer, record["subsidiary"])
    sales.check_currency(customer, record["currency"])


def _profit(record: Record) -> None:
    revenue = record.get("estimatedRevenue")
    if revenue is None:
        record.pop("estimatedGrossProfit", None)
        record.pop("estimatedGrossProfitPercent", None)
        return
    profit = revenue - record.get("estimatedCost", Decimal(0))
    record["estimatedGrossProfit"] = profit
    record["estimatedGrossProfitPercent"] = sales.percent(profit, revenue)


def _project_task(account: Account, record: Record, before: Record | None) -> None:
    _require(record, project="Project", title="Name")
    if before is not None and before["project"] != record["project"]:
        raise invalid_value(record["project"], "project", "project")
    record.setdefault("constraintType", "ASAP")
    record.setdefault("status", "NOTSTART")
    record.setdefault("priority", "MEDIUM")
    record.setdefault("nonBillableTask", False)
    record.setdefault("estimatedWork", Decimal(0))
    _above(account, record, "projectTask", record.get("parent"))
    if record.get("parent") and (account.get("projectTask", record["parent"]) or {})["project"] != record["project"]:
        raise invalid_value(record["parent"], "parent", "parent")
    if "startDate" in record and record["startDate"] != (before or {}).get("startDate"):
        record["startDateTime"] = f"{record['startDate']}T00:00:00Z"


def _billing_schedule(account: Account, record: Record, before: Record | None) -> None:
    """A schedule is not attached to a project by naming it: job.billingSchedule has to be set (section_3932613729)."""
    _require(record, name="Name")
    record.setdefault("scheduleType", "STD")
    record.setdefault("inArrears", False)
    record.setdefault("isPublic", False)
    if record["scheduleType"] != MILESTONE_SCHEDULE:
        if record.get("milestone"):
            raise user_error("Milestones are allowed on fixed bid, milestone schedules only.", "milestone")
        return
    _require(record, job="Project")
    total = Decimal(0)
    for index, line in enumerate(record.get("milestone", [])):
        if line.get("milestoneAmount") is None:
            raise missing("Amount")
        if line["milestoneAmount"] < 0:
            raise invalid_value(line["milestoneAmount"], "milestoneAmount", f"milestone.items[{index}].milestoneAmount")
        task = line.get("projectTask")
        if task is None:
            raise missing("Project Task")
        if (account.get("projectTask", task) or {}).get("project") != record["job"]:
            raise invalid_value(task, "projectTask", f"milestone.items[{index}].projectTask")
        line.setdefault("milestoneCompleted", False)
        total += line["milestoneAmount"]
    if total > 100:  # milestoneAmount is a percentage of the contract, not money
        raise user_error(f"The milestone amounts add up to {total.normalize():f}% of the total.", "milestone")


def _charge(account: Account, record: Record, before: Record | None) -> None:
    _require(record, billTo="Bill To", billingItem="Item", chargeDate="Date", chargeType="Type", stage="Stage")
    customer = sales.customer_of(account, record["billTo"]) or {}
    record.setdefault("currency", customer.get("currency"))
    record.setdefault("subsidiary", customer.get("subsidiary"))
    record.setdefault("quantity", Decimal(1))
    record.setdefault("use", "Actual")
    if "rate" in record:
        record["amount"] = account.money(record["rate"] * record["quantity"], record["currency"])
    _require(record, amount="Amount")


def _time_bill(account: Account, record: Record, before: Record | None) -> None:
    _require(record, employee="Employee", hours="Duration")
    record.setdefault("tranDate", account.today())
    record.setdefault("timeType", "A")
    record.setdefault("isBillable", False)
    record.setdefault("approvalStatus", "3" if record.get("supervisorApproval") else "1")
    employee = account.get("employee", record["employee"]) or {}
    record.setdefault("subsidiary", employee["subsidiary"])
    task = record.get("caseTaskEvent")
    if task is not None and (account.get("projectTask", task) or {}).get("project") != record.get("customer"):
        raise invalid_value(task, "caseTaskEvent", "caseTaskEvent")
    if record["isBillable"]:
        _require(record, customer="Customer", item="Service Item")
    project = account.get("job", record.get("customer", "")) or {}
    if project.get("allowTime") is False:
        raise user_error("Time entry is not allowed on this project.", "customer")


_RULES: dict[str, Callable[[Account, Record, Record | None], None]] = {
    "customer": _customer,
    "contact": _contact,
    "customerSubsidiaryRelationship": _relationship,
    "job": _job,
    "projectTask": _project_task,
    "billingSchedule": _billing_schedule,
    "charge": _charge,
    "timeBill": _time_bill,
    "salesOrder": sales.complete_order,
    "invoice": sales.complete_invoice,
    "customerPayment": sales.complete_payment,
    "expenseReport": sales.complete_expense_report,
}
