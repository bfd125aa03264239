"""What Kinfold stores: the canonical tables, the store that holds them, the marts that publish them.

A table's definition says its columns, what they mean and its zone; everything else (the store's checks, the marts'
comments, the data dictionary) is made from it. Nothing here knows feeds, linkage or Dagster.
"""
