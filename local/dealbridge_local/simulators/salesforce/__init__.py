"""A Salesforce org: REST API, SOQL, OAuth and the events that Event Relay carries to EventBridge."""

from dealbridge_local.simulators.salesforce.simulator import SalesforceSimulator

__all__ = ["SalesforceSimulator"]
