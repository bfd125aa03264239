"""What partners send: contracts, readers, rules, the mapping to the canonical tables, the load ledger.

Nothing about one feed is in code: a feed is a contract under `sites/<council>/feeds/`. Who is who belongs in linkage.

In the order in which a delivery meets them: `contracts` and `dialect` (what a contract may say); `deliveries` and
`envelopes` (the drop folder); `arrivals` and `intake` (the order of the steps); `readers` (files into text); `rules`
with `checks`, `sifting` and `spool` (rows judged and parted); `state` and `purges` (what stands after a delivery);
`mapping`, `people`, `names` and `cleaning` (the canonical tables); `ledger` and `history` (what was known when).
What must go is taken out by `erasing` (people) and `expiry` (what has run out).
`workshop` helps to write a contract.
"""
