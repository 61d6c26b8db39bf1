"""Time sheet entries: a POST creates, updates or deletes, as its `TimeSheetOperation` C, U or D says (A2.5).

An update makes a new record that names its predecessor. Status 30 is approved, 10 in process, 60 cancelled; the
letters of the operation are documented, the status codes are UNVERIFIED.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, errors
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.entities import enterprise_project as projects
from dealbridge_local.simulators.s4hana.entities import time_sheet as model
from dealbridge_local.simulators.s4hana.errors import Message, business_error
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet
from dealbridge_local.simulators.store import Record

_IN_PROCESS, _APPROVED, _CANCELLED = "10", "30", "60"


class TimeSheets(Application):
    """API_MANAGE_WORKFORCE_TIMESHEET."""

    service = model.SERVICE

    def create(self, draft: Draft) -> Record:
        match draft.get("TimeSheetOperation"):
            case "C":
                return self._record(draft, "")
            case "U":
                known = self._known(draft)
                self.tables.change(model.ENTRY, known, TimeSheetStatus=_CANCELLED)
                return self._record(draft, known["TimeSheetRecord"])
            case "D":
                return self.tables.change(
                    model.ENTRY, self._known(draft), TimeSheetStatus=_CANCELLED, TimeSheetOperation="D"
                )
            case other:
                raise business_error("HRTIM_API/001", f"Operation {other or 'SPACE'} is not C, U or D")

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        raise errors.not_allowed("PATCH", entity.name)

    def _record(self, draft: Draft, predecessor: str) -> Record:
        self._check(draft)
        status = _APPROVED if draft.get("TimeSheetIsReleasedOnSave") else _IN_PROCESS
        values = {**draft.values, "TimeSheetRecord": self.tenant.number("time_sheet")}
        return self.insert(model.ENTRY, values, TimeSheetPredecessorRecord=predecessor, TimeSheetStatus=status)

    def _known(self, draft: Draft) -> Record:
        key = tuple(draft.get(name) for name in model.ENTRY.keys)
        known = self.tables.get(model.ENTRY, *key)
        if known is None or known["TimeSheetStatus"] == _CANCELLED:
            raise business_error("HRTIM_API/004", f"Time sheet record {key[2] or 'SPACE'} does not exist")
        return known

    def _check(self, draft: Draft) -> None:
        person, fields = draft.get("PersonWorkAgreementExternalID"), draft.values.get("TimeSheetDataFields") or {}
        agreement = customizing.PERSON_WORK_AGREEMENTS.get(person)
        found = []
        if agreement is None or agreement[0] != draft.get("CompanyCode"):
            text = f"Person work agreement {person or 'SPACE'} does not exist in {draft.get('CompanyCode') or 'SPACE'}"
            found.append(Message("HRTIM_API/010", text, "PersonWorkAgreementExternalID"))
        if draft.values.get("TimeSheetDate") is None:
            found.append(Message("HRTIM_API/011", "Enter a date", "TimeSheetDate"))
        hours = fields.get("RecordedHours", Decimal(0))
        if not 0 < hours <= 24:
            found.append(Message("HRTIM_API/012", f"{hours} is no valid number of hours", "RecordedHours"))
        if fields.get("ActivityType", "") not in customizing.ACTIVITY_TYPES:
            text = f"Activity type {fields['ActivityType']} does not exist"
            found.append(Message("KI/167", text, "ActivityType"))
        element = fields.get("WBSElement", "")
        held = self.tables.first(projects.ELEMENT, ProjectElement=element) if element else None
        if not element and not fields.get("ReceiverCostCenter"):
            found.append(Message("HRTIM_API/013", "Enter a receiver", "WBSElement"))
        elif element and held is None:
            found.append(Message("CJ/021", f"WBS element {element} does not exist", "WBSElement"))
        elif held is not None and held["ProcessingStatus"] != "10":
            found.append(Message("BS/007", f"WBS element {element} is not released for time recording", "WBSElement"))
        elif held is not None and self._is_blocked(held):
            found.append(Message("BS/007", f"WBS element {element} is blocked for time recording", "WBSElement"))
        if found:
            raise errors.business_errors(found)

    def _is_blocked(self, element: Record) -> bool:
        block = self.tables.get(projects.BLOCK_FUNCTION, element["ProjectElementUUID"])
        return block is not None and bool(block["EntProjTimeRecgIsBlkd"])
