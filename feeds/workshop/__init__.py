"""For the engineer who adds a feed: a contract drafted from a sample, tried on a file, and said in plain words.

What belongs here: what helps to write a contract. No delivery is taken in by any of it.
"""
