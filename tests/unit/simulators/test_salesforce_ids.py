"""Salesforce ids: the check characters, and what is no id."""

import pytest

from dealbridge_local.simulators.salesforce.ids import IdSequence, canonical, with_checksum


@pytest.mark.parametrize(
    "real",
    [
        # Ids as other people's systems recorded them: Event Relay's reference page, amp-labs' fixtures.
        "00DRM000000Fxts2AC",
        "0YLRM0000004Dfg4AE",
        "006ak00000OQ4RxAAL",
        "003ak000003dQCGAA2",
        "0016g00000Wqu1EAAR",
        "000000000000000AAA",
    ],
)
def test_check_characters_are_those_of_real_ids(real: str) -> None:
    assert with_checksum(real[:15]) == real
    assert canonical(real[:15]) == canonical(real) == real


@pytest.mark.parametrize(
    "text", ["", "acme", "006ak00000OQ4RxAAA", "006ak00000OQ4R", "006ak00000OQ4R-", "006ak00000OQ4RxA"]
)
def test_what_is_no_id(text: str) -> None:
    assert canonical(text) is None


def test_ids_count_up_within_their_prefix_and_differ_without_case() -> None:
    ids = IdSequence()
    made = [ids.next("006") for _ in range(200)]

    assert made[0] == "006Kd0000000001IAA"
    assert len({each.lower() for each in made}) == 200
    assert ids.next("001").startswith("001Kd0000000001")
