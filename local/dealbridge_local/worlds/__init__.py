"""Seeded worlds: the whole platform on one virtual clock, in one process, with everything that can go wrong.

cloud/          AWS in memory
statemachine/   the ASL file as it is, interpreted
"""
