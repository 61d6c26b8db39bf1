"""Pure decisions. Nothing here reads a clock, a network or a table.

checks.py      what a deal must have before anything is written: findings with field, rule and remedy
billing.py     the billing arithmetic: a line to the amounts that fall due, exact to the minor unit
engagement.py  a deal to the records that shall stand outside
planning.py    desired against applied: the plan
"""
