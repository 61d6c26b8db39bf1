"""Runs and their story: each step with its times, its outcome, its vendor calls and what it waited for."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dealbridge.domain.keys import DealKey
from dealbridge.domain.plan import Plan
from dealbridge.errors import ConfigurationError
from dealbridge.ledger.deals import deal_pk
from dealbridge.ledger.documents import Documents
from dealbridge.ledger.table import ConditionError, Item, Table

if TYPE_CHECKING:
    from dealbridge.domain.deal import Deal


class Runs:
    """Runs, snapshots and plans in the ledger."""

    def __init__(self, table: Table, documents: Documents) -> None:
        self._table = table
        self._documents = documents

    def tell(self, deal: DealKey, number: int, entry: Mapping[str, Any]) -> None:
        """Add one entry to a run's story: an item of its own, so that a long story costs no more to go on with."""
        named = "#".join(filter(None, (entry["ended_at"], entry["step"], entry.get("entity"))))
        self._table.put({"pk": deal_pk(deal), "sk": f"{_story_sk(number)}{named}", "run": number, "entry": dict(entry)})

    def of(self, deal: DealKey) -> Iterator[Item]:
        """A deal's runs, the first first, each with its `story` in the order of its telling."""
        stories: dict[int, list[Item]] = {}
        for item in self._table.query(deal_pk(deal), "STORY#"):
            stories.setdefault(item["run"], []).append(item["entry"])
        for run in self._table.query(deal_pk(deal), "RUN#"):
            yield {**run, "story": stories.get(run["number"], [])}

    def story_of(self, deal: DealKey, number: int) -> list[Item]:
        """What a run has told so far."""
        return [item["entry"] for item in self._table.query(deal_pk(deal), _story_sk(number))]

    def audit_of(self, deal: DealKey) -> Iterator[Item]:
        return self._table.query(deal_pk(deal), "AUDIT#")

    def exceptions_of(self, deal: DealKey) -> Iterator[Item]:
        return self._table.query(deal_pk(deal), "EXCEPTION#")

    def open_exceptions(self) -> Iterator[Item]:
        """All open exceptions, by cause; eventually consistent."""
        return self._table.by_state("EXCEPTIONS#open", newest_first=False)

    def keep_snapshot(self, deal: "Deal", snapshot_hash: str) -> None:
        """Keep a snapshot under its hash; one that is kept already is left as it is."""
        item = {
            "pk": deal_pk(deal.key),
            "sk": f"SNAPSHOT#{snapshot_hash}",
            "document": self._documents.pack(deal.model_dump(mode="json")),
            "revision": deal.revision,
        }
        with suppress(ConditionError):
            self._table.put(item, new=True)

    def snapshot(self, key: DealKey, snapshot_hash: str) -> "Deal":
        # Not at the top: most functions that open the ledger read no deal.
        from dealbridge.domain.deal import Deal

        return Deal.model_validate(self._read(key, f"SNAPSHOT#{snapshot_hash}"))

    def keep_plan(self, run: str, plan: Plan) -> None:
        self._table.put(
            {
                "pk": deal_pk(plan.deal),
                "sk": f"PLAN#{run}",
                "document": self._documents.pack(plan.model_dump(mode="json")),
                "hash": plan.hash,
            }
        )

    def plan(self, deal: DealKey, run: str) -> Plan:
        return Plan.model_validate(self._read(deal, f"PLAN#{run}"))

    def plan_of(self, deal: DealKey, run: str) -> Plan | None:
        """A run's plan; None where the run ended before it had one."""
        item = self._table.get(deal_pk(deal), f"PLAN#{run}")
        return Plan.model_validate(self._documents.unpack(item["document"])) if item else None

    def _read(self, deal: DealKey, sk: str) -> Any:
        item = self._table.get(deal_pk(deal), sk)
        if item is None:
            raise ConfigurationError(f"ledger: {deal} has no {sk}; the run was started without it")
        return self._documents.unpack(item["document"])


def _story_sk(number: int) -> str:
    return f"STORY#{number:06}#"
