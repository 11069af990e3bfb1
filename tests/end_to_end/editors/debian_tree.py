"""A small Debian tree of another release, to run its programs on this machine.

Nothing is installed on the machine itself. The mirror is whatever apt's configuration here names.
Standard library only: this runs before there is an environment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_READY = "ready"  # written last, with what the tree was made of
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
_DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/help/*
"""
_NO_SERVICES = "#!/bin/sh\nexit 101\n"

_IN_TREE = """
root=$1; shift
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


class CannotMakeTree(Exception):
    """Why not, in a sentence."""


def why_not() -> str | None:
    """What this machine lacks, or None."""
    if sys.platform != "linux":
        return "a Debian tree can only be used on Linux"
    if os.geteuid() != 0:
        return "a Debian tree can only be made and entered by root"
    missing = [name for name in ("apt-get", "dpkg-deb", "unshare", "chroot") if not _which(name)]
    if missing:
        return f"a Debian tree cannot be made without {', '.join(missing)}"
    probe = ["unshare", "--mount", "--pid", "--fork", "true"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "this machine lets no program have mounts of its own (unshare fails)"
    return None


def make(folder: Path, suite: str, packages: Sequence[str], locales: Sequence[str] = ()) -> Path:
    """Make the tree in ``folder`` unless it is there; returns its root.

    Raises:
        CannotMakeTree: it cannot be made here.
    """
    want = " ".join([suite, *packages, *locales]) + "\n"
    ready, root = folder / _READY, folder / "root"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if ready.is_file() and ready.read_text() == want:
            return root
        ready.unlink(missing_ok=True)
        if root.exists():
            shutil.rmtree(root)  # half made, or of other packages
        mirror = _find_mirror(folder)
        _debootstrap(folder, suite, root, mirror)
        _configure(root)
        _in_tree(root, "apt-get", "update")
        _in_tree(root, "apt-get", "install", "-y", "--no-install-recommends", *packages)
        for locale in locales:
            _in_tree(root, "localedef", "-i", locale, "-f", "UTF-8", f"{locale}.UTF-8")
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        ready.write_text(want)
    return root


def _find_mirror(folder: Path) -> str:
    ask = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    mirrors = _apt_get(folder, *ask).split()
    if not mirrors:
        _apt_get(folder, "update")
        mirrors = _apt_get(folder, *ask).split()
    if not mirrors:
        raise CannotMakeTree("apt's configuration names no mirror of Debian")
    return min(mirrors)


def _debootstrap(folder: Path, suite: str, root: Path, mirror: str) -> None:
    """With the machine's own, or with one that is unpacked beside the tree."""
    program, variables = _which("debootstrap"), dict(os.environ)
    if program is None:
        unpacked = folder / "debootstrap"
        for old in folder.glob("debootstrap_*.deb"):
            old.unlink()
        try:
            _apt_get(folder, "download", "debootstrap")
        except CannotMakeTree:
            _apt_get(folder, "update")
            _apt_get(folder, "download", "debootstrap")
        (package,) = folder.glob("debootstrap_*.deb")
        _run(["dpkg-deb", "-x", str(package), str(unpacked)])
        program = str(unpacked / "usr/sbin/debootstrap")
        variables["DEBOOTSTRAP_DIR"] = str(unpacked / "usr/share/debootstrap")
    own_mounts = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    command = [*own_mounts, program, "--variant=minbase", suite, str(root), mirror]
    _run(command, variables)


def _configure(root: Path) -> None:
    (root / "etc/dpkg/dpkg.cfg.d/small").write_text(_DPKG)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(_NO_SERVICES)
    policy.chmod(0o755)
    # How packages are fetched here (a proxy, an archive whose dates have passed) holds there too.
    (root / "etc/apt/apt.conf.d/90host").write_text(_run(["apt-config", "dump", "Acquire"]))


def _in_tree(root: Path, *command: str) -> None:
    own_mounts = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    _run([*own_mounts, "sh", "-euc", _IN_TREE, "sh", str(root), *command], _ENVIRONMENT)


def _apt_get(folder: Path, *arguments: str) -> str:
    """Of the machine's sources, but with lists of packages of our own where it has none."""
    lists = folder / "lists"
    options = []
    if lists.is_dir() or arguments[0] == "update":
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::lists={lists}", "-o", "APT::Sandbox::User=root"]
    return _run(["apt-get", "-q", *options, *arguments], folder=folder)


def _run(
    command: Sequence[str], variables: dict[str, str] | None = None, folder: Path | None = None
) -> str:
    """Its output, which is also shown as an error's end."""
    done = subprocess.run(
        command,
        env=variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,  # the lock is held until the last of them has ended, also if we are killed
    )
    if done.returncode:
        tail = " | ".join(done.stdout.strip().splitlines()[-3:])
        words = [word for word in command if not word.startswith("\n")]
        raise CannotMakeTree(f"{' '.join(words[:12])} failed: {tail}")
    return done.stdout


def _which(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two runs at once make one tree; a lock ends with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        yield
