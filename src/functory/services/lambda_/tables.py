"""The tables of the Lambda service.

One row of ``lambda_versions`` is one version of a function, ``$LATEST`` included; a published version's row is an immutable
copy. The ``live_*`` columns are what runs now: they follow the rest of the row when its preparation succeeded, so a function
keeps running its old code while an update is in progress or after it failed. ``lambda_version_counters`` outlives its
function, because AWS never reuses a version number. ``lambda_packages`` lists the blobs that are ours, so that the
collection of unused ones leaves everybody else's alone.

The policy and the configuration of asynchronous invocation of a function, a version or an alias go with it.

A layer has a row per version and, as functions have, a counter that outlives it. ``lambda_layer_uses`` says which packages
and which merged folder the layers of a function's version need, of what was asked for and of what is live; it follows from
the ``config`` and ``live_config`` of the version and is written with them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from functory.store.port import METADATA

FUNCTION_KEY = ("account_id", "region", "name")


def _function_key() -> list[Column[str]]:
    return [
        Column("account_id", String(12), primary_key=True),
        Column("region", String(64), primary_key=True),
        Column("name", String(64), primary_key=True),
    ]


FUNCTIONS = Table(
    "lambda_functions",
    METADATA,
    *_function_key(),
    Column("tags", Text, nullable=False),  # JSON object
    Column("published_version", String(20), nullable=False),  # "" when nothing was published
    Column("published_digest", String(64), nullable=False),  # of $LATEST when that version was published
    Column("reserved_concurrency", Integer, nullable=True),
    Column("recursive_loop", String(16), nullable=True),  # null: Terminate
    Column("code_signing_config", String(200), nullable=True),  # ARN
)

VERSION_COUNTERS = Table(
    "lambda_version_counters",
    METADATA,
    *_function_key(),
    Column("last_number", Integer, nullable=False),
)

VERSIONS = Table(
    "lambda_versions",
    METADATA,
    *_function_key(),
    Column("version", String(20), primary_key=True),
    Column("number", Integer, nullable=False),  # 0 for $LATEST: the order of lists
    Column("config", Text, nullable=False),  # JSON of records.Config
    Column("code_key", String(64), nullable=False),
    Column("code_bytes", BigInteger, nullable=False),
    Column("unzipped_bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_reason", Text, nullable=False),
    Column("state_reason_code", String(64), nullable=False),
    Column("update_status", String(16), nullable=False),  # "" before the first update ended
    Column("update_reason", Text, nullable=False),
    Column("update_reason_code", String(64), nullable=False),
    Column("revision_id", String(36), nullable=False),
    Column("epoch", String(36), nullable=False),
    Column("modified_at", Float, nullable=False),  # epoch seconds
    Column("unsettled", Integer, nullable=False),  # 1 while the reconciler has to do something
    Column("live_epoch", String(36), nullable=False),  # "" before the first preparation succeeded
    Column("live_code_key", String(64), nullable=False),
    Column("live_config", Text, nullable=False),
    Index("ix_lambda_versions_unsettled", "unsettled"),
    Index("ix_lambda_versions_code_key", "code_key"),
    Index("ix_lambda_versions_live_code_key", "live_code_key"),
)

ALIASES = Table(
    "lambda_aliases",
    METADATA,
    *_function_key(),
    Column("alias", String(128), primary_key=True),
    Column("version", String(20), nullable=False),
    Column("description", Text, nullable=False),
    Column("extra_version", String(20), nullable=False),  # "" without routing configuration
    Column("extra_weight", Float, nullable=False),
    Column("revision_id", String(36), nullable=False),
)

EVENT_INVOKE_CONFIGS = Table(
    "lambda_event_invoke_configs",
    METADATA,
    *_function_key(),
    Column("qualifier", String(128), primary_key=True),  # $LATEST, a number or an alias
    Column("retries_max", Integer, nullable=True),
    Column("age_s_max", Integer, nullable=True),
    Column("on_success", Text, nullable=False),  # ARN or ""
    Column("on_failure", Text, nullable=False),
    Column("modified_at", Float, nullable=False),  # epoch seconds
)

URLS = Table(
    "lambda_function_urls",
    METADATA,
    *_function_key(),
    Column("qualifier", String(128), primary_key=True),  # an alias, "" for $LATEST
    Column("url_id", String(32), nullable=False),
    Column("auth_type", String(16), nullable=False),
    Column("invoke_mode", String(16), nullable=False),
    Column("cors", Text, nullable=False),  # JSON of core.functions.urls.Cors, "" without
    Column("created_at", Float, nullable=False),  # epoch seconds
    Column("modified_at", Float, nullable=False),
    Index("ix_lambda_function_urls_url_id", "url_id", unique=True),
)

RUNTIME_MANAGEMENT = Table(
    "lambda_runtime_management",
    METADATA,
    *_function_key(),
    Column("version", String(20), primary_key=True),
    Column("mode", String(16), nullable=False),  # Auto, Manual, FunctionUpdate
    Column("pinned_arn", Text, nullable=False),  # "" for whatever is installed
)

CODE_SIGNING_CONFIGS = Table(
    "lambda_code_signing_configs",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("description", Text, nullable=False),
    Column("publishers", Text, nullable=False),  # JSON list of ARNs
    Column("policy", String(16), nullable=False),  # Warn, Enforce
    Column("tags", Text, nullable=False),  # JSON object
    Column("modified_at", Float, nullable=False),  # epoch seconds
)

POLICIES = Table(
    "lambda_policies",
    METADATA,
    *_function_key(),
    Column("qualifier", String(128), primary_key=True),  # "" for the function itself
    Column("document", Text, nullable=False),  # JSON, as given or built
    Column("revision_id", String(36), nullable=False),
)

PROVISIONED = Table(
    "lambda_provisioned_concurrency",
    METADATA,
    *_function_key(),
    Column("qualifier", String(128), primary_key=True),  # a published version or an alias
    Column("requested", Integer, nullable=False),
    Column("modified_at", Float, nullable=False),  # epoch seconds
    Column("generation", String(36), nullable=False),  # changes with every request: forgives what failed before
)

LAYER_COUNTERS = Table(
    "lambda_layer_counters",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("name", String(140), primary_key=True),
    Column("last_number", BigInteger, nullable=False),
)

LAYER_VERSIONS = Table(
    "lambda_layer_versions",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("name", String(140), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("description", Text, nullable=False),
    Column("license_info", Text, nullable=False),
    Column("runtimes", Text, nullable=False),  # JSON list
    Column("architectures", Text, nullable=False),  # JSON list
    Column("created_at", Float, nullable=False),  # epoch seconds
    Column("code_key", String(64), nullable=False),
    Column("zipped_bytes", BigInteger, nullable=False),
    Column("unzipped_bytes", BigInteger, nullable=False),
    Column("statements", Text, nullable=False),  # JSON list of layers_records.LayerStatement
    Column("policy_revision_id", String(36), nullable=False),  # "" before the first permission
    Index("ix_lambda_layer_versions_code_key", "code_key"),
)

LAYER_USES = Table(
    "lambda_layer_uses",
    METADATA,
    *_function_key(),
    Column("version", String(20), primary_key=True),
    Column("folder", String(80), primary_key=True),  # artifacts' name of what /opt shows
    Column("code_key", String(64), primary_key=True),
    Index("ix_lambda_layer_uses_code_key", "code_key"),
    Index("ix_lambda_layer_uses_folder", "folder"),
)

PACKAGES = Table(
    "lambda_packages",
    METADATA,
    Column("code_key", String(64), primary_key=True),
    Column("touched_at", Float, nullable=False),  # epoch seconds: last time something began or ceased to refer to it
)
