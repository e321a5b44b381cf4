"""AWS Lambda's quotas and the bounds of this house, each with where it comes from.

Sizes are bytes unless the name says otherwise.
"""

from __future__ import annotations

MIB = 1024 * 1024

# AWS: Lambda quotas page, 2026
SYNC_REQUEST_BYTES = 6 * MIB
SYNC_RESPONSE_BYTES = 6 * MIB + 100  # 6,291,556: the literal limit in Lambda's error text
ASYNC_REQUEST_BYTES = 1 * MIB  # 256 KB before 2025
CODE_ZIPPED_BYTES = 52_428_800
CODE_UNZIPPED_BYTES = 262_144_000
CODE_STORAGE_BYTES = 300 * 1024 * MIB  # per account and Region, unzipped, since 2026
CREATE_REQUEST_BYTES = 70_167_211  # the literal limit in Lambda's error text for CreateFunction
ENVIRONMENT_BYTES = 4096
CLIENT_CONTEXT_BYTES = 3583
LOG_TAIL_BYTES = 4096
TAGS_PER_RESOURCE = 50
ACCOUNT_CONCURRENCY = 1000
UNRESERVED_CONCURRENCY_FLOOR = 100
MEMORY_MIB_MIN = 128
MEMORY_MIB_MAX = 10_240  # the model allows 32,768 for Managed Instances only
TIMEOUT_S_MAX = 900  # the model allows 5,400 for Managed Instances only
EPHEMERAL_MIB_MIN = 512
EPHEMERAL_MIB_MAX = 10_240
MIB_PER_VCPU = 1769
INIT_TIMEOUT_S = 10.0
OPEN_FILES = 1024
PROCESSES = 1024

# Ours: bounds where AWS documents none
HEADER_BYTES = 1 * MIB + 64 * 1024  # line and headers; AWS: 1 MB, and runtime clients send X-Ray causes of up to 1 MiB
HEADER_COUNT = 200
ZIP_ENTRIES = 65_535  # what a zip without the ZIP64 extension can hold
