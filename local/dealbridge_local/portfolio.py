"""Deals as a services firm sells them: for the demo, over every pair of CRM and ERP that is deployed."""

import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from dealbridge.domain.keys import DealKey
from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.platform import Platform
from dealbridge_local.salesforce_user import SalesforceUser, Sold


@dataclass(frozen=True)
class Sale:
    """A deal that stands ready to be won."""

    key: DealKey
    name: str
    entity: str
    erp: str


class Sellers:
    """People who sell in each CRM."""

    def __init__(self, running: Platform) -> None:
        simulators = running.endpoints["simulators"]
        self.salesforce = SalesforceUser(simulators["salesforce"]["url"], simulators["salesforce"]["credentials"])
        self.hubspot = HubSpotUser(simulators["hubspot"]["url"], simulators["hubspot"]["credentials"])

    def close(self) -> None:
        self.salesforce.close()
        self.hubspot.close()

    def win(self, sale: Sale) -> None:
        if sale.key.crm == "salesforce":
            self.salesforce.win(sale.key.opportunity)
        else:
            self.hubspot.win(sale.key.opportunity)


def sell(sellers: Sellers) -> list[Sale]:
    """One deal for each pair of CRM and ERP; the first is the richest."""
    stamp = time.strftime("%H:%M:%S")
    return [
        robotics(sellers.salesforce, stamp),
        _automotive(sellers.salesforce, stamp),
        _logistics(sellers.hubspot, stamp),
        _optics(sellers.hubspot, stamp),
    ]


def robotics(seller: SalesforceUser, stamp: str) -> Sale:
    """Two accounts, two contacts, five lines, four ways of billing."""
    group = seller.create_account("Contoso Holding", BillingCountry="United States", BillingCity="New York")
    account = seller.create_account(
        f"Contoso Robotics ({stamp})",
        parent=group,
        Legal_Name__c="Contoso Robotics Inc.",
        BillingStreet="1 Main St",
        BillingCity="Boston",
        BillingState="MA",
        BillingPostalCode="02110",
        BillingCountry="United States",
        Tax_Registrations__c="US: 12-3456789",
        Payment_Terms__c="Net 30",
        Phone="+1 617 555 0100",
    )
    contacts = [
        seller.create_contact(account, "Jane", "Doe", "jane.doe@contoso.example"),
        seller.create_contact(account, "Ravi", "Patel", "ravi.patel@contoso.example"),
    ]
    lines = [
        Sold(
            "IMPL",
            "ERP implementation",
            Decimal(1),
            Decimal("120000.00"),
            milestones=[
                ("Kick-off", date(2027, 1, 29), Decimal("36000.00")),
                ("Design accepted", date(2027, 4, 30), Decimal("48000.00")),
                ("Go-live", date(2027, 9, 30), Decimal("36000.00")),
            ],
            more={"Hours__c": Decimal(800)},
        ),
        Sold(
            "DEVL",
            "Integrations",
            Decimal(1),
            Decimal("45000.50"),
            milestones=[
                ("Interfaces specified", date(2027, 3, 31), Decimal("15000.17")),
                ("Interfaces live", date(2027, 8, 31), Decimal("30000.33")),
            ],
            more={"Hours__c": Decimal(300)},
        ),
        Sold("TRNG", "Key user training", Decimal(4), Decimal("1850.00")),
        Sold(
            "ADVS",
            "Change advisory",
            Decimal(120),
            Decimal("210.00"),
            billing_type="Time and Materials",
            more={"Hours__c": Decimal(120), "Cap_Amount__c": Decimal("27500.00")},
        ),
        Sold(
            "SUPP",
            "Hypercare retainer",
            Decimal(1),
            Decimal("10000.00"),
            billing_type="Retainer",
            more={"Billing_Frequency__c": "Monthly", "Start_Date__c": "2027-10-01", "End_Date__c": "2027-12-31"},
        ),
    ]
    name = f"Contoso Robotics: ERP rollout ({stamp})"
    opportunity = seller.open_deal(name, account, lines, contacts=contacts)
    return Sale(DealKey(crm="salesforce", opportunity=opportunity), name, "NA-US", "netsuite")


def _automotive(seller: SalesforceUser, stamp: str) -> Sale:
    account = seller.create_account(
        f"Adatum Automotive ({stamp})",
        Legal_Name__c="Adatum Automotive GmbH",
        BillingStreet="Leopoldstr. 1",
        BillingCity="München",
        BillingPostalCode="80802",
        BillingCountry="Germany",
        Tax_Registrations__c="DE: DE811907980",
    )
    contact = seller.create_contact(account, "Ute", "Maier", "ute.maier@adatum.example")
    lines = [
        Sold(
            "ADVS",
            "Zielbild",
            Decimal(1),
            Decimal("28000.00"),
            milestones=[
                ("Analyse", date(2027, 2, 26), Decimal("9333.33")),
                ("Zielbild abgenommen", date(2027, 5, 28), Decimal("18666.67")),
            ],
        ),
        Sold(
            "MNGD",
            "Betrieb",
            Decimal(1),
            Decimal("60000.00"),
            billing_type="Retainer",
            more={"Billing_Frequency__c": "Quarterly"},
        ),
    ]
    name = f"Adatum: Zielbild und Betrieb ({stamp})"
    opportunity = seller.open_deal(
        name, account, lines, currency="EUR", contacts=[contact], Legal_Entity__c="EMEA-DE", PO_Number__c="4500012345"
    )
    return Sale(DealKey(crm="salesforce", opportunity=opportunity), name, "EMEA-DE", "s4hana")


def _logistics(seller: HubSpotUser, stamp: str) -> Sale:
    parent = seller.create_company("Litware Group", country="United States", city="Chicago")
    company = seller.create_company(
        f"Litware Logistics ({stamp})", parent=parent, country="United States", city="Chicago", state="IL", zip="60601"
    )
    contact = seller.create(
        "contacts", firstname="Lee", lastname="Chan", email=f"lee.{stamp.replace(':', '')}@litware.example"
    )
    lines = [
        Sold("IMPL", "Warehouse rollout", Decimal(1), Decimal("54000.00"), more={"hours": 400}),
        Sold("TRNG", "Training days", Decimal(6), Decimal("1450.00")),
    ]
    name = f"Litware: warehouse rollout ({stamp})"
    deal = seller.open_deal(name, company, lines, contacts=[contact])
    return Sale(DealKey(crm="hubspot", opportunity=deal), name, "NA-US", "netsuite")


def _optics(seller: HubSpotUser, stamp: str) -> Sale:
    company = seller.create_company(
        f"Proseware Optics ({stamp})",
        country="Germany",
        city="Jena",
        zip="07743",
        tax_registrations="DE: DE129273398",
    )
    lines = [
        Sold(
            "DEVL",
            "Messplatz-Software",
            Decimal(1),
            Decimal("91000.10"),
            milestones=[
                ("Prototyp", date(2027, 3, 31), Decimal("30333.37")),
                ("Abnahme", date(2027, 10, 29), Decimal("60666.73")),
            ],
        ),
        Sold("SUPP", "Wartung", Decimal(12), Decimal("950.00"), billing_type="Fixed"),
    ]
    name = f"Proseware: Messplatz ({stamp})"
    deal = seller.open_deal(name, company, lines, currency="EUR", legal_entity="EMEA-DE")
    return Sale(DealKey(crm="hubspot", opportunity=deal), name, "EMEA-DE", "s4hana")
