"""Who is who: comparing records, training, scoring what changed, clustering, lasting ids, golden people, households.

Facts about people belong in models; where records come from belongs in feeds.
"""
