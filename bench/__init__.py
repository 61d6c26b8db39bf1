"""What is fast and what it costs, measured in one sitting by `make bench`; the results stand in docs/performance.md.

deals.py      the deals that are sold for measuring, and the pairs of CRM and ERP
sellers.py    who sells them in each CRM
deployed.py   the platform in a home of its own, with simulators of its own
processes.py  processor time and memory of the functions' processes
metered.py    a world in which every AWS request and every state is counted
units.py      DynamoDB's request units, by arithmetic
calls.py      vendor calls per deal, beside the least that the vendors' APIs allow
steps.py      processor time per step and per deal
cold.py       cold starts and layer sizes (cold_start.py is the fresh process)
bare.py       the vendor calls of a deal in one process, without ledger and state machine
latency.py    from won to active, beside the bare calls
burst.py      many deals at once
catch_up.py   deals won beside work that can wait
growth.py     more lines, more deals
cost.py       what AWS charges, by prices.toml
report.py     the table and docs/performance.md
"""
