"""What AWS charges for a thousand of each, by prices.toml and what was counted and measured in the same run.

Warm: the functions' environments are there, as when deals come often. Cold: every function of the path starts anew,
as when a deal comes now and then.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.calls import FIRST, UNCHANGED, Scenario
from bench.cold import Cold
from bench.steps import Steps

PRICES = Path(__file__).with_name("prices.toml")
THOUSAND = 1000
ENTRANCE = frozenset({"receive_crm_event", "start_deal_run"})
TOLD = "receive_erp_event"
"""S/4HANA tells of each record, our own writes included."""
LOOK = frozenset({"read_deal", "check_deal", "plan_deal", "close_run"})


@dataclass
class Cost:
    """Dollars per thousand, by service."""

    scenario: Scenario
    warm: Mapping[str, float]
    cold: Mapping[str, float]
    """Everything that the warm one has, and what cold starts add."""

    @property
    def warm_total(self) -> float:
        return sum(self.warm.values())

    @property
    def cold_total(self) -> float:
        return sum(self.cold.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "warm_usd_per_1000": round(self.warm_total, 3),
            "cold_usd_per_1000": round(self.cold_total, 3),
            "warm_by_service": {name: round(dollars, 4) for name, dollars in self.warm.items()},
            "cold_by_service": {name: round(dollars, 4) for name, dollars in self.cold.items()},
        }


def prices() -> dict[str, Any]:
    return tomllib.loads(PRICES.read_text())


def measure(scenarios: Sequence[Scenario], steps: Sequence[Steps], cold: Cold) -> list[Cost]:
    """Of the pairs whose steps were measured; what cold starts add is that of the first pair's functions."""
    found = []
    for timed in steps:
        of_pair = [each for each in scenarios if each.pair == timed.pair]
        # What was timed.
        (whole,) = (each for each in of_pair if (each.what, each.size) == (FIRST, "typical"))
        log_bytes = timed.log_bytes / whole.meter.invocations
        found += [_cost(each, timed, log_bytes, cold, prices()) for each in of_pair]
    return found


def _cost(scenario: Scenario, steps: Steps, log_bytes: float, cold: Cold, price: Mapping[str, Any]) -> Cost:
    """`log_bytes`: of an invocation."""
    meter, writes = scenario.meter, scenario.what != UNCHANGED
    functions = [
        start
        for start in cold.starts
        if start.function in ENTRANCE | LOOK
        or (writes and (start.function.startswith("sync_") or start.function in ("request_staffing", "update_crm")))
    ]
    asking = [start for start in functions if "appconfigdata.GetLatestConfiguration" in start.calls]
    # A deal that is looked at again by a redrive does not come in through the CRM's event; Salesforce relays one.
    relayed = writes and scenario.pair.crm == "salesforce"
    running = {start.function for start in functions} | ({TOLD} if writes else set())
    processor_ms = sum(spent for name, spent in steps.milliseconds.items() if _snake(name) in running)
    busy_s = (
        processor_ms / 1000 / price["lambda"]["processors"]
        + scenario.calls.total() * price["assumed"]["vendor_ms"] / 1000
        + meter.cloud_calls * price["assumed"]["aws_call_ms"] / 1000
    )
    warm = {
        "Step Functions": meter.transitions * price["step_functions"]["transition"],
        "Lambda requests": meter.invocations * price["lambda"]["request"],
        "Lambda time": busy_s * price["lambda"]["memory_gigabytes"] * price["lambda"]["gigabyte_second"],
        "DynamoDB": meter.write_units * price["dynamodb"]["write_unit"]
        + meter.read_units * price["dynamodb"]["read_unit"],
        "EventBridge": meter.events * price["eventbridge"]["custom_event"]
        + relayed * price["eventbridge"]["partner_event"],
        "API Gateway": meter.webhooks * price["api_gateway"]["http_request"],
        "SQS": meter.messages * price["sqs"]["requests_per_message"] * price["sqs"]["request"],
        "S3": meter.s3_puts * price["s3"]["put"] + meter.s3_gets * price["s3"]["get"],
        # At the most once a minute and environment, so at the most once an invocation of those that ask at all.
        "AppConfig": len(asking) * price["appconfig"]["request"],
        "Logs": log_bytes * meter.invocations * price["logs"]["ingested_gigabyte"] / 1e9,
    }
    cold_s = sum(start.import_ms + start.lazy_ms for start in functions) / 1000 / price["lambda"]["processors"]
    configurations = sum(start.calls.get("appconfigdata.GetLatestConfiguration", 0) for start in functions)
    secrets = sum(start.calls.get("secretsmanager.GetSecretValue", 0) for start in functions)
    added = {
        "Lambda time": cold_s * price["lambda"]["memory_gigabytes"] * price["lambda"]["gigabyte_second"],
        "AppConfig": configurations * price["appconfig"]["configuration_received"],
        "Secrets Manager": secrets * price["secrets_manager"]["request"],
    }
    both = {name: warm.get(name, 0.0) + added.get(name, 0.0) for name in (*warm, *(added.keys() - warm.keys()))}
    return Cost(
        scenario,
        {name: each * THOUSAND for name, each in warm.items()},
        {name: each * THOUSAND for name, each in both.items()},
    )


def _snake(name: str) -> str:
    """ReadDeal → read_deal"""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
