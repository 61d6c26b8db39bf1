"""The ledger as a whole: one table, seen by what is kept in it."""

from functools import cache

from dealbridge.ledger.cursors import Cursors, Refused
from dealbridge.ledger.deals import Deals
from dealbridge.ledger.documents import Documents
from dealbridge.ledger.etiquette import Etiquette
from dealbridge.ledger.records import Records
from dealbridge.ledger.references import References
from dealbridge.ledger.runs import Runs
from dealbridge.ledger.table import Table
from dealbridge.settings import LedgerSettings


class Ledger:
    """What we know and did."""

    def __init__(self, table: str, bucket: str) -> None:
        items, documents = Table(table), Documents(bucket)
        self.deals = Deals(items)
        self.runs = Runs(items, documents)
        self.records = Records(items, documents)
        self.references = References(items, documents)
        self.cursors = Cursors(items)
        self.refused = Refused(items)
        self.etiquette = Etiquette(items)


@cache
def ledger() -> Ledger:
    """The ledger that the environment names."""
    settings = LedgerSettings.read()
    return Ledger(settings.ledger_table, settings.documents_bucket)
