"""What the steps do: each module is the body of one or two functions, over ledger, rules, mappings and ports.

entrance.py  what the entrances share: requests answered, refused ones kept, events taken once
intake.py    an inbound CRM request or bus event to hints (receive_crm_event)
noticing.py  an inbound ERP or PSA event to facts (receive_erp_event)
polling.py   the scheduled catch-up read of changed deals (poll_crm)
starting.py  a hint to a run (start_deal_run)
reading.py   the deal read whole, as a snapshot (read_deal), and checked (check_deal)
planning.py  the snapshot to a plan (plan_deal), also without a run (`dealbridge plan`)
applying.py  a step's operations, each an effect with proof (sync_*, request_staffing, update_crm)
closing.py   how a run ends (close_run, park_run, park_dead_run)
redriving.py what is stuck goes on (`dealbridge redrive`)
"""
