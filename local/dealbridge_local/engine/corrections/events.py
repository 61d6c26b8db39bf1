"""EventBridge: partner events, and rules whose target is a function."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import json_response, new_uuid
from ministack.services import eventbridge, lambda_svc

from dealbridge_local.engine.corrections.wrapping import wrap

Original = Callable[..., Any]


def apply() -> None:
    wrap(eventbridge, "_put_partner_events", ("data",), deliver_partner_events)
    wrap(eventbridge, "_dispatch_to_lambda", ("arn", "payload"), invoke_asynchronously)


def deliver_partner_events(put: Original, data: Mapping[str, Any]) -> Any:
    """A partner's event goes to the bus that carries the name of its source.

    API reference, PutPartnerEvents and CreateEventBus: a partner event bus has the name of its partner event source.
    MiniStack accepts the events and drops them. An event without such a bus is accepted and lost, as on AWS while the
    source is pending.
    """
    results = []
    for entry in data.get("Entries", []):
        if entry.get("Source") not in eventbridge._event_buses:
            results.append({"EventId": new_uuid()})
            continue
        addressed = {**entry, "EventBusName": entry["Source"]}
        _, _, body = eventbridge._put_events({"Entries": [addressed]}, allow_aws_source=True)
        results += json.loads(body)["Entries"]
    failed = sum("ErrorCode" in result for result in results)
    return json_response({"FailedEntryCount": failed, "Entries": results})


def invoke_asynchronously(dispatch: Original, arn: str, payload: str) -> None:
    """A rule invokes its function asynchronously: two more attempts, then the function's failure destination.

    Lambda developer guide, "Invoking a Lambda function asynchronously". MiniStack calls it once and forgets a failure.
    """
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        dispatch(arn, payload)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))
