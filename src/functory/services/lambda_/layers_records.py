"""What the tables hold of layers, as values. Pure.

A layer is the name its versions have together; it exists while one of them does. A layer version never changes, except
for its policy.
"""

from __future__ import annotations

from typing import Any

import msgspec


class LayerUse(msgspec.Struct, frozen=True):
    """A layer version as a function uses it: kept whole with the function, since the layer version may be deleted.

    Attributes:
        arn: of the layer version.
        key: blob key of its zip.
        zipped_bytes: AWS's ``CodeSize``.
        unzipped_bytes: counted towards what a function may have unzipped.
    """

    arn: str
    key: str
    zipped_bytes: int
    unzipped_bytes: int


class LayerStatement(msgspec.Struct, frozen=True):
    """One permission of a layer version.

    Attributes:
        sid: statement id.
        principal: 12 digits, or ``*``.
        organization_id: with ``*``: only accounts of this organization; ``""`` for every account.
    """

    sid: str
    principal: str
    organization_id: str = ""


class LayerVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a layer.

    Attributes:
        created_at: epoch seconds.
        code_key: blob key of its zip.
        statements: its policy; empty when it has none.
        policy_revision_id: changes with the policy.
    """

    account_id: str
    region: str
    name: str
    number: int
    description: str
    license_info: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    created_at: float
    code_key: str
    zipped_bytes: int
    unzipped_bytes: int
    statements: tuple[LayerStatement, ...] = ()
    policy_revision_id: str = ""

    @property
    def layer_arn(self) -> str:
        """Of the layer, without the version."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:layer:{self.name}"

    @property
    def arn(self) -> str:
        """Of the layer version."""
        return f"{self.layer_arn}:{self.number}"

    def use(self) -> LayerUse:
        """What a function keeps of it."""
        return LayerUse(self.arn, self.code_key, self.zipped_bytes, self.unzipped_bytes)

    def is_for(self, runtime: str, architecture: str) -> bool:
        """Whether it is said to go with both; ``""`` asks for nothing."""
        return (not runtime or runtime in self.runtimes) and (not architecture or architecture in self.architectures)


_LISTS = ("runtimes", "architectures", "statements")


def layer_row(record: LayerVersion) -> dict[str, Any]:
    """A layer version as columns."""
    row = msgspec.structs.asdict(record)
    return row | {name: msgspec.json.encode(row[name]).decode() for name in _LISTS}


def layer_version(row: Any) -> LayerVersion:
    """Columns as a layer version; ``row`` has the columns of ``tables.LAYER_VERSIONS`` as attributes."""
    columns = {name: getattr(row, name) for name in LayerVersion.__struct_fields__}
    return msgspec.convert(columns | {name: msgspec.json.decode(columns[name]) for name in _LISTS}, LayerVersion)
