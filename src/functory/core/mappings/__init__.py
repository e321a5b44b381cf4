"""Event source mappings: who polls which source for which function, and what becomes of every batch."""
