"""What a fresh process pays for a function; run by cold.py as a program of its own, with a Lambda function's own path.

Arguments: the function's folder, its event ("-": import only), and the folders of the import path. Prints one JSON
object. Stands on the standard library alone: what it imports itself must not count.
"""

import json
import resource
import sys
import time
from collections import Counter
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Any) -> tuple[float, float, Any]:
    """Milliseconds by the clock and of the processor, and what came of it."""
    clock, processor = time.perf_counter(), processor_seconds()
    result = work()
    return (time.perf_counter() - clock) * 1000, (processor_seconds() - processor) * 1000, result


def main() -> None:
    folder, given, *path = sys.argv[1:]
    sys.path[:] = path
    if folder == "boto3":
        print(json.dumps(_boto3()))
        return
    sys.path.insert(0, folder)
    clock, processor, app = timed(lambda: __import__("app"))
    imported = set(sys.modules)
    result: dict[str, Any] = {"import_ms": clock, "import_cpu_ms": processor, "modules": len(imported)}
    if given == "-":
        print(json.dumps(result))
        return
    calls, event = _counted_calls(), json.loads(given)
    context = SimpleNamespace(
        function_name=PurePath(folder).name,
        aws_request_id="bench",
        invoked_function_arn="",
        memory_limit_in_mb=512,
        get_remaining_time_in_millis=lambda: 60_000,
    )
    for name in ("first", "second"):
        if name == "second" and PurePath(folder).name == "poll_crm":
            time.sleep(1)  # HubSpot allows five searches a second
        calls.clear()
        clock, processor, answer = timed(lambda: app.handler(event, context))
        result.setdefault("answer", answer)
        result |= {f"{name}_ms": clock, f"{name}_cpu_ms": processor, f"{name}_calls": dict(calls)}
    result["lazy_modules"] = len(set(sys.modules) - imported)
    sys.stdout.flush()
    print(f"\n{json.dumps(result)}")


def _boto3() -> dict[str, float]:
    def work() -> None:
        import boto3

        boto3.client("dynamodb")

    clock, processor, _ = timed(work)
    return {"import_ms": clock, "import_cpu_ms": processor}


def _counted_calls() -> Counter[str]:
    """How often each AWS operation is called from here on."""
    import botocore.session

    calls: Counter[str] = Counter()
    session = botocore.session.get_session()

    def note(**given: Any) -> None:
        model = given["model"]
        calls[f"{model.service_model.service_name}.{model.name}"] += 1

    session.register("before-call", note)
    # Every client of the process comes from the session that is asked for here (dealbridge/aws.py).
    botocore.session.get_session = lambda *_: session
    return calls


if __name__ == "__main__":
    main()
