"""AWS Identity and Access Management: users, groups, roles, policies, keys; and what the node asks of them.

`service.IamService` is the room's door. ``docs/architecture/iam.md`` walks through it.
"""
