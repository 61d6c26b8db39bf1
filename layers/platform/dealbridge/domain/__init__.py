"""Business objects, in the field's neutral words. Imports the standard library and pydantic only.

model.py        what every business object shares: frozen, strict, hashable content
money.py        Decimal amounts with a currency; rounding and allocation to the minor unit
keys.py         DealKey, record kinds and our keys
deal.py         Deal, DealLine, Milestone: what was sold, as one snapshot
parties.py      Customer, Contact, Address, TaxRegistration, LegalEntity
engagement.py   Contract, Project, Task, BillingSchedule, StaffingRequest, EngagementStatus: what shall stand outside
plan.py         Operation, FieldChange, Plan: what a run will do
findings.py     Finding: what a person has to mend
refs.py         ExternalRef: where a record stands in a vendor's system
hints.py        DealHint: "look at deal X"
"""
