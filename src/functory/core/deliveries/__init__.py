"""The durable queue: one delivery is one at-least-once hand-over of a payload to a target."""
