"""The environment variables AWS gives each runtime (Text log format), as recorded from its runtimes."""

from __future__ import annotations

_EVERYWHERE = """
AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_DEFAULT_REGION AWS_LAMBDA_FUNCTION_NAME
AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME
AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS
_AWS_XRAY_DAEMON_ADDRESS _AWS_XRAY_DAEMON_PORT LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT LANG TZ PATH LD_LIBRARY_PATH _HANDLER
"""
EVERYWHERE = frozenset(_EVERYWHERE.split())
OURS = frozenset({"AWS_ENDPOINT_URL", "HOME"})
"""Not of AWS: what a function needs to find this node, and what every OCI runtime adds from ``/etc/passwd``."""

LIBRARIES = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
PROGRAMS = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"


def names(runtime: str) -> set[str]:
    """Every variable of a runtime while it handles an invocation."""
    found = set(EVERYWHERE | OURS)
    language, _, version = runtime.partition("3.") if runtime.startswith("python") else (runtime[:6], "", runtime[6:-2])
    if not runtime.startswith("provided"):
        found |= {"AWS_EXECUTION_ENV", "PWD", "SHLVL", "_X_AMZN_TRACE_ID"}
    if language == "python":
        found |= {"PYTHONPATH"} | ({"LC_CTYPE"} if int(version) >= 12 else set())
    if language == "nodejs":
        found |= {"NODE_PATH"} | ({"NODE_EXTRA_CA_CERTS"} if int(version) <= 18 else set())
    return found


def values(runtime: str, function: str, log_stream: str) -> dict[str, str]:
    """What is known in advance of their values."""
    has_lang = runtime != "provided.al2"
    known = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001" if has_lang else "127.0.0.1:9001",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"/var/lang/bin:{PROGRAMS}" if has_lang else PROGRAMS,
        "LD_LIBRARY_PATH": f"/var/lang/lib:{LIBRARIES}" if has_lang else LIBRARIES,
        "_HANDLER": "app.handler",
    }
    if has_lang:  # provided.al2 has it at another address
        known |= {
            "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
            "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
            "_AWS_XRAY_DAEMON_PORT": "2000",
        }
    if not runtime.startswith("provided"):
        known |= {"AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}", "PWD": "/var/task", "SHLVL": "0"}
    if runtime.startswith("python"):
        known["PYTHONPATH"] = "/var/runtime"
    if runtime.startswith("nodejs"):
        major = runtime[6:-2]
        known["NODE_PATH"] = (
            f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
        )
    return known
