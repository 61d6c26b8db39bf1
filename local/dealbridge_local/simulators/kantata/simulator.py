"""Kantata OX (Mavenlink), API v1, as one account sees it (developer.kantata.com; OpenAPI document of 2026-08)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from dealbridge_local.simulators.faults import FaultError
from dealbridge_local.simulators.kantata import (
    actuals,
    billing,
    custom_fields,
    directory,
    events,
    participations,
    references,
    staffing,
    submissions,
    tasks,
    workspaces,
    writing,
)
from dealbridge_local.simulators.kantata.limits import Limits, Meter, too_many
from dealbridge_local.simulators.kantata.listing import envelope, present, read_list, read_one
from dealbridge_local.simulators.kantata.oauth import OAuth
from dealbridge_local.simulators.kantata.people import ACTIONS, ADMINISTRATOR, APPROVER, CONSULTANTS, MANAGERS, People
from dealbridge_local.simulators.kantata.refusals import RefusalError, invalid_token, missing
from dealbridge_local.simulators.kantata.resource import Resource
from dealbridge_local.simulators.kantata.tenant import Switches, Tenant
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for module in (
        directory,
        custom_fields,
        references,
        workspaces,
        participations,
        tasks,
        billing,
        staffing,
        actuals,
        submissions,
        events,
    )
    for resource in module.RESOURCES
}

_API = "/api/v1/"
_SUBMISSIONS = ("timesheet_submissions", "expense_report_submissions")


class KantataSimulator(Simulator):
    """One Kantata account, its application's token signed in as the account administrator (user 10).

    What the vendor's documents leave open is a switch:

    - `string_model_ref_filter`: whether lists match `external_reference_service_model_ref` against any string; the
      document types it as an integer, and without the switch a value that is none matches nothing.
    - `references_on_requests`: whether resource requests carry external references and are filtered by them; the
      document has neither, and without the switch both are ignored, silently.
    - `foreign_keys_always`: whether single foreign keys are shown without an `include`. The document says never;
      an integrator reads `custom_field_id` without one.
    - `creator_role_required`: the section Errors shows it refused when absent, the reference has a default.

    What an account can have or lack: `events_add_on`, `limits`, `event_lags_s` (seconds by which events come late,
    taken in turn, so that they overtake one another) and `duplicate_events`.
    """

    name = "kantata"
    api_version = "v1"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        token: str | None = None,
        limits: Limits | None = None,
        string_model_ref_filter: bool = False,
        references_on_requests: bool = False,
        foreign_keys_always: bool = False,
        creator_role_required: bool = True,
        events_add_on: bool = True,
        event_lags_s: Sequence[float] = (0.0,),
        duplicate_events: bool = False,
    ) -> None:
        self._switches = Switches(
            string_model_ref_filter=string_model_ref_filter,
            references_on_requests=references_on_requests,
            foreign_keys_always=foreign_keys_always,
            creator_role_required=creator_role_required,
            events_add_on=events_add_on,
            event_lags_s=tuple(event_lags_s),
            duplicate_events=duplicate_events,
        )
        self._limits = limits or Limits()
        self._resources = _with_references(RESOURCES) if references_on_requests else RESOURCES
        self._answered = 0
        self.oauth = OAuth(lambda: self.clock(), ADMINISTRATOR)
        self.token = self.oauth.grant(ADMINISTRATOR, token)
        self.people = People(self.as_user)
        super().__init__(clock)

    def seed(self) -> None:
        self.tenant = Tenant(self.store, self.clock, self._resources, self._switches)
        self._meter = Meter(self._limits)
        self.oauth.grant(ADMINISTRATOR, self.token)
        _seed(self.tenant)

    def credentials(self) -> dict[str, str]:
        """`base_url` is the API's origin, as https://api.mavenlink.com; the paths begin with /api/v1."""
        return {"base_url": self.base_url, "token": self.token}

    def expire_tokens(self) -> None:
        """Tokens do not expire here; this is an administrator who revokes the application's access. See `renew_token`.

        A reset of the simulator gives the old token back its life.
        """
        self.oauth.revoke_all()

    def renew_token(self) -> str:
        """The administrator shows a new token on the application's page."""
        self.token = self.oauth.grant(ADMINISTRATOR)
        return self.token

    def disable_user(self, user_id: str) -> None:
        """The account loses a member; tokens of that user die at once."""
        with self.lock, self.store.call():
            self.store.change("users", user_id, _disabled=True)

    def show(self, kind: str, record: Record) -> Any:
        resource = self._resources[kind]
        return present(self.tenant, resource, record, tuple(resource.associations), resource.optional)

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        """A subscribed event for a record: `{"type": "workspace:updated", "id", "duplicate"?, "delay_s"?}`."""
        prefix, separator, _ = str(event.get("type")).partition(":")
        resource = next((each for each in self._resources.values() if each.event and each.event == prefix), None)
        if resource is None or not separator:
            raise FaultError(f"type: {event.get('type')!r} is no event type, such as workspace:updated")
        record = self.tenant.get(resource.name, str(event.get("id")))
        if record is None:
            raise FaultError(f"id: no {resource.name} has the id {event.get('id')!r}")
        with self.store.call():
            made = [
                self.tenant.add_event(
                    str(event["type"]),
                    None,
                    resource.subject,
                    record["id"],
                    self.tenant.now(),
                    float(event.get("delay_s") or 0),
                    {},
                )
                for _ in range(2 if event.get("duplicate") else 1)
            ]
        return {"ids": [each["id"] for each in made]}

    def act(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the account's people do: a method of `People` by name, with its arguments; the id of what was made."""
        do = getattr(self.people, action, None) if action in ACTIONS else None
        if do is None:
            raise FaultError(f"{action!r} is no action; there are {', '.join(ACTIONS)}")
        try:
            return {"id": do(**given)}
        except TypeError as error:
            raise FaultError(f"{action}: {error}") from error
        except RefusalError as refusal:
            raise FaultError("; ".join(each["message"] for each in refusal.errors)) from refusal

    def error_page(self, status: int) -> Response | None:
        """The API's own words for a status that a fault injects; a page of its proxy's for a gateway's."""
        if status == 429:
            return too_many()
        if status in (502, 504):
            return Response.text(status, f"<html><body><h1>{status}</h1></body></html>", media="text/html")
        if status == 401:
            return invalid_token().response()
        message = "Service is unavailable" if status == 503 else f"HTTP {status}"
        return RefusalError(status, {"type": "system", "message": message}).response()

    def as_user(self, user_id: str, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One API call as this user, past faults, limits and the call log. Raises RefusalError where it is refused."""
        target = urlsplit(path)
        content = json.dumps(body).encode() if body else b""
        request = Request(method, _API + target.path, target.query, {"content-type": "application/json"}, content)
        with self.lock, self.store.call():
            user = self.tenant.get("users", user_id)
            if user is None:
                raise missing()
            response = self._route(request, user)
        return json.loads(response.body) if response.body else {}

    def answer(self, request: Request) -> Response:
        self._answered += 1
        try:
            response = self._serve(request)
        except RefusalError as refusal:
            response = refusal.response()
        return response.with_headers(("X-Request-Id", f"00000000-0000-4000-8000-{self._answered:012x}"))

    def _serve(self, request: Request) -> Response:
        if request.path.startswith("/oauth/"):
            return self.oauth.answer(request)
        if not request.path.startswith(_API):
            raise missing()
        refusal = self._meter.refusal(request.method, _parts(request)[0], self.clock())
        if refusal is not None:
            return refusal
        return self._route(request, self.oauth.user(self.tenant, request))

    def _route(self, request: Request, user: Record) -> Response:
        tenant, (collection, *rest) = self.tenant, _parts(request)
        resource = self._resources.get(collection)
        if resource is None:
            raise missing()
        match request.method, rest:
            case "GET", []:
                return read_list(tenant, resource, request.params, user)
            case "GET", ["me"] if collection == "users":
                return envelope(tenant, resource, [user], request.params)
            case "GET", [id_]:
                return read_one(tenant, resource, id_, request.params, user)
            case "POST", []:
                return writing.create(tenant, resource, request, user)
            case "PUT", [id_]:
                return writing.change(tenant, resource, id_, request, user)
            case "DELETE", [id_]:
                return writing.remove(tenant, resource, [id_], user)
            case "DELETE", [] if "ids" in request.params:
                return writing.remove(tenant, resource, request.params["ids"].split(","), user)
            case _:
                return self._act_on(request, user, resource, rest)

    def _act_on(self, request: Request, user: Record, resource: Resource, rest: list[str]) -> Response:
        """The routes beyond the four plain ones."""
        body = writing.read_body(request)
        match request.method, resource.name, rest:
            case "POST", references.NAME, ["create_or_update"]:
                given = body.get("external_reference")
                record = references.create_or_update(self.tenant, user, given if isinstance(given, dict) else {})
                return envelope(self.tenant, resource, [record], request.params)
            case "PUT", "resource_requests", [id_, "update_approver"]:
                given = body.get("resource_request") or {}
                return self._changed(
                    resource, id_, request, lambda record: staffing.change_approver(self.tenant, user, record, given)
                )
            case "PUT", name, [id_, action] if name in _SUBMISSIONS and action in submissions.RESOLUTIONS:
                note = (body.get("resolution") or {}).get("description")
                return self._changed(
                    resource, id_, request, lambda record: submissions.resolve(self.tenant, user, record, action, note)
                )
            case _:
                raise missing()

    def _changed(self, resource: Resource, id_: str, request: Request, act: Callable[[Record], None]) -> Response:
        record = self.tenant.get(resource.name, id_)
        if record is None:
            raise missing()
        with self.store.undone_on_error():
            act(record)
        after = self.tenant.get(resource.name, id_)
        return envelope(self.tenant, resource, [after] if after else [], request.params)


def _parts(request: Request) -> list[str]:
    """The path below /api/v1/, which works with and without `.json`."""
    return request.path.removeprefix(_API).removesuffix(".json").strip("/").split("/")


def _with_references(resources: dict[str, Resource]) -> dict[str, Resource]:
    requests = resources["resource_requests"]
    associations = {**requests.associations, "external_references": references.INCLUDED}
    return {**resources, requests.name: replace(requests, referenced=True, associations=associations)}


def _seed(tenant: Tenant) -> None:
    """A small account: people, roles, expense categories, a project template and two unique custom fields for keys."""
    roles = ("Engagement Manager", "Architect", "Consultant", "Developer", "Trainer", "Support Engineer")
    for number, name in enumerate(roles, start=1):
        tenant.add("roles", None, {"name": name, "deleted_at": None}, id_=str(number))
    people = {
        ADMINISTRATOR: ("Alex Admin", "1"),
        APPROVER: ("Rosa Resourcing", "1"),
        CONSULTANTS[0]: ("Chris Consultant", "3"),
        CONSULTANTS[1]: ("Dana Developer", "4"),
        CONSULTANTS[2]: ("Ari Architect", "2"),
        MANAGERS[0]: ("Mara Lind", "1"),
        MANAGERS[1]: ("Jon Abe", "1"),
        MANAGERS[2]: ("Wei Tan", "1"),
    }
    for id_, (full_name, role_id) in people.items():
        user = {
            "full_name": full_name,
            "email_address": f"{full_name.lower().replace(' ', '.')}@example.com",
            "headline": None,
            "photo_path": None,
            "role_id": role_id,
            "_administrator": id_ == ADMINISTRATOR,
            "_creates_projects": id_ in (ADMINISTRATOR, APPROVER),
            "_disabled": False,
        }
        tenant.add("users", None, user, id_=id_)
    for number, name in enumerate(("Travel", "Mileage", "Lodging", "Food", "Entertainment", "Other"), start=1):
        tenant.add("expense_categories", None, {"name": name, "deleted_at": None}, id_=str(number))
    for id_, name, subject in (("1", "Default Project Set", "Workspace"), ("2", "Default Resource Set", "Resource")):
        tenant.add("custom_field_sets", None, {"name": name, "subject_type": subject}, id_=id_)
    opportunity = {"name": "CRM Opportunity Key", "custom_field_set_id": "1", "_subject_type": "Workspace"}
    staffing = {"name": "CRM Staffing Key", "custom_field_set_id": "2", "_subject_type": "Resource"}
    for id_, field in (("1", opportunity), ("2", staffing)):
        plain = {"value_type": "string", "default_text": None, "unique_constraint": True, "creator_id": ADMINISTRATOR}
        tenant.add("custom_fields", None, {**plain, "read_access": None, "write_access": None, **field}, id_=id_)
    items = (("Kick-off", "task", 0, 1), ("Delivery", "deliverable", 1, 60), ("Acceptance", "milestone", 60, 0))
    template = {
        "title": "Implementation",
        "description": None,
        "currency": "USD",
        "shared": True,
        "is_budgeted": False,
        "item_count": len(items),
        "duration": 60,
        "_items": [dict(zip(("title", "story_type", "after_days", "days"), item, strict=True)) for item in items],
    }
    tenant.add("project_templates", None, template, id_="9")
