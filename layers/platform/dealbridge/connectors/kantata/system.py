"""The port `RecordTarget` of a staffing system, in calls of Kantata's API v1.

A project is a workspace. A staffing request is four things: an unnamed workspace resource, which carries our key and is
what `ExternalRef.id` names; its allocation; and the request to staff it, which carries nothing of ours. The request is
made together with the resource, in one call that the unique custom field lets happen once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from dealbridge.connectors.kantata import mapping
from dealbridge.connectors.kantata.auth import sign_in
from dealbridge.connectors.kantata.outcomes import outcomes
from dealbridge.connectors.kantata.records import (
    API,
    ResourceRequest,
    Workspace,
    WorkspaceAllocation,
    WorkspaceResource,
    included,
    keyed,
    page_count,
    results,
)
from dealbridge.connectors.kantata.settings import Defaults, Options, Secret
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import StaffingProject, StaffingRequest
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.keys import Kind
from dealbridge.domain.plan import FieldChange
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError, RejectedError
from dealbridge.ports import Found, Write
from dealbridge.transport.client import VendorClient, Wire
from dealbridge.transport.mapping import Codes
from dealbridge.transport.outcomes import written

_PAGE = 200


class Kantata:
    """One connection."""

    def __init__(self, connection: Connection, secret: Mapping[str, str], wire: Wire) -> None:
        self._connection = connection.id
        self._options = Options.of(connection)
        self._client = VendorClient(
            connection.id,
            connection.base_url,
            sign_in(Secret.of(connection, secret)),
            outcomes(self._options.throttle_seconds),
            wire,
            headers={"Accept": "application/json"},
        )

    def lag(self, kind: Kind) -> timedelta:
        """Projects and requests bear a unique custom field: Kantata refuses a second one."""
        return timedelta(0)

    def find(self, write: Write) -> Found | None:
        if write.kind is Kind.STAFFING_PROJECT:
            return self._find_project(write)
        return self._find_request(write)

    def create(self, write: Write) -> ExternalRef:
        if write.kind is Kind.STAFFING_PROJECT:
            return self._create_project(write)
        return self._create_request(write)

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        if write.kind is Kind.STAFFING_PROJECT:
            return self._update_project(write, ref, changes)
        return self._update_request(write, ref, changes)

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        """Cancel the request and take back what it asks for. The resource stays: it carries our key.

        Raises RejectedError where somebody is staffed already: to release a person is for people.
        """
        request, allocations = self._cancelled(ref), self._allocations(ref.id)
        if request is not None and request.status == "approved" and allocations:
            raise self._for_people(
                "people_release_people",
                f"Staffing request {request.id} ({write.key}) is approved: somebody is staffed.",
                "Release them in Kantata and delete the resource or its allocations, then resume.",
            )
        for allocation in allocations:
            self._client.call("DELETE", f"{API}/workspace_allocations/{allocation.id}", accept=(404,))
        return ref.model_copy(update={"parts": {}})

    # Projects

    def _find_project(self, write: Write) -> Found | None:
        wanted = cast("StaffingProject", write.record)
        body = self._get(
            "workspaces",
            by_custom_text_value=f"({self._options.project_key_field}:{write.key})",
            include="custom_field_values,primary_maven",
            include_archived="true",
        )
        held = self._only(keyed(body, write.key), self._options.project_key_field)
        if held is None:
            return None
        workspace = Workspace.model_validate(held)
        lead = included(body, "users", workspace.primary_maven_id)
        email = str(lead["email_address"]) if lead else None
        return Found(self._project_ref(workspace.id), mapping.project_of(workspace, email, wanted, self._codes(write)))

    def _create_project(self, write: Write) -> ExternalRef:
        project = cast("StaffingProject", write.record)
        defaults = Defaults.of(self._codes(write))
        lead = self._lead(write, defaults)
        field_id = self._options.project_key_field
        fields = mapping.new_project(project, self._codes(write), defaults, field_id, lead)
        (made,) = self._post("workspaces", "workspace", fields)
        return self._project_ref(str(made["id"]))

    def _update_project(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        project = cast("StaffingProject", write.record)
        fields = mapping.changed_project(project, self._codes(write), changes)
        if fields:
            self._put(f"workspaces/{ref.id}", "workspace", fields)
        if project.manager_email and mapping.hands_over(changes):
            self._hand_over(ref.id, self._lead(write, Defaults.of(self._codes(write))))
        return ref

    def _lead(self, write: Write, defaults: Defaults) -> str | None:
        """The user id of the project's lead: the manager's code where there is one, else whoever has the email.

        Members who take part in no project are seen only `on_my_account` ("Fetching visible users").
        """
        email = cast("StaffingProject", write.record).manager_email
        manager = self._codes(write).manager
        if not email or manager:
            return manager
        body = self._get("users", by_email_address=email, on_my_account="true")
        found = [str(user["id"]) for user in results(body) if str(user.get("email_address")).lower() == email.lower()]
        found += [defaults.manager] if defaults.manager else []
        if not found:
            finding = Finding(
                field="manager_email",
                rule="manager_is_a_kantata_user",
                message=f"{email} is not a user of the Kantata account.",
                remedy="Invite them to Kantata, name another delivery owner on the opportunity, or set "
                f"defaults.manager in mappings/codes/{self._connection}.yaml.",
                owner=Owner.OPERATIONS,
            )
            raise RejectedError(str(finding), connection=self._connection, findings=[finding])
        return found[0]

    def _hand_over(self, workspace_id: str, user_id: str | None) -> None:
        """Makes a user the team lead. A workspace's own update cannot ("use the update participation endpoint")."""
        if user_id is None:
            return
        for page in self._pages("participations", workspace_id=workspace_id, include="user"):
            held = next((each for each in results(page) if str(each.get("user_id")) == user_id), None)
            if held is not None:
                break
        else:
            joining = {"workspace_id": int(workspace_id), "user_id": int(user_id), "role": "maven"}
            (held,) = self._post("participations", "participation", joining)
        if not held.get("is_team_lead"):
            self._put(f"participations/{held['id']}", "participation", {"team_lead": True})

    def _project_ref(self, id_: str) -> ExternalRef:
        return ExternalRef(
            connection=self._connection,
            type="workspace",
            id=id_,
            number=id_,
            url=f"{self._options.app_url}/workspaces/{id_}",
        )

    # Staffing requests

    def _find_request(self, write: Write) -> Found | None:
        wanted = cast("StaffingRequest", write.record)
        body = self._get(
            "workspace_resources",
            by_custom_text_value=f"({self._options.request_key_field}:{write.key})",
            include="custom_field_values,role",
            include_unnamed="true",
        )
        held = self._only(keyed(body, write.key), self._options.request_key_field)
        if held is None:
            return None
        resource = WorkspaceResource.model_validate(held)
        defaults = Defaults.of(self._codes(write))
        allocations = self._allocations(resource.id)
        request = self._request_for(resource)
        record = mapping.request_of(resource, allocations, wanted, self._codes(write).role, defaults)
        complete = bool(allocations) and request is not None and request.stands
        return Found(self._request_ref(resource, request), record, complete)

    def _create_request(self, write: Write) -> ExternalRef:
        request = cast("StaffingRequest", write.record)
        defaults = Defaults.of(self._codes(write))
        field_id = self._options.request_key_field
        fields = mapping.new_request(
            write.ref_of(request.project_key).id, self._codes(write).role, defaults, field_id, write.key
        )
        body = self._send("POST", "resource_requests", "resource_request", fields, include="resource")
        made = ResourceRequest.model_validate(next(results(body)))
        resource = WorkspaceResource.model_validate(included(body, "workspace_resources", made.resource_id))
        with written():
            self._allocate(resource.id, request, defaults)
        return self._request_ref(resource, made)

    def _update_request(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        request = cast("StaffingRequest", write.record)
        defaults = Defaults.of(self._codes(write))
        # A reference without its request is one that was withdrawn, or that was never finished.
        reopening = not changes or "request" not in ref.parts
        wanted = {mapping.ROLE, mapping.ALLOCATION} if reopening else mapping.aspects(changes)
        if mapping.ROLE in wanted:
            role = {"role_id": int(self._codes(write).role), "auto_update_label": True}
            shown = next(results(self._put(f"workspace_resources/{ref.id}", "workspace_resource", role)), None)
            ref = ref.model_copy(update={"number": shown.get("label")}) if shown else ref
        if mapping.ALLOCATION in wanted:
            self._reallocate(write, ref, request, defaults)
        return self._reopened(ref, defaults) if reopening else ref

    def _reopened(self, ref: ExternalRef, defaults: Defaults) -> ExternalRef:
        """The reference with its request; a new request for the same resource where the last one was cancelled."""
        known = self._known_request(ref)
        if known is None or not known.stands:
            fields = {"resource_id": int(ref.id), "approver_ids": [int(each) for each in defaults.approvers]}
            (made,) = self._post("resource_requests", "resource_request", fields)
            known = ResourceRequest.model_validate(made)
        return ref.model_copy(update={"parts": {"request": known.id}})

    def _reallocate(self, write: Write, ref: ExternalRef, request: StaffingRequest, defaults: Defaults) -> None:
        held = self._allocations(ref.id)
        if not held:
            self._allocate(ref.id, request, defaults)
        elif len(held) == 1:
            fields = mapping.allocation_fields(request, defaults)
            self._put(f"workspace_allocations/{held[0].id}", "workspace_allocation", fields)
        elif not mapping.covers(held, request, defaults):
            raise self._for_people(
                "one_allocation_per_request",
                f"The allocation of {write.key} was split in Kantata: which part to change is not ours to say.",
                f"Make the parts add up to {mapping.minutes_of(request, defaults) / 60:g} hours, "
                f"{request.start} to {request.end}, in Kantata; then resume.",
            )

    def _allocate(self, resource_id: str, request: StaffingRequest, defaults: Defaults) -> None:
        fields = {"resource_id": int(resource_id), "hard": False, **mapping.allocation_fields(request, defaults)}
        self._post("workspace_allocations", "workspace_allocation", fields)

    def _allocations(self, resource_id: str) -> list[WorkspaceAllocation]:
        return [
            WorkspaceAllocation.model_validate(each)
            for page in self._pages("workspace_allocations", workspace_resource_ids=resource_id)
            for each in results(page)
        ]

    def _known_request(self, ref: ExternalRef) -> ResourceRequest | None:
        """The request of a resource: read by its id where the reference names it, else looked for."""
        if "request" in ref.parts:
            answer = self._client.call("GET", f"{API}/resource_requests/{ref.parts['request']}", accept=(404,))
            if answer.status_code == 404:
                return None
            return ResourceRequest.model_validate(next(results(self._client.read(answer))))
        body = self._get("workspace_resources", only=ref.id, include_unnamed="true")
        resource = next((WorkspaceResource.model_validate(each) for each in results(body)), None)
        return self._request_for(resource) if resource else None

    def _request_for(self, resource: WorkspaceResource) -> ResourceRequest | None:
        """The newest request for a resource. Requests cannot be filtered by it: those made since are looked through."""
        since = (resource.created_at - timedelta(seconds=1)).isoformat()
        found = [
            ResourceRequest.model_validate(each)
            for page in self._pages("resource_requests", created_after=since, include="resource")
            for each in results(page)
            if str(each.get("resource_id")) == resource.id
        ]
        return max(found, key=lambda request: (request.stands, request.created_at, int(request.id)), default=None)

    def _cancelled(self, ref: ExternalRef) -> ResourceRequest | None:
        """The request once it is cancelled, or as its approver answered it; None where there is none."""
        id_ = ref.parts.get("request")
        if id_ is None:
            known = self._known_request(ref)
            if known is None or known.status != "new":
                return known
            id_ = known.id
        body = {"resource_request": {"request_resolution_status": "cancel"}}
        answer = self._client.call("PUT", f"{API}/resource_requests/{id_}", body=body, accept=(404, 422))
        if answer.status_code == 422:
            # Resolved already: by its approver, or by a cancellation of ours whose reply was lost.
            answer = self._client.call("GET", f"{API}/resource_requests/{id_}", accept=(404,))
        if answer.status_code == 404:
            return None
        return ResourceRequest.model_validate(next(results(self._client.read(answer))))

    def _codes(self, write: Write) -> Codes:
        return Codes(self._connection, write.codes)

    def _request_ref(self, resource: WorkspaceResource, request: ResourceRequest | None) -> ExternalRef:
        return ExternalRef(
            connection=self._connection,
            type="workspace_resource",
            id=resource.id,
            number=resource.label,
            url=f"{self._options.app_url}/workspaces/{resource.workspace_id}",
            parts={"request": request.id} if request is not None and request.stands else {},
        )

    def _for_people(self, rule: str, message: str, remedy: str) -> RejectedError:
        finding = Finding(field="staffing", rule=rule, message=message, remedy=remedy, owner=Owner.OPERATIONS)
        return RejectedError(str(finding), connection=self._connection, findings=[finding])

    def _only(self, found: Iterator[Mapping[str, Any]], field_id: str) -> Mapping[str, Any] | None:
        """The one record with our key. Two of them mean that the custom field does not keep keys apart."""
        held = list(found)
        if len(held) > 1:
            ids = ", ".join(str(each["id"]) for each in held)
            raise ConfigurationError(
                f"{self._connection}: {ids} hold the same key; give custom field {field_id} its unique constraint in "
                "Kantata, and take the key from all but one of them",
                connection=self._connection,
            )
        return held[0] if held else None

    # Calls

    def _get(self, collection: str, **params: str) -> Any:
        params = {"per_page": str(_PAGE), **params}
        return self._client.read(self._client.call("GET", f"{API}/{collection}", params=params))

    def _pages(self, collection: str, **params: str) -> Iterator[Any]:
        number, pages = 1, 1
        while number <= pages:
            body = self._get(collection, page=str(number), **params)
            pages = page_count(body)
            yield body
            number += 1

    def _post(self, collection: str, singular: str, fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return list(results(self._send("POST", collection, singular, fields)))

    def _put(self, path: str, singular: str, fields: Mapping[str, Any]) -> Any:
        return self._send("PUT", path, singular, fields)

    def _send(self, method: str, path: str, singular: str, fields: Mapping[str, Any], **params: str) -> Any:
        answer = self._client.call(method, f"{API}/{path}", params=params or None, body={singular: fields})
        return {"results": []} if answer.status_code == 204 else self._client.read(answer)
