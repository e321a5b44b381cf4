"""Pure ground under every floor: clock, ids, settings, limits, state tables, logging and the error root.

Nothing here does I/O beyond reading the clock and the random source, and nothing knows what Lambda is.
"""
