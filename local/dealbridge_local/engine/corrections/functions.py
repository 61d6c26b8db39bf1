"""Lambda: error names, the worker's import path, layers, and concurrency."""

import hashlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, stepfunctions

from dealbridge_local.engine.corrections.wrapping import replace_once, wrap

Original = Callable[..., Any]

MAX_WORKERS = "DEALBRIDGE_ENGINE_WORKERS"
"""Environment variable: worker processes kept alive in all, idle ones included."""

WAIT_FOR_SLOT_S = 60.0


def apply() -> None:
    lambda_runtime._PYTHON_WORKER_SCRIPT = worker_script(lambda_runtime._PYTHON_WORKER_SCRIPT)
    wrap(lambda_runtime.Worker, "_spawn", ("self",), spawn_with_shared_layers)
    wrap(
        lambda_runtime.Worker,
        "invoke",
        ("self", "event", "request_id", "trace_id", "depth", "durable", "invoked_function_arn"),
        report_as_the_python_runtime_does,
    )
    wrap(lambda_svc, "_execute_function_warm", ("func", "event", "request_id"), name_the_error)
    wrap(lambda_svc, "_acquire_execution_slot", ("func", "config"), wait_for_a_slot)
    wrap(lambda_svc, "_release_execution_slot", ("key",), tell_who_waits)
    wrap(
        lambda_svc,
        "acquire_worker",
        ("func_name", "config", "code_zip", "qualifier", "max_concurrency"),
        retire_idle_workers,
    )
    wrap(stepfunctions, "_call_lambda", ("func_ref", "event"), name_a_throttled_call)


# What a handler raises -----------------------------------------------------------------------------------------------

# AWS reports a raised exception by its class name, unqualified, and Step Functions matches ErrorEquals against it
# (Lambda developer guide, "Python function errors"). MiniStack reports every one as Runtime.HandlerError, and kills the
# worker, so that each retry pays a cold start which AWS does not charge. The worker therefore answers "ok" with the
# error described beside it; `report_as_the_python_runtime_does` turns that into an error again, outside MiniStack's
# reach. The names of the runtime's own errors are those of awslambdaric (bootstrap.py, lambda_runtime_exception.py).
_PRELUDE = """
import sys
_aws_only = {only_stdlib_and_boto3!r}
sys.path[:] = _aws_only


def _aws_error(name, error, request_id, frames=()):
    import traceback
    return {{
        "errorMessage": str(error),
        "errorType": name,
        "requestId": request_id,
        "stackTrace": traceback.format_list(list(frames)),
    }}


def _aws_raised(error, request_id):
    import json, traceback
    frames = traceback.extract_tb(error.__traceback__)[1:]
    described = _aws_error(type(error).__name__, error, request_id, frames)
    trace = "[ERROR] " + "".join(traceback.format_exception(error))
    return json.dumps({{"status": "ok", "result": None, "raised": described, "trace": trace}})


def _aws_answered(result, request_id):
    import json
    try:
        return json.dumps({{"status": "ok", "result": result}})
    except (TypeError, ValueError) as error:
        message = "Unable to marshal response: " + str(error)
        raised = _aws_error("Runtime.MarshalError", message, request_id)
        return json.dumps({{"status": "ok", "result": None, "raised": raised, "trace": "[ERROR] " + message}})


def _aws_not_loaded(error, module, handler):
    import traceback
    if isinstance(error, ImportError):
        name, error = "Runtime.ImportModuleError", "Unable to import module %r: %s" % (module, error)
    elif isinstance(error, SyntaxError):
        name, error = "Runtime.UserCodeSyntaxError", "Syntax error in module %r: %s" % (module, error)
    elif isinstance(error, AttributeError) and "has no attribute %r" % handler in str(error):
        name, error = "Runtime.HandlerNotFound", "Handler %r missing on module %r" % (handler, module)
    else:
        name = type(error).__name__
    return _aws_error(name, error, "", ())

"""


def worker_script(script: str) -> str:
    """MiniStack's Python worker, answering as AWS's Python runtime does and seeing only what is there on AWS."""
    if "_aws_only" in script:
        return script
    what = "lambda_runtime._PYTHON_WORKER_SCRIPT"
    for old, new in (
        (
            r'json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})',
            "_aws_raised(e, context.aws_request_id)",
        ),
        (r'json.dumps({"status": "ok", "result": result})', "_aws_answered(result, context.aws_request_id)"),
        (
            r'json.dumps({"status": "error", "error": str(e)})',
            'json.dumps({"status": "error", "error": json.dumps(_aws_not_loaded(e, module_name, handler_name))})',
        ),
    ):
        script = replace_once(script, old, new, what)
    return _PRELUDE.format(only_stdlib_and_boto3=lambda_import_path()) + script


class Reported(str):
    """An error message that carries the whole error object to the place where MiniStack would name it."""

    payload: dict[str, Any]

    def __new__(cls, payload: dict[str, Any]) -> "Reported":
        message = super().__new__(cls, payload["errorMessage"])
        message.payload = payload
        return message


def report_as_the_python_runtime_does(
    invoke: Original, worker: Any, event: Any, request_id: str, **invocation: Any
) -> dict[str, Any]:
    """Class names for raised exceptions, ``Runtime.ExitError`` for a process that ended before it answered.

    A worker that cannot be started fails the invocation that it was started for. MiniStack ends all workers of the
    function instead, those at work included, so that one crash becomes as many as there are invocations.
    """
    try:
        answer: dict[str, Any] = invoke(worker, event, request_id, **invocation)
    except RuntimeError as error:
        return {"status": "error", "error": _not_started(str(error), worker, request_id)}
    if raised := answer.pop("raised", None):
        return {**answer, "status": "error", "error": Reported(raised)}
    timed_out = lambda_svc._RIE_TIMEOUT_TEXT_RE.fullmatch(str(answer.get("error", "")))
    if answer.get("status") == "error" and not timed_out:
        # All that is left: MiniStack wrote to or read from a process that was gone.
        answer["error"] = _exited(worker, request_id)
    return answer


def _not_started(message: str, worker: Any, request_id: str) -> str:
    if message.startswith(_NOT_LOADED):
        return Reported({**json.loads(message.removeprefix(_NOT_LOADED)), "requestId": request_id})
    if message.startswith(_GONE_AT_START):
        worker.spawned.wait(_GONE_WITHIN_S)
        return _exited(worker, request_id)
    return message


def _exited(worker: Any, request_id: str) -> Reported:
    message = f"RequestId: {request_id} Error: {_exit_reason(getattr(worker, 'spawned', None))}"
    return Reported({"errorType": "Runtime.ExitError", "errorMessage": message})


def _exit_reason(process: Any) -> str:
    code = process.returncode if process is not None else None
    if code is None or code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        names = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGTERM: "terminated"}
        return f"Runtime exited with error: signal: {names.get(signal.Signals(-code), signal.Signals(-code).name)}"
    return f"Runtime exited with error: exit status {code}"


_NOT_LOADED = "Worker init failed: "
_GONE_AT_START = "Worker process exited immediately."
_GONE_WITHIN_S = 2.0
"""So long a process that has closed its output may take to end."""


def name_the_error(execute: Original, func: Any, event: Any, request_id: str) -> dict[str, Any]:
    """The error object as the runtime wrote it, instead of MiniStack's ``Runtime.HandlerError``."""
    answer: dict[str, Any] = execute(func, event, request_id)
    body = answer.get("body")
    if not answer.get("error") or not isinstance(body, dict):
        return answer
    message = body.get("errorMessage", "")
    if isinstance(message, Reported):
        answer["body"] = message.payload
    return answer


def name_a_throttled_call(call: Original, func_ref: Any, event: Any) -> Any:
    """A throttled Lambda task fails as ``Lambda.TooManyRequestsException``; MiniStack calls it ``Lambda.Unknown``."""
    try:
        return call(func_ref, event)
    except stepfunctions._ExecutionError as error:
        if error.error == "Lambda.Unknown" and "TooManyRequestsException" in error.cause:
            raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", error.cause) from None
        raise


# What a function can import ------------------------------------------------------------------------------------------

# On AWS a function sees the standard library, the runtime's boto3, its layers and its own code. MiniStack's worker
# sees the whole virtual environment it was started from, where every dependency is installed: a layer that lacks one
# would work on the laptop and fail on AWS.
_IN_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


def lambda_import_path() -> list[str]:
    """The standard library, and a folder with links to the packages that AWS's Python runtime brings."""
    standard_library = Path(os.__file__).parent
    return [str(standard_library), str(standard_library / "lib-dynload"), str(_runtime_packages())]


def _runtime_packages() -> Path:
    # A folder for each virtual environment: one that is removed takes nothing from the engines of another.
    environment = hashlib.sha256(sys.prefix.encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"lambda-runtime-{environment}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _IN_THE_RUNTIME:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{name}: needed for the local Lambda runtime; install the development packages")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = folder / source.name
        if not link.is_symlink() or link.readlink() != source:
            # Replaced in one stroke: other processes make the same links, and import through them.
            new = folder / f"{source.name}.{uuid4().hex}"
            new.symlink_to(source)
            new.replace(link)
    return folder


# Layers --------------------------------------------------------------------------------------------------------------


def spawn_with_shared_layers(spawn: Original, worker: Any) -> None:
    """Start a worker on layers that are unpacked once for all workers, as AWS mounts them at /opt.

    MiniStack unpacks every layer for every worker process: 30 MB of files each, and no compiled module is ever found
    again, so that a cold start compiles pydantic, httpx and the rest from source.
    """
    config = worker.config
    worker.config = _on_shared_layers(config)
    try:
        spawn(worker)
    finally:
        worker.spawned = worker._proc
        worker.config = config


def _on_shared_layers(config: Mapping[str, Any]) -> Mapping[str, Any]:
    layers = config.get("Layers") or []
    if not layers or not str(config.get("Runtime", "")).startswith("python"):
        return config
    archives = [lambda_svc._resolve_layer_zip(layer) for layer in layers]
    folders = [str(_unpacked(archive)) for archive in archives if archive]
    variables = (config.get("Environment") or {}).get("Variables") or {}
    # The worker script reads this variable after it has taken over the function's environment.
    variables = {**variables, "_LAMBDA_LAYERS_DIRS": os.pathsep.join(folders)}
    return {**config, "Layers": [], "Environment": {"Variables": variables}}


_unpacking = threading.Lock()


def _unpacked(archive: bytes) -> Path:
    folder = Path(tempfile.gettempdir()) / "layers" / hashlib.sha256(archive).hexdigest()[:16]
    with _unpacking:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=folder.parent))
            with zipfile.ZipFile(BytesIO(archive)) as packed:
                packed.extractall(partial)
            partial.rename(folder)
    return folder


# How many at once ----------------------------------------------------------------------------------------------------

_slot_freed = threading.Condition()


def wait_for_a_slot(acquire: Original, func: Any, config: Any) -> Any:
    """Wait when the *account's* concurrency is used up; a function's own reserved concurrency still throttles at once.

    The account limit here is set low to spare the laptop's memory (24 where AWS gives 1,000), so it must not produce
    throttles that AWS would not. The wait is bounded: a handler that calls its own function would wait for itself.
    """
    give_up = time.monotonic() + WAIT_FOR_SLOT_S
    with _slot_freed:
        while True:
            slot, limit = acquire(func, config)
            left = give_up - time.monotonic()
            if limit != "account" or left <= 0:
                if limit:
                    _slot_freed.notify()  # The slot for which this one was woken is free for another.
                return slot, limit
            _slot_freed.wait(left)


def tell_who_waits(release: Original, key: Any) -> None:
    """Wake the one that waits longest. A storm of events has a thousand waiting: to wake all of them for each slot is
    more work for the engine than the invocations."""
    release(key)
    with _slot_freed:
        _slot_freed.notify()


def retire_idle_workers(acquire: Original, *args: Any, **kwargs: Any) -> Any:
    """End the workers that were idle longest when a new one would exceed the ceiling.

    MiniStack keeps a pool for each function and limits only how many run at once, so a burst that passes through
    twelve functions leaves twelve pools behind, at 30 to 60 MB a process.
    """
    worker, how = acquire(*args, **kwargs)
    if how == "spawn":
        ceiling = int(os.environ.get(MAX_WORKERS, "64"))
        with lambda_runtime._lock:
            idle = [(pool, each) for pool in lambda_runtime._workers.values() for each in pool if not each.in_use]
            excess = sum(map(len, lambda_runtime._workers.values())) - ceiling
            retired = sorted(idle, key=lambda pair: pair[1].last_used)[: max(0, excess)]
            for pool, each in retired:
                pool.remove(each)
        lambda_runtime.kill_workers([each for _, each in retired])
    return worker, how
