"""Journal entries as the operational accounting cube shows them: receivable, revenue and tax of an invoice, payments.

A receivable is open until it is cleared. A part payment stays an open item of its own that names the invoice
(`InvoiceReference`); the last one clears them all with one clearing entry.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, errors
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.entities import accounting_item as model
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.entities import enterprise_project as projects
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet
from dealbridge_local.simulators.store import Record


class Journal(Application):
    """API_OPLACCTGDOCITEMCUBE_SRV."""

    service = model.SERVICE

    def create(self, draft: Draft) -> Record:
        raise errors.not_allowed("POST", draft.entity.name)

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        raise errors.not_allowed("PATCH", entity.name)

    def post_invoice(self, document: Mapping[str, Any], items: Iterable[Record], currency: str) -> None:
        """The receivable at 1, a revenue line per billing item, the tax last. Debits are positive."""
        days = customizing.PAYMENT_TERMS.get(document["CustomerPaymentTerms"], 0)
        self._post(
            document,
            1,
            document["TotalGrossAmount"],
            **self._customer_line(document),
            NetDueDate=document["BillingDocumentDate"] + timedelta(days=days),
            NetPaymentDays=Decimal(days),
            PaymentTerms=document["CustomerPaymentTerms"],
        )
        last = 1
        for last, item in enumerate(items, 2):
            self._post(
                document,
                last,
                -item["NetAmount"],
                FinancialAccountType="S",
                PostingKey="50",
                GLAccount=customizing.REVENUE_ACCOUNT,
                OperationalGLAccount=customizing.REVENUE_ACCOUNT,
                SalesDocument=item["SalesDocument"],
                SalesDocumentItem=item["SalesDocumentItem"],
                ProfitCenter=item["ProfitCenter"],
                **self._project_of(item["WBSElement"]),
            )
        if document["TaxAmount"]:
            self._post(
                document,
                last + 1,
                -document["TaxAmount"],
                FinancialAccountType="S",
                PostingKey="50",
                GLAccount=customizing.TAX_ACCOUNT,
                OperationalGLAccount=customizing.TAX_ACCOUNT,
                TaxCode="A1",
            )

    def receive_payment(self, document: Mapping[str, Any], amount: Decimal | None, date: datetime) -> tuple[str, bool]:
        """Post a payment; `(journal entry, whether the invoice is now cleared)`."""
        receivable = self._receivable(document)
        if receivable["IsCleared"]:
            number = document["BillingDocument"]
            raise errors.business_error("F5/702", f"Billing document {number} has no open items")
        parts = [each for each in self.tables.where(model.ITEM, _reference(receivable)) if not each["IsCleared"]]
        outstanding = receivable["AmountInTransactionCurrency"] + sum(
            (each["AmountInTransactionCurrency"] for each in parts), Decimal(0)
        )
        paid = outstanding if amount is None else amount
        if paid <= 0 or paid > outstanding:
            raise errors.business_error("F5/263", f"Amount {paid} does not fit the open amount {outstanding}")
        entry = self.tenant.number("clearing_document")
        payment = self._post(
            {
                **document,
                "AccountingDocument": entry,
                "FiscalYear": f"{date:%Y}",
                "BillingDocumentDate": date,
                "BillingDocument": "",
            },
            1,
            -paid,
            **self._customer_line(document),
            **_reference(receivable),
            AccountingDocumentType="DZ",
        )
        if paid < outstanding:
            return entry, False
        clearing = {
            "IsCleared": True,
            "ClearingDate": date,
            "ClearingCreationDate": self.tenant.today(),
            "ClearingAccountingDocument": entry,
            "ClearingDocFiscalYear": f"{date:%Y}",
        }
        for each in (receivable, payment, *parts):
            self.tables.change(model.ITEM, each, **clearing)
        return entry, True

    def reverse(self, document: Mapping[str, Any], cancellation: Mapping[str, Any]) -> None:
        """The cancellation's entry mirrors the invoice's; the two clear each other."""
        for each in list(self._lines(document)):
            clearing = {
                "IsCleared": each["FinancialAccountType"] == "D",
                "ClearingAccountingDocument": cancellation["AccountingDocument"],
                "ClearingDate": self.tenant.today(),
                "ClearingDocFiscalYear": cancellation["FiscalYear"],
            }
            self.tables.change(model.ITEM, each, IsReversed=True, **clearing)
            self.insert(
                model.ITEM,
                each,
                **clearing,
                AccountingDocument=cancellation["AccountingDocument"],
                BillingDocument=cancellation["BillingDocument"],
                AmountInTransactionCurrency=-each["AmountInTransactionCurrency"],
                AmountInCompanyCodeCurrency=-each["AmountInCompanyCodeCurrency"],
                IsReversal=True,
            )

    def _post(self, document: Mapping[str, Any], line: int, amount: Decimal, **fields: Any) -> Record:
        company = customizing.COMPANY_CODES[document["CompanyCode"]]
        date = document["BillingDocumentDate"]
        return self.insert(
            model.ITEM,
            {"AccountingDocumentType": "RV", **fields},
            CompanyCode=company.code,
            CompanyCodeName=company.name,
            ChartOfAccounts="YCOA",
            ControllingArea=customizing.CONTROLLING_AREA,
            FiscalYear=document["FiscalYear"],
            FiscalPeriod=f"{date.month:03}",
            AccountingDocument=document["AccountingDocument"],
            AccountingDocumentItem=str(line),
            BillingDocument=document["BillingDocument"],
            OriginalReferenceDocument=document["BillingDocument"],
            IsSalesRelated=True,
            DebitCreditCode="S" if amount >= 0 else "H",
            DueCalculationBaseDate=date,
            PostingDate=date,
            DocumentDate=date,
            PaymentReference=document["PaymentReference"],
            TransactionCurrency=document["TransactionCurrency"],
            AmountInTransactionCurrency=amount,
            CompanyCodeCurrency=company.currency,
            # The tenant translates at 1: exchange rates are no concern of its clients.
            AmountInCompanyCodeCurrency=amount,
        )

    def _customer_line(self, document: Mapping[str, Any]) -> dict[str, Any]:
        customer = self.tables.get(customers.CUSTOMER, document["PayerParty"]) or {}
        company = self.tables.get(customers.CUSTOMER_COMPANY, document["PayerParty"], document["CompanyCode"]) or {}
        account = company.get("ReconciliationAccount") or "12100000"
        return {
            "FinancialAccountType": "D",
            "PostingKey": "01",
            "Customer": document["PayerParty"],
            "CustomerName": customer.get("CustomerName", ""),
            "GLAccount": account,
            "OperationalGLAccount": account,
        }

    def _project_of(self, element: str) -> dict[str, Any]:
        held = self.tables.first(projects.ELEMENT, ProjectElement=element) if element else None
        if held is None:
            return {}
        project = self.tables.get(projects.PROJECT, held["ProjectUUID"]) or {}
        return {"WBSElementInternalID": held["WBSElementInternalID"], "Project": project.get("Project", "")}

    def _lines(self, document: Mapping[str, Any]) -> Iterable[Record]:
        return self.tables.where(
            model.ITEM,
            {"AccountingDocument": document["AccountingDocument"], "CompanyCode": document["CompanyCode"]},
        )

    def _receivable(self, document: Mapping[str, Any]) -> Record:
        return next(each for each in self._lines(document) if each["FinancialAccountType"] == "D")


def _reference(receivable: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "InvoiceReference": receivable["AccountingDocument"],
        "InvoiceReferenceFiscalYear": receivable["FiscalYear"],
        "InvoiceItemReference": receivable["AccountingDocumentItem"],
    }
