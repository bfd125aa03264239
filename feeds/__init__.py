"""What partners send: contracts, readers, rules, the mapping to the canonical tables, the load ledger.

Nothing about one feed is in code: a feed is a contract under `sites/<council>/feeds/`. Who is who belongs in linkage.
"""
