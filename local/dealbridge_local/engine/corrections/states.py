"""Step Functions: starting, evaluating, retrying, timing out."""

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import json_response, now_iso
from ministack.services import stepfunctions as sfn

from dealbridge_local.engine.corrections.wrapping import wrap

Original = Callable[..., Any]
State = Mapping[str, Any]


def apply() -> None:
    wrap(sfn, "_start_execution", ("data",), start_once)
    wrap(sfn, "_run_execution", ("exec_arn",), run_within_the_timeout)
    wrap(sfn, "_fail_execution", ("execution", "error", "cause"), fail_only_what_runs)
    wrap(sfn, "_find_matching_retrier", ("retriers", "error", "retry_counts"), back_off_as_written)
    wrap(sfn, "_error_matches", ("error_equals", "error"), never_catch_the_uncatchable)
    wrap(sfn, "_invoke_resource", ("resource", "input_data"), hold_the_payload_limit)
    wrap(sfn, "_apply_state_assign", ("state_def", "raw_input", "ctx", "result", "error_output"), assign_all_at_once)
    wrap(sfn, "_run_sub_machine", ("states", "start_at", "input_data", "execution", "ctx"), keep_branches_apart)
    wrap(sfn, "_run_parallel_branches", ("state_def", "raw_input", "execution", "ctx"), run_parallel)
    wrap(sfn, "_apply_output_path", ("state_def", "data", "ctx"), give_the_output_of_succeed)
    wrap(sfn, "_execute_choice", ("state_def", "raw_input", "ctx"), give_the_output_of_the_default_choice)


def _is_jsonata(state: State, context: Any) -> bool:
    return bool(sfn._state_query_language(state, context) == "JSONata")


# One execution per name ----------------------------------------------------------------------------------------------


def start_once(start: Original, data: Mapping[str, Any]) -> Any:
    """The same name with the same input, while it runs, is answered with the execution that runs.

    API reference, StartExecution: "If StartExecution is called with the same name and input as a running execution,
    the call succeeds and returns the same response as the original request." MiniStack refuses it.
    """
    machine = sfn._state_machines.get(sfn._resolve_state_machine_arn(data.get("stateMachineArn", "")) or "")
    if machine and data.get("name"):
        arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:") + f":{data['name']}"
        running = sfn._executions.get(arn)
        if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
            return json_response({"executionArn": arn, "startDate": running["startDate"]})
    return start(data)


def run_within_the_timeout(run: Original, execution_arn: str) -> None:
    """A machine's own ``TimeoutSeconds`` ends its execution as ``TIMED_OUT``; MiniStack knows no such status."""
    execution = sfn._executions.get(execution_arn)
    machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
    limit = _timeout_s(machine["definition"]) if machine else None
    if limit is None:
        run(execution_arn)
        return
    timer = threading.Timer(limit, _time_out, (execution,))
    timer.daemon = True
    timer.start()
    try:
        run(execution_arn)
    finally:
        timer.cancel()


def _timeout_s(definition: str) -> float | None:
    try:
        limit = json.loads(definition).get("TimeoutSeconds")
    except (json.JSONDecodeError, AttributeError):
        return None
    return float(limit) if isinstance(limit, int | float) else None


def _time_out(execution: dict[str, Any]) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = now_iso()
    sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    sfn._emit_execution_status_event(execution)


def fail_only_what_runs(fail: Original, execution: Mapping[str, Any], error: str, cause: str) -> None:
    """An execution that was aborted or timed out keeps that status when its task fails afterwards."""
    if execution["status"] == "RUNNING":
        fail(execution, error, cause)


# Retry and Catch -----------------------------------------------------------------------------------------------------


def back_off_as_written(find: Original, retriers: Any, error: str, retry_counts: Mapping[int, int]) -> Any:
    """``MaxDelaySeconds`` and ``JitterStrategy: FULL``, which MiniStack ignores.

    The caller computes ``IntervalSeconds * BackoffRate ** count``, so the delay is handed over as an interval that
    does not grow. MiniStack cuts every delay at 60 seconds; that stays.
    """
    retrier, index = find(retriers, error, retry_counts)
    if retrier is None:
        return retrier, index
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retry_counts.get(index, 0)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    if retrier.get("JitterStrategy") == "FULL":
        delay = random.uniform(0, delay)
    return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index


_UNCATCHABLE = ("States.DataLimitExceeded", "States.Runtime")


def never_catch_the_uncatchable(matches: Original, error_equals: list[str], error: str) -> bool:
    """Neither ``States.ALL`` nor ``States.TaskFailed`` catches these two (developer guide, "Handling errors")."""
    if error in _UNCATCHABLE:
        return error in error_equals
    return bool(matches(error_equals, error))


PAYLOAD_LIMIT = 256 * 1024


def hold_the_payload_limit(invoke: Original, resource: str, arguments: Any) -> Any:
    """What goes into or comes out of a task is at most 256 KiB ("Step Functions service quotas")."""
    _refuse_beyond_the_limit(arguments, "The input of", resource)
    result = invoke(resource, arguments)
    _refuse_beyond_the_limit(result, "The output of", resource)
    return result


def _refuse_beyond_the_limit(payload: Any, which: str, resource: str) -> None:
    size = len(json.dumps(payload, ensure_ascii=False).encode())
    if size > PAYLOAD_LIMIT:
        cause = f"{which} {resource} is {size} bytes, which exceeds the maximum of {PAYLOAD_LIMIT} bytes."
        raise sfn._ExecutionError("States.DataLimitExceeded", cause)


# JSONata states ------------------------------------------------------------------------------------------------------


def assign_all_at_once(
    assign: Original, state: State, state_input: Any, context: Any, result: Any = None, error_output: Any = None
) -> None:
    """Every expression of an ``Assign`` sees the variables as they were when the state was entered.

    Developer guide, "Passing data between states with variables", evaluation order. MiniStack evaluates one after the
    other, so that the second expression sees what the first one assigned.
    """
    if context is None or not _is_jsonata(state, context) or not isinstance(state.get("Assign"), dict):
        return
    assigned = {
        name: sfn._apply_jsonata_template(value, state_input, context, result=result, error_output=error_output)
        for name, value in state["Assign"].items()
    }
    context.setdefault("variables", {}).update(assigned)


def keep_branches_apart(
    run: Original, states: Any, start_at: Any, branch_input: Any, execution: Any, context: dict[str, Any]
) -> Any:
    """A branch reads the variables around it, and what it assigns is gone when it ends (same page, "Scope").

    MiniStack shares one dictionary among the branches, the current state's name included.
    """
    own = {**context, "variables": dict(context.get("variables", {}))}
    return run(states, start_at, branch_input, execution, own)


def run_parallel(run: Original, state: State, state_input: Any, execution: Any, context: Any) -> Any:
    """``Arguments``, ``Output`` and ``Assign`` of a JSONata ``Parallel``, which MiniStack passes over."""
    if not _is_jsonata(state, context):
        return run(state, state_input, execution, context)
    branch_input = sfn._apply_jsonata_arguments(state, state_input, context)
    results, following = run(state, branch_input, execution, context)
    output = sfn._apply_jsonata_output(state, state_input, context, result=results, default=results)
    sfn._apply_state_assign(state, state_input, context, result=results)
    return output, following


def give_the_output_of_succeed(apply_path: Original, state: State, data: Any, context: Any = None) -> Any:
    """``Output`` of a JSONata ``Succeed``, which MiniStack passes over."""
    if state.get("Type") == "Succeed" and _is_jsonata(state, context):
        return sfn._apply_jsonata_output(state, data, context, default=data)
    return apply_path(state, data, context)


def give_the_output_of_the_default_choice(choose: Original, state: State, state_input: Any, context: Any = None) -> Any:
    """The ``Output`` of a JSONata ``Choice`` itself holds when no rule matches; MiniStack passes over it."""
    if "Output" not in state or not _is_jsonata(state, context):
        return choose(state, state_input, context)
    rules = state.get("Choices", [])
    if any(sfn._evaluate_jsonata_choice_rule(rule, state_input, context) for rule in rules):
        return choose(state, state_input, context)
    output = sfn._apply_jsonata_output(state, state_input, context)
    _, following = choose(state, state_input, context)
    return output, following
