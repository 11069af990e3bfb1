"""The Hugging Face hub or a mirror of it (``HF_ENDPOINT``): what it has, and its files.

Its own library keeps no part of an interrupted download between two runs. So the transfer is ours,
through the library's HTTP client, which knows proxies, certificates and tokens; the part is kept,
and the rest of it asked for the next time.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .registry import PICKLE, WANTED, WEIGHTS_FILE, PublishedFile, PublishedModel

_MAX_FRUITLESS_TRIES = 4
_TIMEOUT_S = 20.0


class DownloadFailed(CheckpointError):
    """The hub could not be reached, or has sent something else."""


@dataclass(frozen=True)
class Hub:
    """One hub."""

    endpoint: str | None = None
    """Its address; None: what the hub's library is set to."""

    pause_s: float = 1.0
    """Before a transfer that was cut off is taken up again."""

    def list_files(self, model: PublishedModel) -> list[PublishedFile]:
        """What it says of the wanted files of a model's commit.

        Raises:
            DownloadFailed: it cannot be asked, speaks of another commit, or has no usable weights.
        """
        from huggingface_hub import HfApi

        try:
            with _named_failures(model.repository):
                info = HfApi(endpoint=self.endpoint).model_info(
                    model.repository,
                    revision=model.revision,
                    files_metadata=True,
                    timeout=_TIMEOUT_S,
                )
        except _CutOff as exc:
            raise DownloadFailed(
                f"the hub's answer about {model.repository} was cut off; try again later"
            ) from exc
        if info.sha != model.revision:
            raise DownloadFailed(
                f"the hub was asked for commit {model.revision} of {model.repository}, and spoke "
                f"of {info.sha}; try another network or mirror"
            )
        found = {one.rfilename: one for one in info.siblings or []}
        names = [name for name in WANTED if name in found]
        if WEIGHTS_FILE not in names and PICKLE in found:
            names.append(PICKLE)
        files = []
        for name in names:
            one = found[name]
            sha256 = one.lfs.sha256 if one.lfs else ""
            if one.size is None or not (sha256 or one.blob_id):
                raise DownloadFailed(
                    f"the hub does not say the size and hash of {name} in {model.repository}, so "
                    "it could not be checked; try again later"
                )
            files.append(PublishedFile(name, one.size, sha256, "" if sha256 else str(one.blob_id)))
        if not {WEIGHTS_FILE, PICKLE} & set(names):
            raise DownloadFailed(f"{model.repository} has no weights that can be used")
        return files

    def fetch(
        self,
        model: PublishedModel,
        file: PublishedFile,
        part: Path,
        on_bytes: Callable[[int], None],
    ) -> None:
        """Complete a part of a file.

        Args:
            model: Whose.
            file: Which.
            part: What is there of it already, perhaps nothing; grows as bytes arrive, and is kept
                whatever happens.
            on_bytes: Called with the number of bytes that came; negative if they were for nothing.

        Raises:
            DownloadFailed: the rest could not be had; the next call goes on.
            OSError: the part cannot be written.
        """
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(
            model.repository, file.name, revision=model.revision, endpoint=self.endpoint
        )
        num_tries = 0
        while (before := _size(part)) < file.size_bytes:
            try:
                with _named_failures(f"{model.repository}/{file.name}"):
                    _append_rest(url, file, part, on_bytes)
            except _CutOff as exc:
                num_tries = 0 if _size(part) > before else num_tries + 1
                if num_tries >= _MAX_FRUITLESS_TRIES:
                    raise DownloadFailed(
                        f"the connection was cut off again and again, {_size(part)} of "
                        f"{file.size_bytes} bytes of {file.name} are kept; run it again to go on"
                    ) from exc
                time.sleep(self.pause_s)


class _CutOff(Exception):
    """The connection ended in the middle of an answer."""


def _append_rest(
    url: str, file: PublishedFile, part: Path, on_bytes: Callable[[int], None]
) -> None:
    from huggingface_hub import get_session
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # documented all the same
        build_hf_headers,
        hf_raise_for_status,
    )

    start = _size(part)
    headers = {
        **build_hf_headers(),
        # A file that was packed for the way could not be gone on with.
        "Accept-Encoding": "identity",
        **({"Range": f"bytes={start}-"} if start else {}),
    }
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as response:
        hf_raise_for_status(response)
        is_rest = response.status_code == 206
        if is_rest and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise DownloadFailed(
                f"the server sent another piece of {file.name} than it was asked for; try another "
                "network or mirror"
            )
        if start and not is_rest:  # it sends everything again
            on_bytes(-start)
        with part.open("ab" if is_rest else "wb") as out:
            for chunk in response.iter_bytes():  # as they come: what waits would be lost
                if out.tell() + len(chunk) > file.size_bytes:
                    raise DownloadFailed(
                        f"{file.name} is larger than the {file.size_bytes} bytes that it should "
                        "have; a proxy or mirror may have sent something else, so try another one"
                    )
                out.write(chunk)
                on_bytes(len(chunk))
    if _size(part) < file.size_bytes:
        raise _CutOff


@contextlib.contextmanager
def _named_failures(what: str) -> Iterator[None]:
    """Every way in which a hub does not answer -> a sentence; a cut connection -> `_CutOff`."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled

    http = _http_library()
    try:
        yield
    except OfflineModeIsEnabled as exc:
        raise DownloadFailed(
            "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it, or choose lite"
        ) from exc
    except GatedRepoError as exc:
        raise DownloadFailed(f"{what} wants you to log in first: run `hf auth login`") from exc
    except HfHubHTTPError as exc:
        status = exc.response.status_code
        if status in {401, 404}:  # it says 401 of repositories that are not there
            raise DownloadFailed(
                f"the hub has no {what} any more, or not for you ({status}); put the files in by "
                "hand (`clipcrop models place`), or choose lite"
            ) from exc
        raise DownloadFailed(f"the hub answered {status} for {what}; try again later") from exc
    except (http.RemoteProtocolError, http.ReadError, http.ReadTimeout) as exc:
        raise _CutOff from exc
    except http.HTTPError as exc:
        reason = " ".join(str(exc).split())[:120].rstrip(".") or type(exc).__name__
        raise DownloadFailed(
            f"the hub cannot be reached ({reason}); connect to the internet or set a proxy or "
            "HF_ENDPOINT, or choose lite, which needs no download"
        ) from exc


def _http_library() -> Any:
    """The HTTP library that the hub's library uses; another one by its release."""
    from huggingface_hub import get_session

    for kind in type(get_session()).__mro__:
        library = sys.modules[kind.__module__.partition(".")[0]]
        if hasattr(library, "RemoteProtocolError"):
            return library
    raise AssertionError("the hub's library has no HTTP library that we know")


def is_full(exc: OSError) -> bool:
    """Whether there is no room left."""
    return exc.errno in {errno.ENOSPC, errno.EDQUOT}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
