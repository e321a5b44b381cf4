"""The durable queue: at-least-once hand-over of payloads to targets, with due time, lease, attempts and expiry.

`port` (what senders and targets see), `queue` (the room), `retry` (pure policies); inside: `lanes` (who is next, pure),
`rows` (the statements), `tables`.
"""
