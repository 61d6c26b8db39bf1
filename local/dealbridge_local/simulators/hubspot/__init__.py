"""HubSpot: CRM objects, associations, properties, pipelines, owners, OAuth, webhooks and the Webhooks Journal."""

from dealbridge_local.simulators.hubspot.portal import ConditionalRule
from dealbridge_local.simulators.hubspot.signatures import signature_v1, signature_v2, signature_v3
from dealbridge_local.simulators.hubspot.simulator import HubSpotSimulator
from dealbridge_local.simulators.hubspot.webhooks import Delivery, WebhookRequest

__all__ = [
    "ConditionalRule",
    "Delivery",
    "HubSpotSimulator",
    "WebhookRequest",
    "signature_v1",
    "signature_v2",
    "signature_v3",
]
