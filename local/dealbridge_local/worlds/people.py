"""People who sell, change their minds and look after what is stuck: all drawn from the seed, all through the CRMs' own
APIs or an operator's commands."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal

import httpx

from dealbridge.ledger.ledger import ledger
from dealbridge.runs import redriving
from dealbridge.transport import signatures
from dealbridge_local.salesforce_user import Sold
from dealbridge_local.worlds.sellers import Deal, HubSpotSeller, SalesforceSeller, Seller
from dealbridge_local.worlds.stage import Stage

_ENTITIES = {
    # entity → currency, an account's country, its tax registration
    "NA-US": ("USD", "United States", "US: 12-3456789"),
    "EMEA-DE": ("EUR", "Germany", "DE: DE811907980"),
    "EMEA-UK": ("GBP", "United Kingdom", "GB: GB980780684"),
    "APAC-JP": ("JPY", "Japan", "JP: T1234567890123"),
}
_SERVICE_LINES = ("IMPL", "ADVS", "MNGD", "TRNG", "DEVL", "DSGN", "SUPP", "EXPN")
_PRICES = ("0.01", "0.10", "99.99", "333.33", "1000.00", "1850.00", "12345.67", "120000.10", "999999.99")
_MANAGERS = ("mara.lind@example.com", "jon.abe@example.com", "wei.tan@example.com")
_FIRST_DAY = date(2027, 1, 4)

type Act = Iterator[float]
"""An act in several calls: yields the seconds until the next one."""


class People:
    """Everybody who acts in a world."""

    def __init__(self, stage: Stage, seed: str, *, small: bool = False) -> None:
        self._stage = stage
        self._small = small
        self._chance = random.Random(f"{seed}/people")
        sellers: tuple[type[SalesforceSeller | HubSpotSeller], ...] = (SalesforceSeller, HubSpotSeller)
        self._sellers: dict[str, Seller] = {each.crm: each(stage) for each in sellers if each.crm in stage.crms}
        self._accounts: list[tuple[str, str]] = []
        """CRM and account."""
        self._contacts: dict[str, list[str]] = {}
        self.deals: list[Deal] = []
        self.acts: list[str] = []
        self.refused = 0

    def close(self) -> None:
        for seller in self._sellers.values():
            seller.close()

    def begin(self, until: float) -> None:
        """Put the deals into the CRM, and spread what people do over the seconds until then."""
        chance = self._chance
        for crm in self._sellers:
            for number in range(1 if self._small or len(self._sellers) > 1 else chance.choice((1, 1, 2))):
                self._open_account(crm, f"Account {number}", chance.choice((0, 0, 1, 2, 6)))
        for number in range(1 if self._small else chance.choice((1, 2, 2, 3, 5))):
            self.deals.append(self._open_deal(number))
        # At the end of a quarter deals are won by the minute.
        spread = chance.choice((3.0, until / 3, until / 3))
        for deal in self.deals:
            self._later(chance.uniform(0, spread), self._win(deal))
            for _ in range(chance.choice((0, 1, 1, 2) if self._small else (0, 1, 1, 2, 3))):
                self._later(chance.uniform(until / 10, until), self._amend(deal))
        for _ in range(chance.choice((0, 0, 1, 2))):
            self._later(chance.uniform(0, until), self._operate())

    def mend(self) -> None:
        """People put right what they made wrong, some of it."""
        for deal in self.deals:
            while deal.wrong and self._chance.random() < 0.8:
                self._right(deal)

    # Selling

    def _open_account(self, crm: str, name: str, parents: int) -> None:
        seller = self._sellers[crm]
        _, country, registration = self._chance.choice(tuple(_ENTITIES.values()))
        above: str | None = None
        for level in range(parents, -1, -1):
            title = name if level == 0 else f"{name} Group {level}"
            above = seller.open_account(title, country, registration, above)
        assert above is not None
        self._accounts.append((crm, above))
        self._contacts[above] = [
            seller.open_contact(
                above, "Jane", f"Doe {number}", f"jane.{number}@{len(self._accounts)}.{self._stage.name}.example"
            )
            for number in range(self._chance.choice((0, 1, 2)))
        ]

    def _open_deal(self, number: int) -> Deal:
        chance = self._chance
        (crm, account), entity = chance.choice(self._accounts), chance.choice(tuple(_ENTITIES))
        currency = _ENTITIES[entity][0]
        sold = [self._line(currency, position) for position in range(chance.choice((1, 2, 3, 3, 5)))]
        if chance.random() < 0.25:
            # Two legal entities bill parts of one deal, in one ERP or in two.
            other = chance.choice(tuple(_ENTITIES))
            sold = [
                Sold(**{**vars(line), "more": {**line.more, "Legal_Entity__c": chance.choice((entity, other))}})
                for line in sold
            ]
        approved = chance.random() < 0.9
        terms = {"manager": chance.choice(_MANAGERS), "approved": approved, "po": f"PO-{number}"}
        seller = self._sellers[crm]
        deal = seller.open_deal(f"Deal {number}", account, entity, currency, self._contacts[account], terms)
        seller.add(deal, sold)
        if not approved:
            deal.wrong.append("terms")
        return deal

    def _line(self, currency: str, number: int) -> Sold:
        chance = self._chance
        price = self._price(currency)
        quantity = Decimal(chance.choice((1, 1, 2, 3, 7)))
        kind = chance.choice(("Fixed", "Fixed", "Milestone", "Time and Materials", "Retainer"))
        code = chance.choice(_SERVICE_LINES)
        more: dict[str, object] = {"Hours__c": Decimal(chance.choice((8, 40, 120)))} if chance.random() < 0.5 else {}
        if kind == "Retainer":
            more["Billing_Frequency__c"] = chance.choice(("Monthly", "Quarterly"))
        milestones = []
        if kind == "Milestone":
            whole = price * quantity
            unit = Decimal(1) if currency == "JPY" else Decimal("0.01")
            first = (whole / 3).quantize(unit)
            parts = [part for part in (first, whole - first) if part > 0]
            milestones = [
                (f"Milestone {place}", _FIRST_DAY + timedelta(days=30 * place), part)
                for place, part in enumerate(parts, 1)
            ]
        return Sold(code, f"{code} {number}", quantity, price, kind, milestones, more)

    def _price(self, currency: str) -> Decimal:
        price = Decimal(self._chance.choice(_PRICES))
        return price.to_integral_value() or Decimal(1) if currency == "JPY" else price

    def _of(self, deal: Deal) -> Seller:
        return self._sellers[deal.key.crm]

    def _win(self, deal: Deal) -> Act:
        self._say(f"win {deal.key}")
        self._of(deal).win(deal)
        deal.won = True
        yield 0.0

    # Changing one's mind

    def _amend(self, deal: Deal) -> Act:
        choices: list[Callable[[Deal], Act]] = [
            self._reprice,
            self._reprice,
            self._grow,
            self._shrink,
            self._rename,
            self._prolong,
            self._rename_account,
            self._move_account,
            self._change_contact,
            self._touch,
            self._doubt,
            self._reopen,
            self._move_milestone,
        ]
        chosen = self._chance.choice(choices)
        self._say(f"{chosen.__name__.strip('_')} {deal.key}")
        yield from chosen(deal)

    def _reprice(self, deal: Deal) -> Act:
        lines = [line for line in deal.lines if line not in deal.milestones]
        for line in self._chance.sample(lines, min(len(lines), self._chance.choice((1, 1, 2)))):
            self._of(deal).reprice(deal, line, self._price(deal.currency))
            yield self._chance.uniform(0, 3)

    def _grow(self, deal: Deal) -> Act:
        for _ in range(self._chance.choice((1, 2))):
            self._of(deal).add(deal, [self._line(deal.currency, len(deal.lines) + 10)])
            yield self._chance.uniform(0, 3)

    def _shrink(self, deal: Deal) -> Act:
        if len(deal.lines) > 1:
            line = self._chance.choice(deal.lines)
            deal.lines.remove(line)
            self._of(deal).remove(deal, line)
        yield 0.0

    def _rename(self, deal: Deal) -> Act:
        suffix = self._chance.randrange(1000)
        self._of(deal).rename(deal, f"Deal renamed {suffix}", f"PO-R{suffix}")
        yield 0.0

    def _prolong(self, deal: Deal) -> Act:
        self._of(deal).prolong(deal, date(2027, 12, 31) + timedelta(days=self._chance.randrange(1, 300)))
        yield 0.0

    def _rename_account(self, deal: Deal) -> Act:
        """A change of the account is no change of its deals: only the poll tells which ones it concerns."""
        self._of(deal).rename_account(deal.account, f"Account renamed {self._chance.randrange(1000)}")
        yield 0.0

    def _move_account(self, deal: Deal) -> Act:
        """The buyer is sold to another group, or becomes independent."""
        seller, group = self._of(deal), None
        if self._chance.random() < 0.7:
            group = seller.open_account(f"Group {self._chance.randrange(1000)}", "Germany", "DE: DE811907980", None)
            yield self._chance.uniform(0, 3)
        seller.move_account(deal.account, group)

    def _change_contact(self, deal: Deal) -> Act:
        """Nothing tells that a contact has changed: somebody touches each deal that it concerns."""
        for contact in self._contacts[deal.account][:1]:
            self._of(deal).change_email(contact, f"new.{self._chance.randrange(1000)}@{self._stage.name}.example")
            for each in self.deals:
                if each.account == deal.account:
                    yield from self._touch(each)
        yield 0.0

    def _touch(self, deal: Deal) -> Act:
        self._of(deal).touch(deal, f"step {self._chance.randrange(1000)}")
        yield self._chance.uniform(0, 1)

    def _doubt(self, deal: Deal) -> Act:
        """The terms are questioned, and approved again."""
        self._of(deal).approve(deal, False)
        deal.wrong.append("terms")
        yield self._chance.uniform(1, 60)
        if self._chance.random() < 0.7:
            self._right(deal)

    def _reopen(self, deal: Deal) -> Act:
        """Won by mistake, or too early."""
        if deal.won:
            self._of(deal).reopen(deal)
            deal.won = False
            deal.wrong.append("stage")
            yield self._chance.uniform(1, 60)
            if self._chance.random() < 0.7:
                self._right(deal)

    def _move_milestone(self, deal: Deal) -> Act:
        for line in sorted(deal.milestones & set(deal.lines))[:1]:
            self._of(deal).move_milestone(deal, line, _FIRST_DAY + timedelta(days=self._chance.randrange(1, 300)))
        yield 0.0

    def _right(self, deal: Deal) -> None:
        if not deal.wrong:
            return
        what = deal.wrong.pop()
        self._say(f"right {what} {deal.key}")
        if what == "terms":
            self._of(deal).approve(deal, True)
        else:
            self._of(deal).win(deal)
            deal.won = True

    # Operating

    def _operate(self) -> Act:
        in_salesforce = [deal for deal in self.deals if deal.key.crm == "salesforce"]
        match self._chance.choice(("redrive parked", "redrive any", "abort", "webhook", "gap", "overflow")):
            case "redrive parked":
                ours = {deal.key for deal in self.deals}
                stuck = [each.deal for each in redriving.parked() if each.deal in ours]
                self._say(f"redrive {len(stuck)} parked")
                redriving.redrive(stuck)
            case "redrive any":
                deal = self._chance.choice(self.deals)
                self._say(f"redrive {deal.key}")
                redriving.redrive([deal.key])
            case "webhook" if in_salesforce:
                self._automate(self._chance.choice(in_salesforce), tries=5)
            case "gap" if in_salesforce:
                self._stage.emit("salesforce", {"type": "GAP_UPDATE", "id": self._chance.choice(in_salesforce).id})
            case "overflow" if in_salesforce:
                self._stage.emit("salesforce", {"type": "GAP_OVERFLOW", "duplicate": 1})
            case _:
                heads = [ledger().deals.head(deal.key) or {} for deal in self.deals]
                runs = sorted(str(head["lease_run"]) for head in heads if "lease_run" in head)
                if runs:
                    run = self._chance.choice(runs)
                    self._say(f"abort {run}")
                    self._stage.abort(run)
        yield 0.0

    def _automate(self, deal: Deal, tries: int) -> None:
        """The org's own automation posts a signed webhook, again for as long as it is not accepted."""
        now, secret = self._stage.now(), self._stage.credentials("salesforce")["webhook_secret"]
        body = json.dumps({"event_id": f"automation-{deal.id}-{now:%H%M%S}", "opportunity_ids": [deal.id]}).encode()

        def answered(status: int) -> None:
            self._say(f"webhook {status}")
            if status >= 500 and tries > 1:
                self._stage.after(5.0, lambda: self._automate(deal, tries - 1))

        self._stage.post("salesforce", signatures.sign(secret, int(now.timestamp()), body), body, answered)

    # Acting in time

    def _later(self, seconds: float, act: Act) -> None:
        self._stage.after(seconds, lambda: self._go_on(act))

    def _go_on(self, act: Act) -> None:
        try:
            pause = next(act)
        except StopIteration:
            return
        except (RuntimeError, httpx.HTTPError, json.JSONDecodeError) as error:
            # The CRM refuses what a person asks of it, or does not answer, or cut off; the person shrugs.
            self.refused += 1
            self._say(f"refused: {str(error)[:200]}")
            return
        self._later(pause, act)

    def _say(self, what: str) -> None:
        self.acts.append(what)
        self._stage.tell(f"people: {what}")
