"""What history says: features, rules and cohorts, risk models and the gate that they must pass.

Who may see a flag belongs in governance; how a page says it belongs in summaries.
"""
