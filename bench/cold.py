"""Cold starts: what a fresh process pays before a function's first answer; and what the layers weigh."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from statistics import median
from typing import Any

from bench import cold_start, deals
from bench.deployed import HOME, Deployed
from dealbridge.domain.hints import DealHint
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import RunTicket
from dealbridge.ledger.ledger import ledger
from dealbridge.runs.redriving import hint
from dealbridge.steps import RunStep, now
from dealbridge_local.engine import REPOSITORY
from dealbridge_local.engine.corrections.functions import lambda_import_path

BUILT = HOME / "build" / "dealbridge" / ".aws-sam" / "build"
ROOM = HOME / "cold"
"""Copies of functions and of layers: `opt` as Lambda unpacks them, `source` without what was compiled in the build."""
LAYERS = ("DependenciesLayer", "PlatformLayer", "CompiledLayer")
"""In the order in which Lambda unpacks them, one over the other."""
FROM_SOURCE = "sync_contract"


@dataclass
class ColdStart:
    """One function, in milliseconds of processor time."""

    function: str
    import_ms: float
    lazy_ms: float
    """What the first invocation takes beyond the second: connectors, AWS clients, reference data, secrets."""
    warm_ms: float
    over_boto3: float
    """The import, over that of boto3 with a DynamoDB client right before it."""
    all_over_boto3: float
    """The same with what the first invocation imports and makes."""
    calls: Mapping[str, int]
    """AWS calls of the first invocation beyond those of the second."""


@dataclass
class Layer:
    name: str
    zipped_bytes: int
    unzipped_bytes: int


@dataclass
class Cold:
    boto3_ms: float
    starts: list[ColdStart]
    from_source_ms: float
    """The import of FROM_SOURCE as it would be if the layers were not compiled in the build."""
    layers: list[Layer]

    @property
    def worst(self) -> ColdStart:
        return max(self.starts, key=lambda start: start.all_over_boto3)

    def as_json(self) -> dict[str, Any]:
        return {
            "boto3_with_dynamodb_client_cpu_ms": round(self.boto3_ms),
            "functions": {
                start.function: {
                    "import_cpu_ms": round(start.import_ms),
                    "lazy_cpu_ms": round(start.lazy_ms),
                    "warm_cpu_ms": round(start.warm_ms),
                    "import_over_boto3": round(start.over_boto3, 2),
                    "all_over_boto3": round(start.all_over_boto3, 2),
                    "aws_calls_only_when_cold": dict(start.calls),
                }
                for start in self.starts
            },
            "from_source_cpu_ms": {FROM_SOURCE: round(self.from_source_ms)},
            "layers_mb": {
                layer.name: {
                    "zipped": round(layer.zipped_bytes / 1e6, 2),
                    "unzipped": round(layer.unzipped_bytes / 1e6, 2),
                }
                for layer in self.layers
            },
            "zipped_mb": round(sum(layer.zipped_bytes for layer in self.layers) / 1e6, 2),
        }


def measure(deployed: Deployed, times: int) -> Cold:
    """Lead so many deals through the functions, each function in a fresh process of its own."""
    shutil.rmtree(ROOM, ignore_errors=True)
    for layer in LAYERS:
        shutil.copytree(BUILT / layer, ROOM / "opt", dirs_exist_ok=True)
        if layer != "CompiledLayer":
            shutil.copytree(BUILT / layer, ROOM / "source", dirs_exist_ok=True)
    shutil.copytree(REPOSITORY / "functions", ROOM / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    from_source = min(_Fresh(FROM_SOURCE, "source").import_ms() for _ in range(times))
    walks = [_walk(deployed) for _ in range(1 + times)]
    boto3, imports = _Fresh("boto3"), {name: _Fresh(name) for name in sorted(walks[0])}
    # boto3 right before each function, and the median: a processor that others use too is a third slower for seconds on
    # end, and the least of a few rounds catches one of the two in such seconds and not the other.
    rounds = [
        {name: (boto3.import_ms(), fresh.import_ms()) for name, fresh in imports.items()} for _ in range(4 * times)
    ]
    bare = median(bare for each in rounds for bare, _ in each.values())
    starts = [
        _cold_start(name, [each[name] for each in rounds], [walk[name] for walk in walks], bare) for name in imports
    ]
    return Cold(bare, starts, from_source, [_layer(name) for name in LAYERS])


class _Fresh:
    """A program of its own that starts a function, or boto3 for comparison."""

    def __init__(self, function: str, layers: str = "opt") -> None:
        folder = function if function == "boto3" else str(ROOM / "functions" / function)
        path = [*lambda_import_path(), str(ROOM / layers / "python")]
        # Isolated: nothing of this virtual environment but the interpreter. A function cannot write to /opt: -B.
        self._command = [sys.executable, "-I", "-S", "-B", str(cold_start.__file__), folder]
        self._path = path

    def run(self, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        given = "-" if event is None else json.dumps(event)
        done = subprocess.run([*self._command, given, *self._path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(self._command)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def import_ms(self) -> float:
        return float(self.run()["import_cpu_ms"])


def _walk(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """A deal led through the functions by their own handlers; the state machine does not know of it."""
    with deployed.unheard():
        deal = deployed.sellers.open(deals.small())
        deployed.sellers.win(deal)
        parked, dead = (deployed.sellers.open(deals.small()) for _ in range(2))
    ticket = _claim(deal)
    command = _command_of(ticket)
    found = {"read_deal": _Fresh("read_deal").run(command)}
    read = found["read_deal"]["answer"]
    command |= {"reference": read["reference"]}
    snapshot = {"snapshot": read["snapshot"]}
    found["check_deal"] = _Fresh("check_deal").run({**command, **snapshot})
    found["plan_deal"] = _Fresh("plan_deal").run({**command, **snapshot})
    plan = found["plan_deal"]["answer"]
    (entity,) = plan["entities"]
    for step in ("sync_customer", "sync_project", "sync_contract", "sync_billing", "request_staffing"):
        found[step] = _Fresh(step).run({**command, "entity": entity})
    found["update_crm"] = _Fresh("update_crm").run({**command, "revision": read["revision"]})
    closing = {"revision": read["revision"], "won": True, "writes": plan["writes"], "plan_hash": plan["plan_hash"]}
    found["close_run"] = _Fresh("close_run").run({**command, **closing, **snapshot})
    failure = {"Error": "RejectedError", "Cause": "{}", "step": "CheckDeal"}
    found["park_run"] = _Fresh("park_run").run({**_command_of(_claim(parked)), "failures": [failure]})
    found["park_dead_run"] = _Fresh("park_dead_run").run(_aborted(_command_of(_claim(dead))))
    found["receive_crm_event"] = _Fresh("receive_crm_event").run(_relayed(deployed, deal.opportunity))
    body = json.dumps({"detail": hint(deal).model_dump(mode="json")})
    found["start_deal_run"] = _Fresh("start_deal_run").run({"Records": [{"messageId": "bench", "body": body}]})
    deployed.settle()
    found["poll_crm"] = _Fresh("poll_crm").run({})
    deployed.settle()
    return found


def _claim(deal: DealKey) -> RunTicket:
    given: DealHint = hint(deal)
    claimed = ledger().deals.claim(given, now())
    assert isinstance(claimed, RunTicket), claimed
    return claimed


def _command_of(ticket: RunTicket) -> dict[str, Any]:
    command = RunStep(deal=ticket.deal, run=ticket.name, number=ticket.number, correlation_id=ticket.correlation_id)
    return command.model_dump(mode="json")


def _aborted(command: Mapping[str, Any]) -> dict[str, Any]:
    """EventBridge: Step Functions Execution Status Change."""
    given = json.dumps({"command": command, "waits": 0})
    return {"detail": {"executionArn": "", "status": "ABORTED", "input": given, "error": None}}


def _relayed(deployed: Deployed, deal: str) -> dict[str, Any]:
    """A change event as Event Relay brings it."""
    header = {
        "entityName": "Opportunity",
        "recordIds": [deal],
        "changeType": "UPDATE",
        "changeOrigin": "",
        "transactionKey": f"bench-{deal}",
        "sequenceNumber": 1,
        "commitTimestamp": round(now().timestamp() * 1000),
        "changedFields": ["StageName"],
    }
    source = deployed.platform.endpoints["simulators"]["salesforce"]["credentials"]["relay_source"]
    detail = {"payload": {"ChangeEventHeader": header, "StageName": "Closed Won"}}
    return {"id": "bench", "source": source, "detail-type": "OpportunityChangeEvent", "detail": detail}


def _cold_start(
    function: str, imports: Sequence[tuple[float, float]], results: Sequence[Mapping[str, Any]], bare: float
) -> ColdStart:
    imported, over_boto3 = median(own for _, own in imports), median(own / before for before, own in imports)
    warm = min(result["second_cpu_ms"] for result in results)
    lazy = min(result["first_cpu_ms"] for result in results) - warm
    first, second = results[-1]["first_calls"], results[-1]["second_calls"]
    only_cold = {name: number - second.get(name, 0) for name, number in first.items() if _only_cold(name)}
    return ColdStart(
        function,
        imported,
        lazy,
        warm,
        over_boto3,
        over_boto3 + lazy / bare,
        {k: v for k, v in only_cold.items() if v},
    )


def _only_cold(operation: str) -> bool:
    """Reference data and secrets are read once by an environment; the ledger is part of the work."""
    return operation.split(".")[0] in ("appconfigdata", "secretsmanager")


def _layer(name: str) -> Layer:
    """Zipped as `sam deploy` does."""
    files = [file for file in sorted((BUILT / name).rglob("*")) if file.is_file()]
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, file.relative_to(BUILT / name))
    return Layer(name, len(archive.getvalue()), sum(file.stat().st_size for file in files))
