"""SAP's refusals: the OData V2 error body (vendors/erp-sap…, A5), text and HTML where SAP sends no OData.

Texts that a public source shows are SAP's (KBA 2962502, 3514624, 3642265, 3743470 and A1–A5). The message numbers of
business checks are not documented for the public cloud edition; those here follow the message classes of the
applications (R11 business partner, V1 and V4 sales, F2 customer accounts, /S4PPM/ projects) and are UNVERIFIED: a
client may not tell errors apart by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from dealbridge_local.simulators.s4hana.model import Service
from dealbridge_local.simulators.wire import Response

BUSINESS_EXCEPTION = "/IWBEP/CX_MGW_BUSI_EXCEPTION"
"""What ends the details of a business error in services of the classic Gateway: it says nothing (A5)."""


@dataclass(frozen=True)
class Message:
    """One SAP message: code, text, the property it speaks of."""

    code: str
    text: str
    target: str = ""
    severity: str = "error"


class SapError(Exception):
    """A refusal with an OData error body. The first message leads; all stand in the details."""

    def __init__(self, status: int, *messages: Message) -> None:
        super().__init__(messages[0].text)
        self.status = status
        self.messages = messages
        self.content_id: str = ""


class PlainRefusalError(Exception):
    """A refusal that is no OData: HTML or text, as the ICM, the ICF or a proxy sends."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def business_error(code: str, text: str, target: str = "") -> SapError:
    """A permanent refusal of the data: HTTP 400."""
    return SapError(400, Message(code, text, target))


def business_errors(messages: Sequence[Message]) -> SapError:
    return SapError(400, *messages)


def unknown_segment(segment: str) -> SapError:
    return SapError(404, Message("/IWBEP/CM_MGW_RT/020", f"Resource not found for segment '{segment}'"))


def not_found(type_name: str) -> SapError:
    return SapError(404, Message("/IWBEP/CM_MGW_RT/020", f"Resource not found for segment '{type_name}'"))


def no_service(name: str, version: str) -> SapError:
    text = f"No service found for namespace '', name '{name}', version '{version}'"
    return SapError(403, Message("/IWFND/MED/170", text))


def malformed(text: str) -> SapError:
    return SapError(400, Message("/IWFND/CM_MGW/096", text))


def invalid_uri(text: str) -> SapError:
    return SapError(400, Message("/IWBEP/CM_MGW_RT/021", text))


def invalid_value(name: str, offset: int, value: object) -> SapError:
    """KBA 3642265."""
    text = f"Property '{name}' at offset '{offset}' has invalid value '{value}'"
    return SapError(400, Message("005056A509B11EE1B9A8FEC11C21D78E", text, name))


def unknown_property(name: str, type_name: str) -> SapError:
    return SapError(400, Message("005056A509B11EE1B9A8FEC11C21578E", f"Property '{name}' is invalid in '{type_name}'"))


def read_only(name: str, verb: str) -> SapError:
    """A property that metadata declares `sap:creatable` or `sap:updatable` false."""
    return SapError(
        400, Message("/IWBEP/CM_MGW_RT/022", f"Property '{name}' must not be {verb}: it is read-only", name)
    )


def not_allowed(method: str, set_name: str) -> SapError:
    text = f"Method '{method}' not allowed for entity set '{set_name}'"
    return SapError(405, Message("/IWFND/CM_MGW/022", text))


def precondition_required(set_name: str) -> SapError:
    """KBA 3514624, 2962502."""
    entity = f"CDS~{set_name.upper()}"
    text = f"Precondition required for action in entity {entity} (If-Match missing)"
    return SapError(428, Message("SADL_ENTITY_RUNTIME/006", text))


def precondition_failed() -> SapError:
    text = "The resource has been changed in the meantime. Read it again and repeat the change."
    return SapError(412, Message("/IWBEP/CM_MGW_RT/126", text))


def assertion_failed() -> SapError:
    """What a real entity tag does to the project service (KBA 2962502): a short dump, nothing changed."""
    return SapError(500, Message("SY/530", "Runtime Error: 'ASSERTION_FAILED'"))


def locked(what: str, user: str) -> SapError:
    """Another user edits the object: 400, yet worth another try (A5; the code is UNVERIFIED)."""
    return SapError(400, Message("MC/601", f"{what} is locked by user {user}"))


def csrf_refused() -> Response:
    """A1: 403, header and text body; the same for missing and expired."""
    return Response.text(403, "CSRF token validation failed", ("x-csrf-token", "Required"))


def html_page(status: int, title: str, text: str, *headers: tuple[str, str]) -> Response:
    """A page of the ICF or the ICM."""
    body = (
        "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{1} {0}</h1><p>{2}</p>"
        "<p>Server time: generated by SAP Web Application Server</p></body></html>"
    ).format(escape(title), status, escape(text))
    return Response.text(status, body, *headers, media="text/html")


@dataclass
class ErrorPrinter:
    """Prints SapErrors for one request: in JSON or XML, with a transaction id and a time stamp."""

    service: Service | None
    now: datetime
    transaction: str
    as_json: bool
    long_text_root: str = "/sap/opu/odata/iwbep/message_container"
    headers: tuple[tuple[str, str], ...] = field(default=(("dataserviceversion", "1.0"),))

    def __call__(self, error: SapError) -> Response:
        lead = error.messages[0]
        if not self.as_json:
            return Response.text(error.status, self._xml(lead), *self.headers, media="application/xml")
        body = {
            "error": {
                "code": lead.code,
                "message": {"lang": "en", "value": lead.text},
                "innererror": {
                    **self._application(),
                    "transactionid": self.transaction,
                    "timestamp": f"{self.now:%Y%m%d%H%M%S}.{self.now.microsecond:06}0",
                    "Error_Resolution": {
                        "SAP_Transaction": "Run transaction /IWFND/ERROR_LOG on SAP Gateway hub system",
                        "SAP_Note": "See SAP Note 1797736 for error analysis (https://service.sap.com/sap/support/notes/1797736)",
                        "Batch_SAP_Note": "See SAP Note 1869434 for details about working with $batch",
                    },
                    "errordetails": [self._detail(each, error.content_id) for each in self._details(error)],
                },
            }
        }
        return Response.of(error.status, body, *self.headers)

    def _details(self, error: SapError) -> list[Message]:
        details = list(error.messages)
        if error.status == 400 and self.service is not None and self.service.name == "API_BUSINESS_PARTNER":
            # Its provider class is of the classic Gateway; the others are SADL services, which add no such line.
            details.append(Message(BUSINESS_EXCEPTION, error.messages[0].text))
        return details

    def _detail(self, message: Message, content_id: str) -> dict[str, Any]:
        return {
            "ContentID": content_id,
            "code": message.code,
            "message": message.text,
            "longtext_url": f"{self.long_text_root};o=LOCAL/T100_longtexts(MSGID='{message.code}')/$value",
            "propertyref": message.target,
            "severity": message.severity,
            "transition": False,
            "target": message.target,
        }

    def _application(self) -> dict[str, Any]:
        if self.service is None:
            return {}
        return {
            "application": {
                "component_id": self.service.component,
                "service_namespace": "/SAP/",
                "service_id": self.service.name,
                "service_version": self.service.version,
            }
        }

    def _xml(self, lead: Message) -> str:
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
            f'<code>{escape(lead.code)}</code><message xml:lang="en">{escape(lead.text)}</message>'
            f"<innererror><transactionid>{self.transaction}</transactionid></innererror></error>"
        )
