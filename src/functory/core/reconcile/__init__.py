"""Background jobs: no input, idempotent, on a timer and on a nudge, never two at once."""
