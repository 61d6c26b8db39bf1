"""What a person has to mend before a deal can go on."""

from enum import StrEnum

from dealbridge.domain.model import Model


class Owner(StrEnum):
    """Who can mend it."""

    SALES = "sales"
    FINANCE = "finance"
    OPERATIONS = "operations"


class Finding(Model):
    """One thing that is wrong: the field as its people know it, the rule in plain words, what was found, the remedy."""

    field: str
    rule: str
    message: str
    remedy: str
    owner: Owner = Owner.SALES

    def __str__(self) -> str:
        return f"{self.field}: {self.message} {self.remedy}"
