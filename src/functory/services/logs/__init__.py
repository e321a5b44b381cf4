"""CloudWatch Logs: groups, streams, events, filter patterns; and where the engine puts what functions print.

`service.LogsService` is the room's door. ``docs/architecture/logs.md`` walks through it.
"""
