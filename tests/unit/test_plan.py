"""What a plan's changes touch."""

import pytest

from dealbridge.domain.plan import FieldChange, touched


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("name", "name"),
        ("billing_address.city", "billing_address"),
        ("lines[00k1].amount.amount", "lines"),
        ("codes.currency", "currency"),
        ("codes.payment_terms", "payment_terms"),
        ("codes.manager", "manager_email"),
        ("codes.role", "role"),
        ("codes.service_lines.IMPL.item", "lines"),
        ("codes.entity.company_code", "legal_entity"),
        ("codes.tax.classification", "legal_entity"),
        ("codes.defaults.price_level", ""),
        ("codes.legal_entity", ""),
        ("codes", "codes"),
    ],
)
def test_a_change_touches_a_field_of_ours(path: str, field: str) -> None:
    assert FieldChange(path=path).field == field


def test_changes_touch_fields_once_and_a_code_of_no_field_touches_none() -> None:
    paths = ("lines[1].quantity", "lines[2].quantity", "codes.service_lines.IMPL.item", "codes.defaults.grouping")
    assert touched([FieldChange(path=path) for path in paths]) == {"lines"}
    assert touched([]) == set()
