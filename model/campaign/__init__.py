"""Fault campaigns: how accurate a network still is when its weights err, over many maps of errors.

Works on networks alone, and knows nothing of arrays and simulators.
"""
