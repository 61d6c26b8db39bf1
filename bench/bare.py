"""The vendor calls of a deal in one process: the same connectors, no ledger, no AWS, no state machine.

In sequence where the state machine runs in sequence; staffing beside contract and billing, as there.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from bench.deployed import Deployed
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import RECORD_TYPES, Record
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.model import content_hash
from dealbridge.domain.plan import Operation, Step
from dealbridge.domain.refs import ExternalRef
from dealbridge.mappings.folder import read_folder
from dealbridge.ports import RecordTarget, Write
from dealbridge.rules.planning import plan_deal
from dealbridge.runs.applying import StatusTarget
from dealbridge.runs.reading import as_deal
from dealbridge.transport.client import Call, Wire
from dealbridge.wiring import Wiring
from dealbridge_local.engine import REPOSITORY


class BareProcess:
    """One process with its connectors, signed in once."""

    def __init__(self, deployed: Deployed) -> None:
        reference = read_folder(REPOSITORY / "mappings", deployed.platform.endpoints["connections"])
        simulators: Mapping[str, Mapping[str, Mapping[str, str]]] = deployed.platform.endpoints["simulators"]

        def secret(connection: Connection) -> Mapping[str, str]:
            return simulators[connection.id]["credentials"]

        self.calls: Counter[str] = Counter()
        self._reference = reference
        self._wiring = Wiring(lambda: reference, secret, lambda connection: Wire(watch=self._count))

    def _count(self, call: Call) -> None:
        self.calls[call.connection] += 1

    def activate(self, key: DealKey) -> float:
        """Everything that a first activation does at the vendors; the seconds that it took."""
        self.calls.clear()
        began = time.perf_counter()
        read = self._wiring.crm(key.crm).read_deal(key.opportunity)
        deal = as_deal(key, read, self._reference.field_mapping(key.crm))
        snapshot = content_hash(deal.commercial())
        plan = plan_deal(deal, snapshot, self._reference, self._wiring.capabilities, {}).plan
        refs: dict[str, ExternalRef] = {}

        def apply(*steps: Step) -> None:
            for step in steps:
                self._write(key, read.revision, [each for each in plan.writes if each.step is step], refs)

        apply(Step.SYNC_CUSTOMER, Step.SYNC_PROJECT)
        with ThreadPoolExecutor() as pool:
            branches = [
                pool.submit(apply, Step.SYNC_CONTRACT, Step.SYNC_BILLING),
                pool.submit(apply, Step.REQUEST_STAFFING),
            ]
        for branch in branches:
            branch.result()
        apply(Step.UPDATE_CRM)
        return time.perf_counter() - began

    def _write(
        self, deal: DealKey, revision: str, operations: Iterable[Operation], refs: dict[str, ExternalRef]
    ) -> None:
        for operation in operations:
            target: RecordTarget
            if operation.kind is Kind.ENGAGEMENT_STATUS:
                self._ask_for_numbers([refs[identity] for identity in operation.needs], operation.needs)
                target = StatusTarget(self._wiring.crm(deal.crm), deal, revision)
            else:
                target = self._wiring.target(operation.connection)
            write = Write(
                kind=operation.kind,
                key=operation.key,
                record=cast("Record", RECORD_TYPES[operation.kind].model_validate(operation.record)),
                codes=operation.codes,
                refs={identity.rsplit("/", 1)[1]: refs[identity] for identity in operation.needs},
            )
            refs[operation.identity] = target.create(write)

    def _ask_for_numbers(self, refs: Iterable[ExternalRef], identities: Iterable[str]) -> None:
        """Of records that no creation was answered with, as the status shows them."""
        asked: dict[str, list[ExternalRef]] = {}
        for ref, identity in zip(refs, identities, strict=True):
            later = self._wiring.capabilities(ref.connection).numbers_later
            if ref.number is None and identity.split("/")[1] in later:
                asked.setdefault(ref.connection, []).append(ref)
        for connection, records in asked.items():
            self._wiring.numbering(connection).numbered(records)
