"""Orders, invoices, payments and expense reports."""

from dealbridge_local.simulators.netsuite.fields import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    SHOWN_BOOLEAN,
    SHOWN_DATETIME,
    SHOWN_NUMBER,
    SHOWN_STRING,
    STRING,
    Field,
    RecordType,
    Sublist,
    choice,
    reference,
    status,
)

ORDER_STATUSES = {
    "A": "Pending Approval",
    "B": "Pending Fulfillment",
    "C": "Cancelled",
    "F": "Pending Billing",
    "G": "Billed",
    "H": "Closed",
}
INVOICE_STATUSES = {"A": "Open", "B": "Paid In Full", "V": "Voided"}
PAYMENT_STATUSES = {"A": "Unapproved Payment", "B": "Not Deposited", "C": "Deposited"}
EXPENSE_STATUSES = {"A": "In Progress", "B": "Pending Supervisor Approval", "C": "Pending Accounting Approval"}
EXPENSE_STATUSES |= {"F": "Approved by Accounting", "D": "Rejected by Supervisor"}
APPROVAL_STATUSES = {"1": "Pending Approval", "2": "Approved", "3": "Rejected", "11": "Cancelled"}

ANALYTICS_TYPES = {
    "salesOrder": "SalesOrd",
    "invoice": "CustInvc",
    "customerPayment": "CustPymt",
    "expenseReport": "ExpRept",
}
"""How SuiteQL calls each transaction type (transaction.type)."""

POSTING = frozenset({"invoice", "customerPayment", "expenseReport"})

_HEADER: dict[str, Field] = {
    "id": SHOWN_STRING,
    "externalId": STRING,
    "createdDate": SHOWN_DATETIME,
    "currency": reference("currency"),
    "customForm": reference(),
    "exchangeRate": NUMBER,
    "lastModifiedDate": SHOWN_DATETIME,
    "memo": STRING,
    "subsidiary": reference("subsidiary"),
    "tranDate": DATE,
    "tranId": STRING,
}

_SALE: dict[str, Field] = {
    **_HEADER,
    "billAddress": STRING,
    "class": reference(),
    "department": reference(),
    "email": STRING,
    "endDate": DATE,
    "entity": reference("customer", "job"),
    "estGrossProfit": SHOWN_NUMBER,
    "estGrossProfitPercent": SHOWN_NUMBER,
    "job": reference("job"),
    "location": reference(),
    "message": STRING,
    "nexus": reference(),
    "otherRefNum": STRING,
    "salesRep": reference("employee"),
    "startDate": DATE,
    "subtotal": SHOWN_NUMBER,
    "taxTotal": SHOWN_NUMBER,
    "terms": reference("term"),
    "toBeEmailed": BOOLEAN,
    "total": SHOWN_NUMBER,
    "totalCostEstimate": SHOWN_NUMBER,
}

_LINE: dict[str, Field] = {
    "line": INTEGER,
    "lineUniqueKey": SHOWN_STRING,
    "item": reference("serviceSaleItem"),
    "amount": NUMBER,
    "class": reference(),
    "costEstimate": NUMBER,
    "department": reference(),
    "description": STRING,
    "grossAmt": SHOWN_NUMBER,
    "isTaxable": BOOLEAN,
    "job": reference("job"),
    "location": reference(),
    "price": reference(),
    "quantity": NUMBER,
    "rate": NUMBER,
    "taxCode": reference(),
    "units": STRING,
}

SALES_ORDER = RecordType(
    "salesOrder",
    {
        **_SALE,
        "billingSchedule": reference("billingSchedule"),
        "createdFrom": reference(read_only=True),
        "nextBill": DATE,
        "opportunity": reference(),
        "orderStatus": choice({"A": ORDER_STATUSES["A"], "B": ORDER_STATUSES["B"]}),
        "shipDate": DATE,
        "status": status(ORDER_STATUSES),
    },
    "transaction",
    label="tranId",
    sublists={
        # Keyed by the line number: a line sent with it is updated, one without is added (section_159795512874).
        "item": Sublist(
            {
                **_LINE,
                "billingSchedule": reference("billingSchedule"),
                "expectedShipDate": DATE,
                "isClosed": BOOLEAN,
                "isOpen": SHOWN_BOOLEAN,
                "quantityBilled": SHOWN_NUMBER,
                "revRecEndDate": DATE,
                "revRecStartDate": DATE,
            },
            key="line",
        ),
    },
    prefix="SO",
)

INVOICE = RecordType(
    "invoice",
    {
        **_SALE,
        "account": reference(),
        "amountPaid": SHOWN_NUMBER,
        "amountRemaining": SHOWN_NUMBER,
        "approvalStatus": choice(APPROVAL_STATUSES),
        # Not in the browser; allowed as a default of the transform (SuiteScript reference, transformTypes).
        "billDate": DATE,
        "createdFrom": reference("salesOrder", read_only=True),
        "dueDate": DATE,
        "postingPeriod": reference("accountingPeriod"),
        "status": status(INVOICE_STATUSES),
    },
    "transaction",
    label="tranId",
    sublists={
        "item": Sublist(
            {
                **_LINE,
                "orderDoc": reference("salesOrder", read_only=True),
                "orderLine": INTEGER,
            },
            key="line",
        ),
        "time": Sublist(
            {
                "apply": BOOLEAN,
                "doc": reference("timeBill"),
                "rate": NUMBER,
                "amount": SHOWN_NUMBER,
                "quantity": SHOWN_NUMBER,
                "item": reference("serviceSaleItem", read_only=True),
                "memo": STRING,
            },
            key="doc",
        ),
    },
    prefix="INV",
)

CUSTOMER_PAYMENT = RecordType(
    "customerPayment",
    {
        **_HEADER,
        "account": reference(),
        "applied": SHOWN_NUMBER,
        "arAcct": reference(),
        "autoApply": BOOLEAN,
        "checkNumber": STRING,
        "customer": reference("customer", "job"),
        "payment": NUMBER,
        "paymentOption": reference(),
        "postingPeriod": reference("accountingPeriod"),
        "status": status(PAYMENT_STATUSES),
        "toBeEmailed": BOOLEAN,
        "total": SHOWN_NUMBER,
        "unapplied": SHOWN_NUMBER,
    },
    "transaction",
    label="tranId",
    sublists={
        # Lines are matched by the document they apply to (article_0224093711, Changing the Applied Invoice Amount).
        "apply": Sublist(
            {
                "doc": reference("invoice"),
                "amount": NUMBER,
                "apply": BOOLEAN,
                "applyDate": DATE,
                "due": SHOWN_NUMBER,
                "line": INTEGER,
                "refNum": SHOWN_STRING,
                "total": SHOWN_NUMBER,
                "type": SHOWN_STRING,
            },
            key="doc",
        ),
    },
    prefix="PYMT",
)

_EXPENSE_HEADER = {name: field for name, field in _HEADER.items() if name not in {"currency", "exchangeRate"}}

EXPENSE_REPORT = RecordType(
    "expenseReport",
    {
        **_EXPENSE_HEADER,
        "accountingapproval": BOOLEAN,
        "amount": SHOWN_NUMBER,
        "approvalStatus": choice(APPROVAL_STATUSES),
        "complete": BOOLEAN,
        "duedate": DATE,
        "entity": reference("employee"),
        "expensereportcurrency": reference("currency"),
        "expensereportexchangerate": NUMBER,
        "postingPeriod": reference("accountingPeriod"),
        "status": status(EXPENSE_STATUSES),
        "supervisorapproval": BOOLEAN,
        "total": SHOWN_NUMBER,
    },
    "transaction",
    label="tranId",
    sublists={
        "expense": Sublist(
            {
                "line": INTEGER,
                "amount": NUMBER,
                "category": reference("expenseCategory"),
                "currency": reference("currency"),
                "customer": reference("job", "customer"),
                "exchangerate": NUMBER,
                "expensedate": DATE,
                "foreignamount": NUMBER,
                "isBillable": BOOLEAN,
                "isnonreimbursable": BOOLEAN,
                "memo": STRING,
                "projecttask": reference("projectTask"),
                "quantity": NUMBER,
                "rate": NUMBER,
                "receipt": BOOLEAN,
                "refnumber": INTEGER,
            },
            key="line",
        ),
    },
    prefix="EXP",
)

TRANSACTIONS = (SALES_ORDER, INVOICE, CUSTOMER_PAYMENT, EXPENSE_REPORT)
