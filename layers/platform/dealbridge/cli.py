"""`dealbridge`: what operators ask and do, against AWS or the local engine.

The stack is found by `--stack` with the AWS credentials at hand, or in `.local/endpoints.json`, which `make up` writes
and which wins where it is there.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dealbridge.domain.keys import DealKey
from dealbridge.errors import DealbridgeError
from dealbridge.settings import environment_of

ENDPOINTS = Path(os.environ.get("DEALBRIDGE_ENDPOINTS", ".local/endpoints.json"))

_DEAD_LETTER_QUEUES = {
    "deal-queue": "DealQueueDeadLettersUrl",
    "undelivered": "UndeliveredEventsUrl",
    "failed": "FailedInvocationsUrl",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 the answer is no (a proof fails, a deal is parked), 2 it could not be done."""
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    options = _parser().parse_args(arguments)
    try:
        act: Callable[[argparse.Namespace], int] = options.act
        return act(options)
    except (DealbridgeError, ValueError) as error:
        print(f"dealbridge: {error.message if isinstance(error, DealbridgeError) else error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dealbridge", description="Ask and do what operators need.")
    parser.add_argument(
        "--stack", default=os.environ.get("DEALBRIDGE_STACK", "dealbridge"), help="CloudFormation stack"
    )
    parser.add_argument("--endpoints", type=Path, default=ENDPOINTS, help="the local platform's endpoints file")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, act: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(act=act)
        sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    deals = command("deals", _deals, "List deals by state, with what stopped the parked ones.")
    deals.add_argument("--state", choices=["running", "active", "open", "parked"], default="parked")
    for name, act, text in (
        ("trace", _trace, "Print the timeline of a deal, with the cause of every wait."),
        ("plan", _plan, "Print what a run would do now, from a fresh read; nothing is written."),
        ("prove", _prove, "Print every effect of a deal with its vendor id, read back now. Exit 1 where one fails."),
    ):
        command(name, act, text).add_argument("deal", help="<crm connection>:<opportunity id>")
    command("limits", _limits, "Print how connections stand with their vendors' limits, and their circuit breakers.")
    redrive = command("redrive", _redrive, "Let what is stuck go on.")
    redrive.add_argument("deal", nargs="*", help="deals, as <crm connection>:<opportunity id>")
    redrive.add_argument("--parked", action="store_true", help="all parked deals")
    redrive.add_argument("--cause", action="append", default=[], help="all deals parked for this cause (repeatable)")
    redrive.add_argument("--dlq", choices=list(_DEAD_LETTER_QUEUES), help="all messages of a dead-letter queue")
    redrive.add_argument("--id", action="append", default=[], help="with --dlq: only this message (repeatable)")
    redrive.add_argument("--dry-run", action="store_true", help="only list what would happen")
    mappings = command("mappings", _mappings, "Check, publish, or write the JSON Schemas of the reference data.")
    mappings.add_argument("what", choices=["check", "publish", "schemas"])
    mappings.add_argument("--folder", type=Path, default=Path("mappings"))
    return parser


# Commands


def _deals(options: argparse.Namespace) -> int:
    _connect(options)
    from dealbridge.ledger.deals import DealState
    from dealbridge.ledger.ledger import ledger

    rows = [
        {
            "deal": str(head["deal"]),
            "state": str(head["state"]),
            "cause": str(head.get("cause", "")),
            "since": str(head["updated_at"]),
        }
        for head in ledger().deals.listed(DealState(options.state))
    ]
    if options.json:
        return _print_json(rows)
    return _print_table(("deal", "state", "cause", "since"), rows)


def _trace(options: argparse.Namespace) -> int:
    _connect(options)
    from dealbridge.runs.tracing import trace

    found = trace(DealKey.parse(options.deal))
    if options.json:
        return _print_json(found.as_json())
    took = found.seconds_from_won_to_active
    print(f"{found.deal}: {found.state}" + (f" ({found.cause})" if found.cause else ""))
    print(f"won → active: {took:.3f} s" if took is not None else "not active yet")
    print(f"audit: {'whole' if found.audit_broken_at is None else f'broken at entry {found.audit_broken_at}'}\n")
    for moment in found.moments:
        waited = f"+{moment.waited:8.3f} s" if moment.waited else " " * 11
        lasted = f"{moment.seconds:7.3f} s" if moment.seconds is not None else " " * 9
        cause = f"  ← waited for {moment.cause}" if moment.cause else ""
        clock = datetime.fromisoformat(moment.at).strftime("%H:%M:%S.%f")[:12]
        print(f"{clock} {waited} {lasted}  {moment.what}{cause}")
        for effect in moment.detail.get("effects", ()):
            print(f"{'':37}{effect}")
    for exception in found.exceptions:
        print(f"\n{exception['state']} exception since {exception['opened_at'][:19]}: {exception['message']}")
        for finding in exception.get("findings", ()):
            print(f"  {finding['field']} [{finding['rule']}] {finding['message']} {finding['remedy']}")
    return 0


def _plan(options: argparse.Namespace) -> int:
    _connect(options)
    from dealbridge.domain.plan import Action
    from dealbridge.runs.planning import preview
    from dealbridge.runs.proving import planned

    deal, draft = preview(DealKey.parse(options.deal))
    if options.json:
        findings = [finding.content() for finding in draft.findings]
        shown = {"hash": draft.plan.hash, "plan": draft.plan.content(), "findings": findings}
        return _print_json(shown) or (1 if findings else 0)
    print(f"{deal.key} {deal.name!r}, {deal.stage}, {deal.amount}; reference data {draft.plan.mapping_version}")
    for finding in draft.findings:
        print(f"  {finding.field} [{finding.rule}] {finding.message} {finding.remedy}")
    for operation in draft.plan.writes:
        print(f"  {planned(operation)}")
        for change in operation.changes if operation.action is Action.UPDATE else ():
            print(f"             {change.path}: {change.before!r} → {change.after!r}")
    if draft.plan.is_empty and not draft.findings:
        print("  nothing to do")
    else:
        print(f"plan {draft.plan.hash[:12]}")
    return 1 if draft.findings else 0


def _prove(options: argparse.Namespace) -> int:
    _connect(options)
    from dealbridge.runs.proving import prove

    proofs = list(prove(DealKey.parse(options.deal)))
    stands = bool(proofs) and all(proof.verdict == "stands" for proof in proofs)
    if options.json:
        return _print_json([proof.as_json() for proof in proofs]) or (0 if stands else 1)
    for proof in proofs:
        print(f"{proof.verdict:9} {proof.identity} → {proof.number or ''} (id {proof.id})")
        for difference in proof.differences:
            print(f"{'':10}{difference}")
        for effect in proof.effects:
            print(f"{'':10}{effect['done_at'][:23]} {effect['action']} by {effect['run']}, {effect['how']}")
    print(f"{sum(proof.verdict == 'stands' for proof in proofs)} of {len(proofs)} records stand as applied")
    return 0 if stands else 1


def _limits(options: argparse.Namespace) -> int:
    _connect(options)
    from dealbridge.runs.limits import standings

    found = list(standings())
    if options.json:
        return _print_json([each.as_json() for each in found])
    return _print_table(("connection", "slots", "requests", "circuit", "paused"), [each.as_row() for each in found])


def _redrive(options: argparse.Namespace) -> int:
    stack = _connect(options)
    if options.dlq:
        return _redrive_letters(options, stack)
    from dealbridge.runs import redriving

    if options.deal:
        known = {str(stuck.deal): stuck for stuck in redriving.parked()}
        named = [DealKey.parse(text) for text in options.deal]
        rows = [
            {"deal": str(key), "cause": known[str(key)].cause if str(key) in known else "not parked"} for key in named
        ]
    elif options.parked or options.cause:
        found = list(redriving.parked(options.cause))
        named = [stuck.deal for stuck in found]
        rows = [{"deal": str(stuck.deal), "cause": stuck.cause, "message": stuck.message[:100]} for stuck in found]
    else:
        raise ValueError("redrive: name deals, or --parked, --cause or --dlq")
    if not options.dry_run:
        redriving.redrive(named)
    done = "would get" if options.dry_run else "got"
    if options.json:
        return _print_json({"dry_run": options.dry_run, "deals": rows})
    _print_table(tuple(rows[0]) if rows else (), rows)
    print(f"{len(rows)} deal(s) {done} a new run")
    return 0


def _redrive_letters(options: argparse.Namespace, stack: Mapping[str, str]) -> int:
    from dealbridge.runs import redriving

    queue = stack[_DEAD_LETTER_QUEUES[options.dlq]]
    letters = list(redriving.dead_letters(queue))
    chosen = [letter for letter in letters if not options.id or letter.id in options.id]
    if options.dry_run:
        shown = [(letter, redriving.destination(letter)) for letter in chosen]
    else:
        shown = list(redriving.redeliver(chosen, queue))
    for letter in letters if options.dry_run else [each for each in letters if each not in chosen]:
        redriving.put_back(letter, queue)
    rows = [{"id": letter.id, "goes to": str(to), "body": letter.body[:80]} for letter, to in shown]
    if options.json:
        return _print_json({"dry_run": options.dry_run, "messages": rows})
    _print_table(("id", "goes to", "body"), rows)
    print(f"{len(rows)} message(s) {'would be' if options.dry_run else 'were'} delivered again")
    return 0


def _mappings(options: argparse.Namespace) -> int:
    from dealbridge.mappings.folder import read_folder, write_schemas

    if options.what == "schemas":
        for path in write_schemas(options.folder):
            print(path)
        return 0
    overrides: Mapping[str, Any] = {}
    if options.what == "publish" and options.endpoints.exists():
        overrides = json.loads(options.endpoints.read_text()).get("connections", {})
    reference = read_folder(options.folder, overrides)
    print(
        f"reference data {reference.version}: {len(reference.connections)} connections, "
        f"{len(reference.legal_entities)} legal entities, {len(reference.service_lines)} service lines: valid"
    )
    if options.what == "publish":
        from dealbridge.mappings.publishing import publish

        print(f"published as version {publish(reference, _connect(options))}")
    return 0


# The stack


def _connect(options: argparse.Namespace) -> dict[str, str]:
    """Point this process at the stack; its outputs."""
    if options.endpoints.exists():
        found = json.loads(options.endpoints.read_text())
        local, stack = found["aws"], found["stack"]
        os.environ |= {
            "AWS_ENDPOINT_URL": local["endpoint_url"],
            "AWS_DEFAULT_REGION": local["region"],
            "AWS_REGION": local["region"],
            "AWS_ACCESS_KEY_ID": local["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": local["secret_access_key"],
        }
    else:
        stack = _outputs(options.stack)
    os.environ |= environment_of(stack)
    return dict(stack)


def _outputs(stack: str) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    from dealbridge import aws

    try:
        described = aws.any_client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        raise ValueError(
            f"no stack {stack!r} and no {ENDPOINTS}: give --stack with AWS credentials, or run `make up` ({error})"
        ) from None
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}


# Printing


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    return 0


def _print_table(columns: Iterable[str], rows: Sequence[Mapping[str, str]]) -> int:
    names = list(columns)
    widths = {name: max([len(name), *(len(row.get(name, "")) for row in rows)]) for name in names}
    if rows:
        print("  ".join(name.ljust(widths[name]) for name in names).rstrip())
    for row in rows:
        print("  ".join(row.get(name, "").ljust(widths[name]) for name in names).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
