"""A hub on 127.0.0.1 that answers as the Hugging Face hub does, and badly when told to.

What it knows of the real one: metadata of a commit with hashes (LFS's SHA-256 for large files,
git's own for small ones), large files by a redirection to another place, ranges.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" + "0" * 34
"""The newest, for who asks for none."""


@dataclass
class FakeHub:
    """Files of one commit, the same for every repository, and what is wrong today."""

    files: dict[str, bytes]

    large: frozenset[str] = frozenset({"model.safetensors", "pytorch_model.bin"})

    cut_after: list[int] = field(default_factory=list)
    """How many bytes of a large file each next answer has before the connection ends."""

    sent_instead: dict[str, bytes] = field(default_factory=dict)
    """Bytes of a file that are not those of which the hashes are told."""

    hangs_up: bool = False
    """On who asks for metadata."""

    status: int = 0
    """Of every answer, if not 0."""

    error_code: str = ""
    """The hub's own word beside that status."""

    other_commit: str = ""
    """Of which it speaks, whichever it is asked for."""

    knows_ranges: bool = True

    shifts_ranges: bool = False
    """It sends another piece than it was asked for."""

    ranges: list[str] = field(default_factory=list)
    """What was asked for of large files; empty: all."""

    num_metadata: int = 0
    """How often metadata were asked for."""

    def __enter__(self) -> FakeHub:
        hub = self

        class Handler(_Handler):
            fake = hub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """For ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def metadata(self, commit: str) -> dict[str, Any]:
        """As the hub tells them of a commit."""
        siblings: list[dict[str, Any]] = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            one = {"rfilename": name, "size": len(content), "blobId": blob.hexdigest()}
            if name in self.large:
                sha256 = hashlib.sha256(content).hexdigest()
                one["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(one)
        sha = self.other_commit or commit
        return {"id": "owner/name", "sha": sha, "siblings": siblings, "private": False}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = self.fake
        if hub.status:
            self._answer(hub.status, b"{}", **{"X-Error-Code": hub.error_code})
        elif self.path.startswith("/api/models/"):
            hub.num_metadata += 1
            if hub.hangs_up:
                self.close_connection = True
                return
            found = re.search(r"/revision/(\w+)", self.path)
            self._answer(200, json.dumps(hub.metadata(found[1] if found else COMMIT)).encode())
        elif found := re.fullmatch(r"/[\w./-]+/resolve/\w+/([\w.]+)", self.path):
            self._resolve(found[1])
        elif found := re.fullmatch(r"/elsewhere/([\w.]+)", self.path):
            self._send_large(found[1])
        else:
            self._answer(404, b"{}")

    def _resolve(self, name: str) -> None:
        hub = self.fake
        if name not in hub.files:
            self._answer(404, b"{}", **{"X-Error-Code": "EntryNotFound"})
        elif name in hub.large:
            self._answer(302, b"", Location=f"{hub.address}/elsewhere/{name}")
        else:
            self._answer(200, hub.sent_instead.get(name, hub.files[name]))

    def _send_large(self, name: str) -> None:
        hub = self.fake
        content = hub.sent_instead.get(name, hub.files[name])
        asked = self.headers.get("Range", "")
        hub.ranges.append(asked)
        start = int(asked[len("bytes=") : -1]) if asked and hub.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            told = start + 7 if hub.shifts_ranges else start
            self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        rest = content[start:]
        if hub.cut_after:
            self.wfile.write(rest[: hub.cut_after.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(rest)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
