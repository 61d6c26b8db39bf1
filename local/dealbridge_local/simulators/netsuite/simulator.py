"""The NetSuite simulator: the front door of the account, and what the firm's own people do in it."""

from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.faults import Fault
from dealbridge_local.simulators.netsuite import analytics, oauth, reads, record_service, seed
from dealbridge_local.simulators.netsuite.account import RECORDS_PATH, Account, Preferences
from dealbridge_local.simulators.netsuite.asynchronous import ASYNC_PATH, Jobs
from dealbridge_local.simulators.netsuite.errors import Refusal, nonexistent
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.netsuite.transforms import order_to_invoice
from dealbridge_local.simulators.netsuite.writes import Handling
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

_SYSTEM_PATH = "/services/rest/system/v1"


class NetSuiteSimulator(Simulator):
    """SuiteTalk REST and SuiteQL of one OneWorld account, signed in to by OAuth 2.0 with a certificate.

    `concurrency_limit` is the account's (5 is the Standard tier's); `private_key` a PEM whose certificate is mapped
    to the integration, made at the start unless given; the other arguments are the fields of `Preferences`.
    """

    name = "netsuite"
    api_version = "v1 (2026.1)"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        account_id: str = "1234567",
        client_id: str = "dealbridge-integration",
        private_key: str | None = None,
        concurrency_limit: int = 5,
        polls_until_done: int = 1,
        **preferences: Any,
    ) -> None:
        self.account_id = account_id
        self.concurrency_limit = concurrency_limit
        self._private_key = private_key or oauth.new_private_key()
        self._preferences = Preferences(**preferences)
        self._polls_until_done = polls_until_done
        self.authority = oauth.Authority(account_id, client_id, clock)
        self._certificate_id = self.authority.register(oauth.self_signed(self._private_key, clock()))
        super().__init__(clock)

    def seed(self) -> None:
        self.account = Account(self.store, self.clock, lambda: self.base_url, self._preferences)
        self._jobs = Jobs(self.account, self._polls_until_done)
        seed.plant(self.account)

    def credentials(self) -> dict[str, str]:
        return {
            "account_id": self.account_id,
            "client_id": self.authority.client_id,
            "certificate_id": self._certificate_id,
            "private_key": self._private_key,
            "token_url": f"{self.base_url}{oauth.TOKEN_PATH}",
            "rest_url": f"{self.base_url}/services/rest",
        }

    def expire_tokens(self) -> None:
        self.authority.expire_tokens()

    def show(self, kind: str, record: Record) -> Any:
        return reads.shown(self.account, TYPES[kind], record, expand=True)

    def busy(self, request: Request) -> Response | None:
        """Concurrency governance: no Retry-After is sent (section_156570709583, bridgehead_1500275603)."""
        if request.path == oauth.TOKEN_PATH or self.in_flight <= self.concurrency_limit:
            return None
        detail = "Concurrent request limit exceeded. Request blocked."
        return Refusal(429, "CONCURRENCY_LIMIT_EXCEEDED", detail).response()

    def answer(self, request: Request) -> Response:
        if request.path == oauth.TOKEN_PATH and request.method == "POST":
            return self.authority.token(request, self._audiences())
        try:
            self.authority.check(request)
            with self.store.undone_on_error():
                return self._served(request)
        except Refusal as refusal:
            if refusal.status == 401:
                return refusal.response(self.authority.challenge())
            return refusal.response()

    def _served(self, request: Request) -> Response:
        if request.path.startswith(f"{RECORDS_PATH}/"):
            return self._jobs.submitted(request) or record_service.answer(self.account, request)
        if request.path == analytics.SUITEQL_PATH:
            return analytics.answer(self.account, request)
        if request.path.startswith(f"{ASYNC_PATH}/"):
            return self._jobs.answer(request)
        match request.method, request.path.removeprefix(_SYSTEM_PATH):
            case "GET", "/serverTime":
                moment = self.account.now().replace("Z", ".000Z")
                return Response.of(200, {"serverTime": moment})
            case "GET", "/governanceLimits":
                limits = {"accountConcurrencyLimit": self.concurrency_limit}
                limits["accountUnallocatedConcurrencyLimit"] = self.concurrency_limit
                return Response.of(200, {**limits, "integrationLimitType": "accountLimit"})
            case _:
                raise nonexistent()

    def _audiences(self) -> tuple[str, ...]:
        host = self.account_id.lower().replace("_", "-")
        return (
            f"{self.base_url}{oauth.TOKEN_PATH}",
            f"https://{host}.suitetalk.api.netsuite.com{oauth.TOKEN_PATH}",
        )

    # What the firm's own people do, as they would in the user interface

    def edit(self, kind: str, address: str, **values: Any) -> dict[str, Any]:
        """Change fields of a record by hand, set-up records included; values as in a request body."""
        with self.lock, self.store.call(), self.store.undone_on_error():
            held = self.account.find(kind, address)
            if TYPES[kind].writable:
                record = record_service.write(self.account, TYPES[kind], values, held, Handling())
            else:
                record = self.account.save(kind, {**held, **values})
            shown: dict[str, Any] = self.show(kind, record)
            return shown

    def bill(self, order: str, **body: Any) -> dict[str, Any]:
        """Invoice what is left of a sales order; `body` as of the transform."""
        with self.lock, self.store.call(), self.store.undone_on_error():
            held = self.account.find("salesOrder", order)
            made: dict[str, Any] = self.show("invoice", order_to_invoice(self.account, held, body, Handling()))
            return made

    def pay(self, invoice: str, amount: Decimal | None = None) -> dict[str, Any]:
        """Receive money for an invoice: all that is open, or the amount given."""
        with self.lock, self.store.call(), self.store.undone_on_error():
            held = self.account.find("invoice", invoice)
            line = {"doc": {"id": held["id"]}, "apply": True, "amount": amount or held["amountRemaining"]}
            body = {
                "customer": {"id": held["entity"]},
                "currency": {"id": held["currency"]},
                "subsidiary": {"id": held["subsidiary"]},
                "account": {"id": "1"},
                "apply": {"items": [line]},
            }
            record = record_service.write(self.account, TYPES["customerPayment"], body, None, Handling())
            made: dict[str, Any] = self.show("customerPayment", record)
            return made

    def set_project_status(self, job: str, status: str) -> dict[str, Any]:
        return self.edit("job", job, entityStatus={"id": status})

    def close_period(self, day: str) -> None:
        """Close the accounting period of a date, so that nothing more posts to it."""
        with self.lock, self.store.call():
            self.edit("accountingPeriod", self.account.period(day), closed=True)

    def record_has_been_changed(self, *, path: str, method: str = "PATCH", times: int = 1, status: int = 409) -> Fault:
        """Let the next writes to a path meet another writer's. The status that REST gives this is UNVERIFIED."""
        body = Refusal(status, "RCRD_HAS_BEEN_CHANGED", "Record has been changed.").body()
        return self.add_fault(kind="status", method=method, path=path, times=times, status=status, body=body)

    def register_certificate(self, certificate_pem: str) -> str:
        """Map a further certificate to the integration; returns its Certificate ID."""
        return self.authority.register(certificate_pem)
