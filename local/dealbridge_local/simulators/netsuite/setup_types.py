"""Set-up records: what an administrator keeps and an integration reads."""

from dealbridge_local.simulators.netsuite.countries import COUNTRIES
from dealbridge_local.simulators.netsuite.fields import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    SHOWN_DATETIME,
    SHOWN_STRING,
    STRING,
    Field,
    RecordType,
    choice,
    reference,
)


def _setup(kind: str, label: str = "name", /, *, group: str | None = None, **fields: Field) -> RecordType:
    held = {"id": SHOWN_STRING, "externalId": STRING, "isInactive": BOOLEAN, **fields}
    return RecordType(kind, held, group or kind, label=label, writable=False)


SETUP = (
    _setup(
        "subsidiary",
        name=STRING,
        fullName=SHOWN_STRING,
        legalName=STRING,
        parent=reference("subsidiary"),
        country=choice(COUNTRIES),
        currency=reference("currency"),
        isElimination=BOOLEAN,
        email=STRING,
        url=STRING,
        tranPrefix=STRING,
        lastModifiedDate=SHOWN_DATETIME,
    ),
    _setup(
        "currency",
        name=STRING,
        symbol=STRING,
        currencyPrecision=INTEGER,
        exchangeRate=NUMBER,
        isBaseCurrency=BOOLEAN,
        lastModifiedDate=SHOWN_DATETIME,
    ),
    _setup("term", name=STRING, daysUntilNetDue=INTEGER, preferred=BOOLEAN, lastModifiedDate=SHOWN_DATETIME),
    _setup("jobStatus", group="entity status", name=STRING, description=STRING, lastModifiedDate=SHOWN_DATETIME),
    _setup("customerStatus", group="entity status", name=STRING, stage=STRING, lastModifiedDate=SHOWN_DATETIME),
    _setup("jobType", name=STRING, parent=reference("jobType")),
    _setup("contactRole", name=STRING),
    _setup("accountingPeriod", "periodName", periodName=STRING, startDate=DATE, endDate=DATE, closed=BOOLEAN),
    _setup("expenseCategory", name=STRING, description=STRING),
    _setup(
        "serviceSaleItem",
        "itemId",
        group="item",
        itemId=STRING,
        displayName=STRING,
        salesDescription=STRING,
        rate=NUMBER,
        costEstimate=NUMBER,
        currency=SHOWN_STRING,
        subsidiary=reference("subsidiary"),
        includeChildren=BOOLEAN,
        createdDate=SHOWN_DATETIME,
        lastModifiedDate=SHOWN_DATETIME,
    ),
    _setup(
        "employee",
        "entityId",
        group="entity",
        entityId=STRING,
        firstName=STRING,
        lastName=STRING,
        email=STRING,
        title=STRING,
        subsidiary=reference("subsidiary"),
        supervisor=reference("employee"),
        isJobManager=BOOLEAN,
        isJobResource=BOOLEAN,
        isSalesRep=BOOLEAN,
        laborCost=NUMBER,
        hireDate=DATE,
        dateCreated=SHOWN_DATETIME,
        lastModifiedDate=SHOWN_DATETIME,
    ),
)
