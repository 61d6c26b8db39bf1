"""API_MANAGE_WORKFORCE_TIMESHEET: time entries; a POST creates, updates or deletes as `TimeSheetOperation` says."""

from dealbridge_local.simulators.s4hana.model import (
    ComplexType,
    Property,
    day,
    entity,
    flag,
    label,
    number,
    plain_decimal,
    service,
    text,
)

_NAME = "API_MANAGE_WORKFORCE_TIMESHEET"

DATA_FIELDS = ComplexType(
    "TimeSheetDataFields",
    {
        each.name: each
        for each in (
            text("ControllingArea", 4),
            text("SenderCostCenter", 10),
            text("ReceiverCostCenter", 10),
            text("ActivityType", 6),
            text("WBSElement", 24),
            text("WorkItem", 10),
            text("BillingControlCategory", 8),
            text("TimeSheetTaskType", 4),
            text("TimeSheetTaskLevel", 8),
            text("TimeSheetTaskComponent", 8),
            label("TimeSheetNote", 1000),
            plain_decimal("RecordedHours", 4, 2),
            plain_decimal("RecordedQuantity", 15, 3),
            text("HoursUnitOfMeasure", 3),
            text("RejectionReason", 4),
        )
    },
)

ENTRY = entity(
    "TimeSheetEntryCollection",
    "PersonWorkAgreementExternalID CompanyCode TimeSheetRecord",
    [
        Property(
            "TimeSheetDataFields",
            f"{_NAME}.{DATA_FIELDS.name}",
            filterable=False,
            complex_type=DATA_FIELDS,
        ),
        text("PersonWorkAgreementExternalID", 20),
        text("CompanyCode", 4),
        number("TimeSheetRecord", 12),
        number("PersonWorkAgreement", 8),
        day("TimeSheetDate"),
        flag("TimeSheetIsReleasedOnSave"),
        number("TimeSheetPredecessorRecord", 12),
        text("TimeSheetStatus", 2),
        flag("TimeSheetIsExecutedInTestRun"),
        text("TimeSheetOperation", 1),
    ],
    type_name="TimeSheetEntry",
    updatable=False,
    indexed=("PersonWorkAgreementExternalID", "TimeSheetDate"),
)

SERVICE = service(_NAME, ENTRY, complex_types={DATA_FIELDS.name: DATA_FIELDS}, component="CA-TS")
