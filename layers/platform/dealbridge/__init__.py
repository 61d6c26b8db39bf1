"""dealbridge: from the won opportunity to the paid invoice, across CRM, ERP and PSA, with proof of every write."""

__version__ = "0.1.0"
