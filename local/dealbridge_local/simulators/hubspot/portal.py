"""The account's own settings: currencies, pipelines, owners, and the rules its admins made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from dealbridge_local.simulators.hubspot.errors import InvalidValueError, invalid_request, not_found
from dealbridge_local.simulators.hubspot.portal_seed import OWNERS, PIPELINES

SEEDED_AT = "2024-01-15T09:00:00.000Z"


@dataclass(frozen=True)
class Stage:
    """One pipeline stage; its id is the portal's own, except in the default pipeline."""

    id: str
    label: str
    probability: str
    closed: bool

    @property
    def won(self) -> bool:
        return self.closed and Decimal(self.probability) == 1

    def describe(self, order: int) -> dict[str, Any]:
        """As the pipelines API prints it: the metadata are texts."""
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "metadata": {"isClosed": str(self.closed).lower(), "probability": self.probability},
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            "createdAt": SEEDED_AT,
            "updatedAt": SEEDED_AT,
            "archived": False,
        }


@dataclass(frozen=True)
class Pipeline:
    """A deal pipeline with its stages in order."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    def stage(self, stage_id: str) -> Stage | None:
        return next((each for each in self.stages if each.id == stage_id), None)

    def describe(self, order: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "stages": [stage.describe(place) for place, stage in enumerate(self.stages)],
            "createdAt": SEEDED_AT,
            "updatedAt": SEEDED_AT,
            "archived": False,
        }


@dataclass(frozen=True)
class ConditionalRule:
    """An admin's rule: a record whose `when` is `equals` must have a value in `requires`.

    HubSpot holds API writes to it from 2026-09 on (changelog/crm-api-write-validation-enforcement, H10).
    """

    object_type: str
    when: str
    equals: str
    requires: str


class Portal:
    """One HubSpot account. `exchange_rates` turn a currency into the home currency; its keys and the home currency
    are the portal's currencies."""

    def __init__(
        self,
        portal_id: int,
        *,
        home_currency: str,
        exchange_rates: Mapping[str, str],
        time_zone: str,
        rules: Iterable[ConditionalRule],
        required_on_create: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.id = portal_id
        self.home_currency = home_currency
        self.exchange_rates = {code: Decimal(rate) for code, rate in exchange_rates.items()}
        self.time_zone = time_zone
        self.rules = list(rules)
        self.required_on_create = dict(required_on_create)
        self.pipelines = {
            pipeline_id: Pipeline(pipeline_id, label, tuple(Stage(*stage) for stage in stages))
            for pipeline_id, label, stages in PIPELINES
        }
        self.owners = {each[0]: _owner(*each) for each in OWNERS}
        self._last_id = 1_041_290_000

    @property
    def currencies(self) -> list[str]:
        return [self.home_currency, *self.exchange_rates]

    def pipeline(self, pipeline_id: str) -> Pipeline:
        found = self.pipelines.get(pipeline_id)
        if found is None:
            raise not_found(f"Pipeline {pipeline_id} not found")
        return found

    def add_pipeline(self, given: Mapping[str, Any]) -> Pipeline:
        """A pipeline as an admin makes it: its id, and those of its stages, are the portal's own."""
        if not given.get("label") or not given.get("stages"):
            raise invalid_request("Invalid input JSON: label and stages are needed")
        pipeline = Pipeline(self._new_id(), str(given["label"]), tuple(self._stage(each) for each in given["stages"]))
        self.pipelines[pipeline.id] = pipeline
        return pipeline

    def add_stage(self, pipeline_id: str, given: Mapping[str, Any]) -> Stage:
        pipeline, stage = self.pipeline(pipeline_id), self._stage(given)
        self.pipelines[pipeline_id] = replace(pipeline, stages=(*pipeline.stages, stage))
        return stage

    def _stage(self, given: Mapping[str, Any]) -> Stage:
        """A deal stage: it has to have a probability, and is closed at 0 and at 1 unless `isClosed` says otherwise."""
        metadata = given.get("metadata") or {}
        try:
            probability = Decimal(str(metadata["probability"]))
        except (KeyError, TypeError, InvalidOperation):
            raise invalid_request("A deal stage needs metadata.probability from 0.0 to 1.0") from None
        if not given.get("label") or not 0 <= probability <= 1:
            raise invalid_request("A deal stage needs a label, and metadata.probability from 0.0 to 1.0")
        closed = str(metadata.get("isClosed", probability in (0, 1))).lower() == "true"
        return Stage(str(given.get("stageId") or self._new_id()), str(given["label"]), str(probability), closed)

    def _new_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def check(self, values: Mapping[str, str]) -> list[InvalidValueError]:
        """What is wrong with values that are checked against the account: stage, pipeline, currency, owner.

        `values` are those of the whole record after the write; a property without a value is not checked.
        """
        invalid = []
        pipeline = self.pipelines.get(values.get("pipeline", ""))
        if values.get("pipeline") and pipeline is None:
            invalid.append(_not_allowed("pipeline", values["pipeline"], self.pipelines))
        stage = values.get("dealstage")
        if stage and pipeline is not None and pipeline.stage(stage) is None:
            invalid.append(_not_allowed("dealstage", stage, [each.id for each in pipeline.stages]))
        for name in ("deal_currency_code", "hs_line_item_currency_code"):
            if values.get(name) and values[name] not in self.currencies:
                invalid.append(_not_allowed(name, values[name], self.currencies))
        owner = values.get("hubspot_owner_id")
        if owner and owner not in self.owners:
            invalid.append(InvalidValueError("hubspot_owner_id", "INVALID_OWNER_ID", f"Owner {owner} does not exist."))
        return invalid

    def missing(self, kind: str, values: Mapping[str, str], *, creating: bool) -> list[InvalidValueError]:
        """What the admins' rules still ask for, given the values of the whole record after the write."""
        missing = [
            InvalidValueError(
                rule.requires,
                "MISSING_CONDITIONAL_REQUIRED_PROPERTY",
                f"{rule.requires} is required because of a conditional property rule based on [{rule.when}]",
            )
            for rule in self.rules
            if rule.object_type == kind and values.get(rule.when) == rule.equals and not values.get(rule.requires)
        ]
        if creating:
            missing += [
                InvalidValueError(name, "MISSING_REQUIRED_PROPERTY", f"A value for {name} must be provided")
                for name in self.required_on_create.get(kind, ())
                if not values.get(name)
            ]
        return missing


def _owner(owner_id: str, user_id: int, email: str, first: str, last: str) -> dict[str, Any]:
    return {
        "id": owner_id,
        "email": email,
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": SEEDED_AT,
        "updatedAt": SEEDED_AT,
        "archived": False,
    }


def _not_allowed(name: str, value: str, allowed: Iterable[str]) -> InvalidValueError:
    message = f"{value} was not one of the allowed options: [{', '.join(allowed)}]"
    return InvalidValueError(name, "INVALID_OPTION", message)
