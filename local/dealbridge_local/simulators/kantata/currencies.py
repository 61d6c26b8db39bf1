"""Currencies as the API shows them beside amounts: a symbol, and how many subunits make a unit."""

from dealbridge_local.simulators.kantata.resource import Derive

SUPPORTED = frozenset(
    "AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PHP PLN QAR RON "  # noqa: SIM905
    "SAR SEK SGD THB TRY TWD UAH USD VND ZAR".split()
)
"""The usual ISO codes; the vendor's own list is in its knowledge base (360041576473)."""

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "$", "AUD": "$"}
_NO_SUBUNITS = frozenset({"JPY", "KRW", "CLP", "VND"})


def base_unit(currency: str) -> int:
    return 1 if currency in _NO_SUBUNITS else 100


def symbol(currency: str) -> str:
    return _SYMBOLS.get(currency, currency)


MONEY_ATTRIBUTES: dict[str, Derive] = {
    "currency_symbol": lambda _tenant, record: symbol(record["currency"]),
    "currency_base_unit": lambda _tenant, record: base_unit(record["currency"]),
}
