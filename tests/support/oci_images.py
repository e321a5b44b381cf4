"""Container images made by hand: an OCI layout in a folder, and a registry that serves it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def member(name: str, kind: bytes = tarfile.REGTYPE, *, to: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    """One entry of a layer."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, to, mode, 1_700_000_000
    return info


def folder(name: str, mode: int = 0o755) -> tarfile.TarInfo:
    return member(name, tarfile.DIRTYPE, mode=mode)


def link(name: str, to: str) -> tarfile.TarInfo:
    return member(name, tarfile.SYMTYPE, to=to)


def hard_link(name: str, to: str) -> tarfile.TarInfo:
    return member(name, tarfile.LNKTYPE, to=to)


Entries = Mapping[str, bytes | str] | Sequence[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]


def layer(entries: Entries) -> bytes:
    """A tar file: of contents by name, or of entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        pairs: list[tuple[tarfile.TarInfo, bytes]] = []
        if isinstance(entries, Mapping):
            pairs = [
                (member(name), content.encode() if isinstance(content, str) else content)
                for name, content in entries.items()
            ]
        else:
            pairs = [entry if isinstance(entry, tuple) else (entry, b"") for entry in entries]
        for info, content in pairs:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Layout:
    """An OCI layout."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blobs = path / "blobs/sha256"
        self.blobs.mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._index: list[dict[str, Any]] = []

    def blob(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (self.blobs / digest).write_bytes(content)
        return f"sha256:{digest}"

    def add(
        self,
        tag: str,
        layers: Sequence[Entries],
        *,
        architecture: str = "amd64",
        config_type: str = CONFIG,
        layer_type: str = LAYER,
        manifest_type: str = MANIFEST,
        **config: Any,
    ) -> str:
        """Add an image; its digest. ``config`` is Entrypoint, Cmd, Env, WorkingDir."""
        tars = [layer(entries) for entries in layers]
        blobs = [gzip.compress(tar, mtime=0) for tar in tars]
        document = {
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
        }
        about = json.dumps(document).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": {"mediaType": config_type, "digest": self.blob(about), "size": len(about)},
            "layers": [{"mediaType": layer_type, "digest": self.blob(blob), "size": len(blob)} for blob in blobs],
        }
        content = json.dumps(manifest).encode()
        digest = self.blob(content)
        self._index = [entry for entry in self._index if entry["annotations"]["org.opencontainers.image.ref.name"] != tag]
        self._index.append(
            {
                "mediaType": manifest_type,
                "digest": digest,
                "size": len(content),
                "annotations": {"org.opencontainers.image.ref.name": tag},
            }
        )
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._index}))
        return digest

    def find(self, reference: str) -> str | None:
        """Hex digest of a tag or digest."""
        if reference.startswith("sha256:"):
            return reference.removeprefix("sha256:")
        for entry in self._index:
            if entry["annotations"]["org.opencontainers.image.ref.name"] == reference:
                return str(entry["digest"]).removeprefix("sha256:")
        return None


@contextlib.contextmanager
def registry(layout: Layout, name: str = "demo/app") -> Iterator[str]:
    """The pull half of the distribution API over plain HTTP; ``host:port``. Everything but ``name`` is denied."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if self.path == "/v2/":
                return self._answer(200, b"{}")
            if not self.path.startswith(f"/v2/{name}/"):
                return self._answer(403, b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}')
            kind, reference = self.path.removeprefix(f"/v2/{name}/").split("/")
            digest = layout.find(reference)
            blob = layout.blobs / (digest or "absent")
            if not blob.is_file():
                return self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
            content = blob.read_bytes()
            media = json.loads(content).get("mediaType", MANIFEST) if kind == "manifests" else "application/octet-stream"
            return self._answer(200, content, media, f"sha256:{digest}")

        def _answer(self, status: int, body: bytes, media: str = "application/json", digest: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
