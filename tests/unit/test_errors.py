"""The closed set of errors, and their text as state machines read it."""

import json

import pytest

from dealbridge import errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.errors import NAMES, DealbridgeError, RejectedError, ThrottledError

A_FINDING = Finding(field="Amount", rule="r", message="Wrong.", remedy="", owner=Owner.FINANCE)


def test_the_set_is_closed() -> None:
    """A class that is not named here reaches no state machine: that is a decision, and this test has it taken."""
    assert {
        "TransientError",
        "ThrottledError",
        "RecordBusyError",
        "RejectedError",
        "ConflictError",
        "AccessError",
        "ConfigurationError",
        "LeaseLostError",
        "EngagementStoppedError",
        "RecordMissingError",
    } == NAMES
    classes = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert classes - {"DealbridgeError"} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_stands_alone(name: str) -> None:
    """Step Functions matches a class's name and knows no bases: none may be another's."""
    assert getattr(errors, name).__bases__ == (DealbridgeError,)


def test_the_text_is_json_with_what_was_said() -> None:
    error = ThrottledError("slow down", connection="netsuite", code="LIMIT", status=429, retry_after=2.5)
    assert json.loads(str(error)) == {
        "message": "slow down",
        "connection": "netsuite",
        "code": "LIMIT",
        "status": 429,
        "retry_after": 2.5,
    }
    assert json.loads(str(RejectedError("no"))) == {"message": "no"}


def test_findings_come_back_as_they_were() -> None:
    told = json.loads(str(RejectedError("no", findings=[A_FINDING])))
    assert [Finding.model_validate(each) for each in told["findings"]] == [A_FINDING]
    assert "findings_left_out" not in told


def test_a_text_stays_within_what_a_cause_holds() -> None:
    """As Lambda sends it: our JSON as a string inside its own, with a stack trace."""
    many = [
        Finding(field=f"Feld {n}", rule="r", message='Größe "x" fehlt. ' * 10, remedy="Größe eintragen.")
        for n in range(1000)
    ]
    error = RejectedError("1000 finding(s)", findings=many)
    told = json.loads(str(error))
    assert len(json.dumps({"errorMessage": str(error), "errorType": "RejectedError"})) < 28_000
    assert len(told["findings"]) > 10
    assert len(told["findings"]) + told["findings_left_out"] == 1000
    assert error.findings == tuple(many)
