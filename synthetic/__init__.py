"""An invented borough with known truth, in the layouts and with the mistakes of real partners.

It knows nothing of the pipeline, and the pipeline nothing of it.
"""
