"""Billing documents, and the journal entries they become: a billing run, incoming payments, cancellation.

Nothing here is created through the API (vendors/erp-sap…, A2.5): the run and the payment are what the tenant's jobs
and clerks do. Status letters after KBA 3472797; those of `InvoiceClearingStatus` are UNVERIFIED. Clearing does not
touch the billing document's `LastChangeDateTime` and raises no event (A4): it has to be polled for.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, edm, errors
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.applications.journal import Journal
from dealbridge_local.simulators.s4hana.applications.sales_orders import SalesOrders
from dealbridge_local.simulators.s4hana.entities import billing_document as model
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.entities import sales_order as orders
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet, FunctionImport
from dealbridge_local.simulators.s4hana.tenant import COMMUNICATION_USER, Tenant
from dealbridge_local.simulators.store import Record

_EVENT = "sap.s4.beh.billingdocument.v1.BillingDocument"


class Billing(Application):
    """API_BILLING_DOCUMENT_SRV."""

    service = model.SERVICE

    def __init__(self, tenant: Tenant, sales_orders: SalesOrders, journal: Journal) -> None:
        super().__init__(tenant)
        self._orders = sales_orders
        self._journal = journal

    def create(self, draft: Draft) -> Record:
        raise errors.not_allowed("POST", draft.entity.name)

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        raise errors.not_allowed("PATCH", entity.name)

    def call(self, function: FunctionImport, parameters: Mapping[str, Any]) -> Any:
        return [self._cancel(parameters["BillingDocument"])]

    def tag(self, entity: EntitySet, record: Mapping[str, Any]) -> str | None:
        if entity is not model.DOCUMENT:
            return None
        return f"W/\"datetimeoffset'{record['LastChangeDateTime']:%Y-%m-%dT%H%%3A%M%%3A%S.%f}0Z'\""

    # The billing run

    def run(self, upto: datetime) -> list[str]:
        """Bill every billing plan item that is due, not blocked and not yet billed; the new documents' numbers.

        Items of one order, date and billing type make one document.
        """
        due: dict[tuple[str, datetime, str], list[Record]] = {}
        for plan_item in self.tables.all(orders.BILLING_PLAN_ITEM):
            if self._is_due(plan_item, upto):
                key = (
                    plan_item["SalesOrder"],
                    plan_item["BillingPlanBillingDate"],
                    plan_item["ProposedBillingDocumentType"],
                )
                due.setdefault(key, []).append(plan_item)
        return [self._bill(order, date, kind, items) for (order, date, kind), items in sorted(due.items())]

    def _is_due(self, plan_item: Record, upto: datetime) -> bool:
        if plan_item["BillingPlanRelatedBillgStatus"] != "A" or plan_item["BillingBlockReason"]:
            return False
        if plan_item["BillingPlanBillingDate"] > upto or plan_item["BillingPlanAmount"] == 0:
            return False
        order = self.tables.get(orders.ORDER, plan_item["SalesOrder"]) or {}
        item = self.tables.get(orders.ITEM, plan_item["SalesOrder"], plan_item["SalesOrderItem"]) or {}
        blocked = order.get("HeaderBillingBlockReason") or item.get("ItemBillingBlockReason")
        return not blocked and not item.get("SalesDocumentRjcnReason")

    def _bill(self, order_key: str, date: datetime, kind: str, plan_items: list[Record]) -> str:
        order = self.tables.get(orders.ORDER, order_key) or {}
        number = self.tenant.number("billing_document")
        rate, currency = self._tax_rate(order), order["TransactionCurrency"]
        net = tax = Decimal(0)
        for index, plan_item in enumerate(plan_items, 1):
            item = self._bill_item(number, index, plan_item, rate)
            net, tax = net + item["NetAmount"], tax + item["TaxAmount"]
        self._orders.mark_billed(plan_items, billed=True)
        document = self.insert(
            model.DOCUMENT,
            {
                name: order[name]
                for name in (
                    "SalesOrganization",
                    "DistributionChannel",
                    "SoldToParty",
                    "PurchaseOrderByCustomer",
                    "TransactionCurrency",
                    "AssignmentReference",
                )
            },
            BillingDocument=number,
            SDDocumentCategory="M",
            BillingDocumentType=kind,
            Division=order["OrganizationDivision"],
            PayerParty=order["SoldToParty"],
            CustomerPaymentTerms=plan_items[0]["CustomerPaymentTerms"],
            CompanyCode=order["SalesOrganization"],
            FiscalYear=f"{date:%Y}",
            BillingDocumentDate=date,
            TotalNetAmount=net,
            TaxAmount=tax,
            TotalGrossAmount=net + tax,
            PaymentReference=number,
            DocumentReferenceID=number,
            Country=order["TaxDepartureCountry"],
            AccountingDocument=self.tenant.number("accounting_document"),
            **_posted(),
            **self._stamps(),
        )
        self._journal.post_invoice(document, self._items(number), currency)
        self.tenant.emit(f"{_EVENT}.Created", BillingDocument=number)
        return number

    def _bill_item(self, number: str, index: int, plan_item: Record, rate: Decimal) -> Record:
        item = self.tables.get(orders.ITEM, plan_item["SalesOrder"], plan_item["SalesOrderItem"]) or {}
        currency = plan_item["TransactionCurrency"]
        tax = customizing.rounded(plan_item["BillingPlanAmount"] * rate, currency)
        return self.insert(
            model.ITEM,
            {
                "SalesDocumentItemCategory": item["SalesOrderItemCategory"],
                "Material": item["Material"],
                "BillingDocumentItemText": item["SalesOrderItemText"],
                "BillingQuantity": item["RequestedQuantity"],
                "BillingQuantityUnit": item["RequestedQuantityUnit"],
                "WBSElement": item["WBSElement"],
                "ProfitCenter": item["ProfitCenter"],
                "BillingPlan": plan_item["BillingPlan"],
                "BillingPlanItem": plan_item["BillingPlanItem"],
                "NetAmount": plan_item["BillingPlanAmount"],
                "TransactionCurrency": currency,
                "SalesDocument": plan_item["SalesOrder"],
                "SalesDocumentItem": plan_item["SalesOrderItem"],
                "ReferenceSDDocument": plan_item["SalesOrder"],
                "ReferenceSDDocumentItem": plan_item["SalesOrderItem"],
            },
            BillingDocument=number,
            BillingDocumentItem=str(index * 10),
            TaxAmount=tax,
            GrossAmount=plan_item["BillingPlanAmount"] + tax,
            SalesSDDocumentCategory="C",
            CreatedByUser=COMMUNICATION_USER,
            CreationDate=self.tenant.today(),
        )

    def _tax_rate(self, order: Mapping[str, Any]) -> Decimal:
        """The output tax of the selling country, where the customer is liable for it there."""
        company = customizing.COMPANY_CODES[order["SalesOrganization"]]
        key = (order["SoldToParty"], company.code, order["DistributionChannel"], order["OrganizationDivision"])
        liable = self.tables.get(customers.SALES_AREA_TAX, *key, company.country, company.tax_category)
        return company.tax_rate if liable and liable["CustomerTaxClassification"] == "1" else Decimal(0)

    # Payment and cancellation

    def receive_payment(self, number: str, amount: Decimal | None, date: datetime) -> str:
        """A customer pays an invoice, in full unless an amount is given; the payment's journal entry.

        Raises SapError where there is nothing to pay.
        """
        document = self._document(number)
        entry, is_cleared = self._journal.receive_payment(document, amount, date)
        status = "C" if is_cleared else "B"
        self.tables.change(model.DOCUMENT, document, InvoiceClearingStatus=status)
        return entry

    def _cancel(self, number: str) -> dict[str, Any]:
        document = self._document(number)
        if document["BillingDocumentIsCancelled"] or document["CancelledBillingDocument"]:
            return _result(number, "", "E", "VF/032", f"Billing document {number} is canceled already")
        if document["InvoiceClearingStatus"] in ("B", "C"):
            return _result(number, "", "E", "VF/045", f"Billing document {number} is cleared: reset the clearing first")
        cancellation = self.tenant.number("billing_document")
        reversal = self.insert(
            model.DOCUMENT,
            document,
            BillingDocument=cancellation,
            SDDocumentCategory="N",
            BillingDocumentType="S1",
            CancelledBillingDocument=number,
            AccountingDocument=self.tenant.number("accounting_document"),
            PaymentReference=cancellation,
            **self._stamps(),
        )
        unbilled = []
        for item in self._items(number):
            self.insert(model.ITEM, item, BillingDocument=cancellation)
            key = (item[name] for name in ("SalesDocument", "SalesDocumentItem", "BillingPlan", "BillingPlanItem"))
            if (plan_item := self.tables.get(orders.BILLING_PLAN_ITEM, *key)) is not None:
                unbilled.append(plan_item)
        self._orders.mark_billed(unbilled, billed=False)
        self.tables.change(
            model.DOCUMENT,
            document,
            BillingDocumentIsCancelled=True,
            OverallBillingStatus="C",
            LastChangeDateTime=self.tenant.now(),
            LastChangeDate=self.tenant.today(),
        )
        self._journal.reverse(document, reversal)
        self.tenant.emit(f"{_EVENT}.Created", BillingDocument=cancellation)
        self.tenant.emit(f"{_EVENT}.Changed", BillingDocument=number)
        text = f"Billing document {number} canceled with {cancellation}"
        return _result(number, cancellation, "S", "VF/311", text)

    # Look-ups

    def _document(self, number: str) -> Record:
        document = self.tables.get(model.DOCUMENT, number)
        if document is None:
            raise errors.not_found(model.DOCUMENT.type)
        return document

    def _items(self, number: str) -> list[Record]:
        return list(self.tables.where(model.ITEM, {"BillingDocument": number}))

    def _stamps(self) -> dict[str, Any]:
        now = self.tenant.now()
        midnight = edm.start_of_day(now)
        return {
            "CreationDate": midnight,
            "CreationTime": timedelta(seconds=int((now - midnight).total_seconds())),
            "LastChangeDateTime": now,
        }


def _posted() -> dict[str, str]:
    """The statuses of an invoice that accounting has (KBA 3472797)."""
    return {
        "OverallSDProcessStatus": "C",
        "OverallBillingStatus": "A",
        "AccountingPostingStatus": "C",
        "AccountingTransferStatus": "C",
        "InvoiceClearingStatus": "A",
    }


def _result(number: str, cancellation: str, kind: str, code: str, text: str) -> dict[str, Any]:
    message_class, _, message_number = code.partition("/")
    return {
        "BillingDocument": number,
        "CancellationBillingDocument": cancellation,
        "SystemMessageType": kind,
        "SystemMessageIdentification": message_class,
        "SystemMessageNumber": message_number,
        "SystemMessageText": text,
        "SystemMessageVariable1": number,
        "SystemMessageVariable2": cancellation,
        "SystemMessageVariable3": "",
        "SystemMessageVariable4": "",
    }
