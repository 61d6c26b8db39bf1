"""What every business object shares."""

import hashlib
import json
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints


class Model(BaseModel):
    """A frozen business object. Unknown fields are refused: a misspelt field is a lost field."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def content(self) -> dict[str, Any]:
        """The object as plain JSON values; None and empty values left out, so that a new field changes no hash."""
        content: dict[str, Any] = _without_empty(self.model_dump(mode="json"))
        return content


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def content_hash(value: Any) -> str:
    """SHA-256 over the canonical JSON of plain values: sorted keys, no white space. 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


DIGITS = 18
"""What the CRMs' numbers hold at most before the point; far within the 28 digits that Decimal counts with."""


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent: 10.500 → 10.5, so that equal numbers print and hash alike."""
    if not value.is_finite():
        raise ValueError("must be a finite number")
    if value.adjusted() >= DIGITS:
        raise ValueError(f"must have at most {DIGITS} digits before the point")
    normal = value.normalize()
    return normal.quantize(Decimal(1)) if normal.as_tuple().exponent > 0 else normal  # type: ignore[operator]


Number = Annotated[Decimal, AfterValidator(plain)]
"""A quantity, rate or percentage; prints the same for equal numbers."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A text that must say something: an id or a name that the systems outside insist upon."""

Instant = AwareDatetime
"""A moment; naive datetimes are refused."""
