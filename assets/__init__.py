"""What Kinfold makes, a module a stage.

An asset reads its inputs, calls one domain function, writes, and returns counts. Logic that a test would want without
Dagster belongs in the rooms below; how and when assets run belongs in `pipelines`.
"""
