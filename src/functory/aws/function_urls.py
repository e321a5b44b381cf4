"""Where function URLs are: by host name, as on AWS, or by a path of the node's own.

``<id>.lambda-url.<region>.<anything>``: whatever domain leads to this node will do, since the id alone names the function.
``/_functory/url/<id>/…``: for clients that cannot resolve names below ``localhost``; what follows the id is the path the
function sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from functory.aws.http import HttpRequest

PATH_PREFIX = "/_functory/url/"
ID_CHARS = 32
_HOST = re.compile(rf"([a-z0-9]{{{ID_CHARS}}})\.lambda-url\.([a-z0-9-]{{1,64}})\.[a-z0-9.-]{{1,190}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class UrlAddress:
    """What a request to a function URL names.

    Attributes:
        url_id: 32 characters; not known to exist.
        domain: the host name without port, ``""`` for the path form.
        path: what the function sees: raw, percent-encoded, with its leading slash.
    """

    url_id: str
    domain: str
    path: str


def is_function_url(request: HttpRequest) -> bool:
    """Whether a request is for a function URL, well-formed or not."""
    return ".lambda-url." in request.headers.get("host", "").lower() or request.path.startswith(PATH_PREFIX)


def address_of(request: HttpRequest) -> UrlAddress | None:
    """What the request names; None when nothing can have that name. The host wins."""
    host = request.headers.get("host", "")
    if ".lambda-url." in host.lower():
        found = _by_host(host)
        return UrlAddress(found[0], found[1], request.path) if found is not None else None
    if not request.path.startswith(PATH_PREFIX):
        return None
    url_id, _, rest = request.path[len(PATH_PREFIX) :].partition("/")
    return UrlAddress(url_id, "", f"/{rest}") if len(url_id) == ID_CHARS else None


@lru_cache(maxsize=512)
def _by_host(host: str) -> tuple[str, str] | None:
    name, colon, port = host.strip().lower().rpartition(":")
    if not (colon and port.isdigit()):
        name = host.strip().lower()
    name = name.rstrip(".")
    found = _HOST.fullmatch(name)
    return (found[1], name) if found is not None else None
