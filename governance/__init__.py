"""Who may see what: keys, the vault, pseudonyms, agreements, the release gate, the audit log.

What a council shares with whom is said in its agreements; what the shared facts are belongs in the rooms above.
"""
