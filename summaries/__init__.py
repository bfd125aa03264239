"""What people read: the facts of a case, pages, quality reports.

What may be shown is decided by governance before it comes here.
"""
