"""Asynchronous requests: `Prefer: respond-async`, idempotency keys, jobs and their tasks, and batches.

Oracle's pages: subsect_161278579295 (sending), subsect_164494900632 (idempotency key), subsect_161252896355 (status),
subsect_161252889998 (result), article_0127092747 (batches).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dealbridge_local.simulators.netsuite import record_service
from dealbridge_local.simulators.netsuite.account import RECORDS_PATH, Account
from dealbridge_local.simulators.netsuite.errors import Refusal, invalid_content, invalid_parameter, nonexistent
from dealbridge_local.simulators.netsuite.fields import RecordType
from dealbridge_local.simulators.netsuite.record_types import record_type
from dealbridge_local.simulators.netsuite.writes import Handling
from dealbridge_local.simulators.wire import Request, Response

ASYNC_PATH = "/services/rest/async/v1/job"

_APPLIED = ("Preference-Applied", "respond-async")
_MAX_BATCH = 100
_BATCH_METHODS = {"POST", "PATCH", "PUT"}


@dataclass
class _Job:
    id: str
    submitted: str
    results: list[Response]
    polls: int = 0
    ended: str = ""


class Jobs:
    """The account's asynchronous jobs. A job has done its work when it is accepted, and admits it some polls later."""

    def __init__(self, account: Account, polls_until_done: int) -> None:
        self._account = account
        self._polls_until_done = polls_until_done
        self._jobs: dict[str, _Job] = {}
        self._keys: dict[str, str] = {}

    def submitted(self, request: Request) -> Response | None:
        """The answer to an asynchronous request; None for a synchronous one, whose idempotency key is ignored."""
        preferences = request.headers.get("prefer", "").lower()
        kind = self._batched(request)
        if "respond-async" not in preferences:
            if kind is not None:
                raise Refusal(400, "INVALID_REQUEST", "Batch operations are asynchronous.", header="Prefer")
            return None
        key = request.headers.get("x-netsuite-idempotency-key")
        if key is not None and key in self._keys:
            refusal = Refusal(
                400,
                "IDEMPOTENCY_ERROR",
                "A request with the same idempotency key is already submitted. "
                'See the "Location" header for a link to the previously submitted job',
                title="Conflict",
            )
            return refusal.response(_APPLIED, ("Location", self._href(self._keys[key])))
        job = self._accepted(request, kind)
        if key is not None:
            self._keys[key] = job.id
        return Response(202, headers=(_APPLIED, ("Location", self._href(job.id))))

    def answer(self, request: Request) -> Response:
        parts = request.path.removeprefix(f"{ASYNC_PATH}/").strip("/").split("/")
        job = self._jobs.get(parts[0])
        if job is None or request.method != "GET":
            raise nonexistent()
        match parts[1:]:
            case []:
                job.polls += 1
                if job.polls > self._polls_until_done:
                    job.ended = job.ended or self._account.now()
                return Response.of(200, self._job(job))
            case ["task"]:
                tasks = [self._link("self", job.id, "task", str(number + 1)) for number in range(len(job.results))]
                items = [{"links": tasks}]
                return Response.of(200, {"links": [self._link("self", job.id, "task")], "count": 1, "items": items})
            case ["task", number, *rest] if number.isdecimal() and 1 <= int(number) <= len(job.results):
                return self._task(job, int(number), rest)
            case _:
                raise nonexistent()

    def _task(self, job: _Job, number: int, rest: list[str]) -> Response:
        result = job.results[int(number) - 1]
        if rest == ["result"]:
            if not job.ended:
                raise nonexistent()
            return result
        if rest:
            raise nonexistent()
        links = [
            self._link("related", job.id, "task", str(number), "result"),
            self._link("self", job.id, "task", str(number)),
        ]
        body: dict[str, Any] = {"links": links, "completed": bool(job.ended), "id": str(number)}
        body |= {"progress": _progress([result], done=bool(job.ended)), "startTime": job.submitted}
        return Response.of(200, {**body, **({"endTime": job.ended} if job.ended else {})})

    def _job(self, job: _Job) -> dict[str, Any]:
        return {
            "links": [self._link("self", job.id)],
            "completed": bool(job.ended),
            "id": job.id,
            "progress": _progress(job.results, done=bool(job.ended)),
            "task": {"links": [self._link("self", job.id, "task")]},
        }

    def _accepted(self, request: Request, kind: RecordType | None) -> _Job:
        if kind is None:
            results = [_outcome(partial(record_service.answer, self._account, request))]
        else:
            results = self._batch(kind, request)
        job = _Job(str(len(self._jobs) + 1), self._account.now(), results)
        self._jobs[job.id] = job
        return job

    def _batched(self, request: Request) -> RecordType | None:
        """The type that a batch request is about, None for a request about one record."""
        kind = record_type(request.path.removeprefix(f"{RECORDS_PATH}/").strip("/"))
        if kind is None:
            return None
        media = request.headers.get("content-type", "").replace(" ", "")
        if request.method in _BATCH_METHODS and media.startswith(
            "application/vnd.oracle.resource+json;type=collection"
        ):
            return kind
        return kind if request.method == "DELETE" else None

    def _batch(self, kind: RecordType, request: Request) -> list[Response]:
        """Items in order, each on its own: one that is refused does not undo the others."""
        if request.method == "DELETE":
            named = [part.strip() for part in request.params.get("ids", "").split(",") if part.strip()]
            if not named:
                raise invalid_parameter("The ids parameter is required.", "ids")
            return [_outcome(partial(self._deleted, kind, each)) for each in named]
        body = record_service.body_of(request)
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list) or not items:
            raise invalid_content("A batch is an object with an array of items.", "items")
        if len(items) > _MAX_BATCH:
            raise invalid_content(f"A batch takes at most {_MAX_BATCH} records.", "items")
        return [_outcome(partial(self._written, kind, request, item)) for item in items]

    def _deleted(self, kind: RecordType, address: str) -> Response:
        record_service.remove(self._account, kind, self._account.find(kind.name, address))
        return Response(204)

    def _written(self, kind: RecordType, request: Request, item: Any) -> Response:
        if not isinstance(item, dict):
            raise invalid_content("An item of a batch is an object.")
        handling = Handling.of(request)
        values = {name: value for name, value in item.items() if name != "id"}
        if request.method == "POST":
            record = record_service.write(self._account, kind, values, None, handling)
        elif request.method == "PUT":
            if not item.get("externalId"):
                raise invalid_content("An upsert needs an externalId.", "externalId")
            record = record_service.upsert(self._account, kind, str(item["externalId"]), values, handling)
        else:
            # The internal id takes precedence where both are given (article_0127092747).
            address = str(item["id"]) if item.get("id") is not None else f"eid:{item.get('externalId', '')}"
            held = self._account.find(kind.name, address)
            record = record_service.write(self._account, kind, values, held, handling)
        location = "Location", self._account.link(kind.name, record["id"])
        return Response(204, headers=(location, *handling.headers()))

    def _href(self, *parts: str) -> str:
        return self._account.url(ASYNC_PATH, *parts)

    def _link(self, rel: str, *parts: str) -> dict[str, str]:
        return {"rel": rel, "href": self._href(*parts)}


def _outcome(act: Callable[[], Response]) -> Response:
    try:
        return act()
    except Refusal as refusal:
        return refusal.response()


def _progress(results: list[Response], *, done: bool) -> str:
    if not done:
        return "pending"
    return "failed" if any(result.status >= 400 for result in results) else "succeeded"
