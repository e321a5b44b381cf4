"""The smallest useful function: greets whom the event names, and logs that it did."""

import platform


def handler(event, context):
    """Called once per invocation; what it returns is the answer."""
    name = event.get("name", "world")
    print(f"greeting {name}, {context.get_remaining_time_in_millis()} ms left")
    return {"message": f"Hello, {name}!", "python": platform.python_version(), "request_id": context.aws_request_id}
