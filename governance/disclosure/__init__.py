"""Disclosure control: what becomes of every table of counts before it leaves.

Profiles say what is done, `declared` what is to be counted, `counted` whom that counts, `tables` lays it out, and
`cells` decides what may be shown. Whether a table may leave at all is asked of the agreements, by the release gate.
"""
