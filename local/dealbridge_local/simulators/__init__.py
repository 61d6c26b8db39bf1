"""Simulators of the vendors' APIs, one folder each, over one small kernel.

wire.py        a request and a response, as plain values
store.py       the records a simulator holds, with the one-write-back view that a stale read shows
faults.py      what can go wrong on the wire, and when
simulator.py   the base of every simulator: call log, faults, the control surface under /__sim
server.py      simulators on real ports of 127.0.0.1
transport.py   the same simulators as an httpx transport, with no socket between
"""
