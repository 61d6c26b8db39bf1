"""People who sell, change their minds and look after what is stuck: all drawn from the seed, all through Salesforce's
own API or an operator's commands."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from dealbridge.domain.keys import DealKey
from dealbridge.runs import redriving
from dealbridge.transport import signatures
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from dealbridge_local.simulators.transport import SimulatorTransport
from dealbridge_local.worlds.functions import Answer
from dealbridge_local.worlds.world import WEBHOOK_SECRET, World

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


@dataclass
class _Deal:
    """What its seller knows of a deal."""

    id: str
    account: str
    currency: str
    lines: list[str]
    milestones: set[str]
    """Lines that are billed by milestones."""
    won: bool = False
    wrong: list[str] = field(default_factory=list)
    """What has been made wrong on purpose and is to be mended: terms, stage."""


class People:
    """Everybody who acts in a world."""

    def __init__(self, world: World, seed: str) -> None:
        self._world = world
        self._chance = random.Random(f"{seed}/people")
        origin = world.salesforce.base_url
        transport = SimulatorTransport({origin: world.salesforce})
        self._seller = SalesforceUser(origin, world.salesforce.credentials(), transport)
        self._accounts: list[str] = []
        self._contacts: dict[str, list[str]] = {}
        self.deals: list[_Deal] = []
        self.acts: list[str] = []
        self.refused = 0

    def begin(self, until: float) -> None:
        """Put the deals into the CRM, and spread what people do over the seconds until then."""
        chance = self._chance
        countries = [chance.choice(tuple(_ENTITIES)) for _ in range(chance.choice((1, 1, 2)))]
        for number, entity in enumerate(countries):
            self._open_account(f"Account {number}", entity, chance.choice((0, 0, 1, 2, 6)))
        for number in range(chance.choice((1, 1, 2, 2, 3, 5))):
            self.deals.append(self._open_deal(number))
        # At the end of a quarter deals are won by the minute.
        spread = chance.choice((3.0, until / 3, until / 3))
        for deal in self.deals:
            self._later(chance.uniform(0, spread), self._win(deal))
            for _ in range(chance.choice((0, 1, 1, 2, 3))):
                self._later(chance.uniform(until / 10, until), self._amend(deal))
        for _ in range(chance.choice((0, 0, 1, 2))):
            self._later(chance.uniform(0, until), self._operate())

    def mend(self) -> None:
        """People put right what they made wrong, some of it."""
        for deal in self.deals:
            while deal.wrong and self._chance.random() < 0.8:
                self._right(deal)

    # Selling

    def _open_account(self, name: str, entity: str, parents: int) -> None:
        _, country, registration = _ENTITIES[entity]
        above: str | None = None
        for level in range(parents, -1, -1):
            title = name if level == 0 else f"{name} Group {level}"
            above = self._seller.create_account(
                title, parent=above, BillingCountry=country, Tax_Registrations__c=registration
            )
        assert above is not None
        self._accounts.append(above)
        self._contacts[above] = [
            self._seller.create_contact(above, "Jane", f"Doe {number}", f"jane.{number}@{len(self._accounts)}.example")
            for number in range(self._chance.choice((0, 1, 2)))
        ]

    def _open_deal(self, number: int) -> _Deal:
        chance = self._chance
        account, entity = chance.choice(self._accounts), chance.choice(tuple(_ENTITIES))
        currency = _ENTITIES[entity][0]
        sold = [self._line(currency, position) for position in range(chance.choice((1, 2, 3, 3, 5)))]
        if chance.random() < 0.2:
            # Two legal entities bill parts of one deal.
            other = chance.choice(tuple(_ENTITIES))
            sold = [
                Sold(**{**vars(line), "more": {**line.more, "Legal_Entity__c": chance.choice((entity, other))}})
                for line in sold
            ]
        terms_approved = chance.random() < 0.9
        deal_id = self._seller.open_deal(
            f"Deal {number}",
            account,
            [],
            currency=currency,
            contacts=self._contacts[account],
            Legal_Entity__c=entity,
            Delivery_Owner_Email__c=chance.choice(_MANAGERS),
            Commercial_Terms_Approved__c=terms_approved,
            PO_Number__c=f"PO-{number}",
        )
        deal = _Deal(deal_id, account, currency, [], set())
        self._add(deal, sold)
        if not terms_approved:
            deal.wrong.append("terms")
        return deal

    def _line(self, currency: str, number: int) -> Sold:
        chance = self._chance
        price = Decimal(chance.choice(_PRICES))
        if currency == "JPY":
            price = price.to_integral_value() or Decimal(1)
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

    def _add(self, deal: _Deal, sold: list[Sold]) -> None:
        ids = self._seller.add_lines(deal.id, sold, deal.currency)
        deal.lines += ids
        deal.milestones |= {line_id for line_id, line in zip(ids, sold, strict=True) if line.milestones}

    def _win(self, deal: _Deal) -> Act:
        self._say(f"win {deal.id}")
        self._seller.win(deal.id)
        deal.won = True
        yield 0.0

    # Changing one's mind

    def _amend(self, deal: _Deal) -> Act:
        choices: list[Callable[[_Deal], Act]] = [
            self._reprice,
            self._reprice,
            self._grow,
            self._shrink,
            self._rename,
            self._prolong,
            self._rename_account,
            self._change_contact,
            self._touch,
            self._doubt,
            self._reopen,
            self._move_milestone,
        ]
        chosen = self._chance.choice(choices)
        self._say(f"{chosen.__name__.strip('_')} {deal.id}")
        yield from chosen(deal)

    def _reprice(self, deal: _Deal) -> Act:
        lines = [line for line in deal.lines if line not in deal.milestones]
        for line in self._chance.sample(lines, min(len(lines), self._chance.choice((1, 1, 2)))):
            price = Decimal(self._chance.choice(_PRICES))
            price = price.to_integral_value() or Decimal(1) if deal.currency == "JPY" else price
            self._seller.change("OpportunityLineItem", line, UnitPrice=price)
            yield self._chance.uniform(0, 3)

    def _grow(self, deal: _Deal) -> Act:
        for _ in range(self._chance.choice((1, 2))):
            self._add(deal, [self._line(deal.currency, len(deal.lines) + 10)])
            yield self._chance.uniform(0, 3)

    def _shrink(self, deal: _Deal) -> Act:
        if len(deal.lines) > 1:
            line = self._chance.choice(deal.lines)
            deal.lines.remove(line)
            self._seller.delete("OpportunityLineItem", line)
        yield 0.0

    def _rename(self, deal: _Deal) -> Act:
        suffix = self._chance.randrange(1000)
        self._seller.change("Opportunity", deal.id, Name=f"Deal renamed {suffix}", PO_Number__c=f"PO-R{suffix}")
        yield 0.0

    def _prolong(self, deal: _Deal) -> Act:
        end = date(2027, 12, 31) + timedelta(days=self._chance.randrange(1, 300))
        self._seller.change("Opportunity", deal.id, Contract_End__c=end.isoformat())
        yield 0.0

    def _rename_account(self, deal: _Deal) -> Act:
        """A change of the account is no change of its deals: only the poll's query tells which ones it concerns."""
        self._seller.change("Account", deal.account, Name=f"Account renamed {self._chance.randrange(1000)}")
        yield 0.0

    def _change_contact(self, deal: _Deal) -> Act:
        """Nothing tells that a contact has changed: somebody touches each deal that it concerns."""
        for contact in self._contacts[deal.account][:1]:
            self._seller.change("Contact", contact, Email=f"new.{self._chance.randrange(1000)}@example.com")
            for each in self.deals:
                if each.account == deal.account:
                    yield from self._touch(each)
        yield 0.0

    def _touch(self, deal: _Deal) -> Act:
        self._seller.change("Opportunity", deal.id, NextStep=f"step {self._chance.randrange(1000)}")
        yield self._chance.uniform(0, 1)

    def _doubt(self, deal: _Deal) -> Act:
        """The terms are questioned, and approved again."""
        self._seller.change("Opportunity", deal.id, Commercial_Terms_Approved__c=False)
        deal.wrong.append("terms")
        yield self._chance.uniform(1, 60)
        if self._chance.random() < 0.7:
            self._right(deal)

    def _reopen(self, deal: _Deal) -> Act:
        """Won by mistake, or too early."""
        if deal.won:
            self._seller.change("Opportunity", deal.id, StageName="Negotiation/Review")
            deal.won = False
            deal.wrong.append("stage")
            yield self._chance.uniform(1, 60)
            if self._chance.random() < 0.7:
                self._right(deal)

    def _move_milestone(self, deal: _Deal) -> Act:
        for line in sorted(deal.milestones & set(deal.lines))[:1]:
            rows = self._seller.query(
                "SELECT Id, Revenue FROM OpportunityLineItemSchedule "
                f"WHERE OpportunityLineItemId = '{line}' ORDER BY ScheduleDate"
            )
            day = _FIRST_DAY + timedelta(days=self._chance.randrange(1, 300))
            self._seller.change("OpportunityLineItemSchedule", rows[0]["Id"], ScheduleDate=day.isoformat())
        yield 0.0

    def _right(self, deal: _Deal) -> None:
        if not deal.wrong:
            return
        what = deal.wrong.pop()
        self._say(f"right {what} {deal.id}")
        if what == "terms":
            self._seller.change("Opportunity", deal.id, Commercial_Terms_Approved__c=True)
        else:
            self._seller.win(deal.id)
            deal.won = True

    # Operating

    def _operate(self) -> Act:
        match self._chance.choice(("redrive parked", "redrive any", "abort", "webhook", "gap", "overflow")):
            case "redrive parked":
                stuck = [each.deal for each in redriving.parked()]
                self._say(f"redrive {len(stuck)} parked")
                redriving.redrive(stuck)
            case "redrive any":
                deal = self._chance.choice(self.deals)
                self._say(f"redrive {deal.id}")
                redriving.redrive([_key(deal)])
            case "webhook":
                self._automate(self._chance.choice(self.deals), tries=5)
            case "gap":
                self._world.salesforce.emit({"type": "GAP_UPDATE", "id": self._chance.choice(self.deals).id})
            case "overflow":
                self._world.salesforce.emit({"type": "GAP_OVERFLOW", "duplicate": 1})
            case _:
                running = sorted(
                    each.name for each in self._world.states.executions.values() if each.status == "RUNNING"
                )
                if running:
                    name = self._chance.choice(running)
                    self._say(f"abort {name}")
                    self._world.executions.abort(name)
        yield 0.0

    def _automate(self, deal: _Deal, tries: int) -> None:
        """The org's own automation posts a signed webhook, again for as long as it is not accepted."""
        now = self._world.scheduler.now()
        body = json.dumps({"event_id": f"automation-{deal.id}-{now:%H%M%S}", "opportunity_ids": [deal.id]})
        headers = signatures.sign(WEBHOOK_SECRET, int(now.timestamp()), body.encode())
        event = {
            "requestContext": {"http": {"method": "POST"}, "domainName": "api.invalid"},
            "rawPath": "/events/salesforce",
            "pathParameters": {"connection": "salesforce"},
            "headers": headers,
            "body": body,
        }

        def answered(answer: Answer) -> None:
            status = answer.result["statusCode"] if answer.error is None else 500
            self._say(f"webhook {status}")
            if status >= 500 and tries > 1:
                self._world.scheduler.after(5.0, lambda: self._automate(deal, tries - 1))

        self._world.call("receive_crm_event", event, answered)

    # Acting in time

    def _later(self, seconds: float, act: Act) -> None:
        self._world.scheduler.after(seconds, lambda: self._go_on(act))

    def _go_on(self, act: Act) -> None:
        try:
            pause = next(act)
        except StopIteration:
            return
        except RuntimeError as error:
            # Salesforce refuses what a person asks of it; the person shrugs.
            self.refused += 1
            self._say(f"refused: {str(error)[:200]}")
            return
        self._later(pause, act)

    def _say(self, what: str) -> None:
        self.acts.append(what)
        self._world.tell(f"people: {what}")


def _key(deal: _Deal) -> DealKey:
    return DealKey(crm="salesforce", opportunity=deal.id)
