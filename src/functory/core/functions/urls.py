"""Function URLs: an HTTP address of a function or of one of its aliases. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

AUTH_NONE = "NONE"
AUTH_IAM = "AWS_IAM"
BUFFERED = "BUFFERED"
RESPONSE_STREAM = "RESPONSE_STREAM"


@dataclass(frozen=True, slots=True)
class Cors:
    """Which other origins a browser may let in; AWS's members."""

    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """One URL.

    Attributes:
        url_id: 32 characters; never given twice.
        account_id: of the function; likewise ``region`` and ``name``.
        qualifier: an alias, or ``""`` for ``$LATEST``.
        auth_type: `AUTH_NONE` or `AUTH_IAM`.
        invoke_mode: `BUFFERED` or `RESPONSE_STREAM`.
        cors: None when the platform shall not care.
    """

    url_id: str
    account_id: str
    region: str
    name: str
    qualifier: str = ""
    auth_type: str = AUTH_NONE
    invoke_mode: str = BUFFERED
    cors: Cors | None = None

    @property
    def arn(self) -> str:
        """The function's ARN with the alias, as far as there is one."""
        bare = f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"
        return f"{bare}:{self.qualifier}" if self.qualifier else bare

    @property
    def domain_start(self) -> str:
        """The host name up to the domain that leads to a node."""
        return f"{self.url_id}.lambda-url.{self.region}"
