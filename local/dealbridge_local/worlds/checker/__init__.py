"""The judge of an outcome: from the vendors' records, the ledger and its stream alone.

It knows no scheduler, no fault and no seed, and takes no rule of the shipped code for granted: what stands in the ERP
and the PSA is held against what the CRM says, with arithmetic of its own.

    evidence.py   what it looks at
    sold.py       what a CRM says was sold; read by salesforce.py, hubspot.py
    standing.py   what stands for it; read by netsuite.py, s4hana.py, kantata.py
    accounting.py what the ledger says: events, runs, intents, audit
    verdict.py    all rules over all of the evidence
"""

from dealbridge_local.worlds.checker.evidence import Evidence, VendorWrite
from dealbridge_local.worlds.checker.verdict import RULES, Broken, judge

__all__ = ["RULES", "Broken", "Evidence", "VendorWrite", "judge"]
