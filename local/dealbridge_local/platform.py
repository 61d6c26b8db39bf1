"""The whole platform on one laptop: engine, simulators, secrets, the deployed stack, the published reference data."""

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from dealbridge.mappings.folder import read_folder
from dealbridge.ports import Capabilities
from dealbridge.settings import environment_of
from dealbridge.steps import WARM_UP
from dealbridge.transport import signatures
from dealbridge.wiring import CONNECTORS
from dealbridge_local import engine as local_engine
from dealbridge_local import vendors
from dealbridge_local.engine import REPOSITORY, Engine, Settings
from dealbridge_local.engine.settings import ACCESS_KEY, REGION, SECRET_KEY
from dealbridge_local.engine.waiting import Say

STAGE = "local"


@dataclass(frozen=True)
class Platform:
    """The running platform; `endpoints` is what .local/endpoints.json holds."""

    engine: Engine
    endpoints: Mapping[str, Any]

    @property
    def stack(self) -> Mapping[str, str]:
        stack: Mapping[str, str] = self.endpoints["stack"]
        return stack

    def simulator_url(self, name: str) -> str:
        return str(self.endpoints["simulators"][name]["url"])


def up(
    settings: Settings | None = None,
    *,
    say: Say = print,
    poll_rate: str = "rate(1 minute)",
    limits: Mapping[str, Any] | None = None,
) -> Platform:
    """Start what does not run yet, deploy what has changed, publish the reference data.

    `limits` are put over those of every connection in `mappings/connections.yaml`.
    """
    settings = settings or Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    engine = local_engine.start(settings, say)
    simulators = vendors.start(settings.home, engine.endpoint_url, say).simulators
    _put_secrets(engine, simulators)
    sources = _partner_sources(simulators)
    stack = local_engine.deploy(
        REPOSITORY,
        engine,
        parameters={"Stage": STAGE, "PartnerEventSource": next(iter(sources.values()), ""), "PollRate": poll_rate},
        say=say,
    )
    api = engine.http_api_url(stack["HttpApiId"])
    connections: dict[str, dict[str, Any]] = {
        name: {"base_url": described["url"], "public_url": api} for name, described in simulators.items()
    }
    for name, source in sources.items():
        connections[name]["options"] = {"event_source": source}
    if limits:
        for name, known in read_folder(REPOSITORY / "mappings").connections.items():
            held = known.limits.content() if known.limits else {}
            connections[name]["limits"] = {**held, **limits}
    endpoints = {
        "aws": {
            "endpoint_url": engine.endpoint_url,
            "region": REGION,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        },
        "stack": stack,
        "http_api": api,
        "console": None,
        "simulators": simulators,
        "connections": connections,
    }
    _write(settings.home / "endpoints.json", endpoints)
    _publish(engine, stack, connections, settings, say)
    _have_events_posted(simulators, api)
    _warm_up(engine, stack, simulators, settings, say)
    return Platform(engine, endpoints)


def found(settings: Settings | None = None) -> Platform | None:
    """The platform that `up` left running."""
    settings = settings or Settings.from_environment()
    engine = local_engine.running(settings)
    try:
        endpoints = json.loads((settings.home / "endpoints.json").read_text())
    except FileNotFoundError:
        return None
    if engine is None or vendors.running(settings.home) is None:
        return None
    return Platform(engine, endpoints)


def down(settings: Settings | None = None) -> bool:
    """Stop all of it; False when nothing ran."""
    settings = settings or Settings.from_environment()
    (settings.home / "endpoints.json").unlink(missing_ok=True)
    (settings.home / "published").unlink(missing_ok=True)
    stopped = vendors.stop(settings.home)
    return local_engine.stop(settings) or stopped


def point_process_at(platform: Platform) -> None:
    """Let this process' boto3 and dealbridge's own commands reach the platform."""
    os.environ |= {
        name: value for name, value in platform.engine.environment().items() if name.startswith(("AWS_", "NO_PROXY"))
    } | environment_of(platform.stack)


def _partner_sources(simulators: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The partner event sources of those that send their events by a relay to EventBridge."""
    given = {name: described["credentials"].get("relay_source") for name, described in simulators.items()}
    return {name: str(source) for name, source in given.items() if source}


def _have_events_posted(simulators: Mapping[str, Mapping[str, Any]], api: str) -> None:
    """What the people of a vendor set up once that posts its events: where to."""
    by_relay = _partner_sources(simulators)
    for name, described in simulators.items():
        can: Capabilities = import_module(CONNECTORS[name]).CAPABILITIES
        if can.inbound_events and name not in by_relay:
            entrance = "events" if can.role == "crm" else "erp-events"
            target = {"url": f"{api}/{entrance}/{name}"}
            httpx.post(f"{described['url']}/__sim/actions/subscribe", json=target, timeout=30).raise_for_status()


def _put_secrets(engine: Engine, simulators: Mapping[str, Mapping[str, Any]]) -> None:
    client = engine.client("secretsmanager")
    for name, described in simulators.items():
        secret, value = f"dealbridge/{name}", json.dumps(described["credentials"])
        try:
            client.create_secret(Name=secret, SecretString=value)
        except client.exceptions.ResourceExistsException:
            client.put_secret_value(SecretId=secret, SecretString=value)


def _publish(
    engine: Engine, stack: Mapping[str, str], connections: Mapping[str, Any], settings: Settings, say: Say
) -> None:
    from dealbridge.mappings.publishing import publish

    reference = read_folder(REPOSITORY / "mappings", connections)
    note = settings.scratch / "published"
    if note.exists() and note.read_text() == reference.version:
        return
    platform = Platform(engine, {"stack": stack})
    point_process_at(platform)
    version = publish(reference, stack)
    note.write_text(reference.version)
    say(f"Reference data {reference.version} is published, version {version}.")


def _warm_up(
    engine: Engine,
    stack: Mapping[str, str],
    simulators: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    say: Say,
) -> None:
    """One environment of each step, so that the first deal is not slowed by a dozen cold starts in a row."""
    note = settings.scratch / "warm"
    deployed = (settings.scratch / "deployed-dealbridge").read_text()
    if note.exists() and note.read_text() == deployed:
        return
    began = time.monotonic()
    client = engine.client("lambda")
    names = [
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function["FunctionName"].startswith("dealbridge-")
    ]

    def invoke(name: str) -> None:
        if any(part in name for part in ("ReceiveCrmEvent", "ReceiveErpEvent", "ParkDeadRun")):
            return  # they take real events only
        event = {"Records": []} if "StartDealRun" in name else {} if "PollCrm" in name else WARM_UP
        client.invoke(FunctionName=name, Payload=json.dumps(event).encode())

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(invoke, names))
    for name, described in simulators.items():
        if secret := described["credentials"].get("webhook_secret"):
            _post_empty_event(f"{engine.http_api_url(stack['HttpApiId'])}/events/{name}", secret)
    note.write_text(deployed)
    say(f"The functions are warm after {time.monotonic() - began:.1f} s.")


def _post_empty_event(entrance: str, secret: str) -> None:
    """A signed request that speaks of no deal."""
    body = json.dumps({"event_id": "warm-up", "opportunity_ids": []}).encode()
    httpx.post(entrance, content=body, headers=signatures.sign(secret, int(time.time()), body), timeout=60)


def _write(path: Path, endpoints: Mapping[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(endpoints, indent=2))
