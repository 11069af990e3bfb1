"""What can go wrong while ClipCrop is put in place or taken away, one exit code each.

    InstallError                      1
      x EditorNotFound                3   none, where one was asked for
      x NotOurs                       5   refuses to touch what we did not make
      x IncompleteInstall             6   says what was done and what was not
      x PythonUnsuitable              7   too old, or without the modules that make environments
      x RegistryUnreachable           8   no network, no proxy, no mirror
      x DiskFull                      9
      x PackageMissing               10   the registry has no build for this Python or machine
      x DamagedManifest              11   the list of what was installed is unreadable
      x AlreadyAtWork                12   another installer runs

A message is one sentence: what is wrong, with what value, and what to do.
"""


class InstallError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class EditorNotFound(InstallError):
    """There is no editor of that kind where editors are."""

    exit_code = 3


class NotOurs(InstallError):
    """Something is in the way that this program did not make."""

    exit_code = 5


class IncompleteInstall(InstallError):
    """Some of it was not done; the summary has said what, and why."""

    exit_code = 6


class PythonUnsuitable(InstallError):
    """This Python cannot make a virtual environment."""

    exit_code = 7


class RegistryUnreachable(InstallError):
    """The packages cannot be downloaded."""

    exit_code = 8


class DiskFull(InstallError):
    """There is no room for the environment."""

    exit_code = 9


class PackageMissing(InstallError):
    """The registry is there, but has no fitting build of a package."""

    exit_code = 10


class DamagedManifest(InstallError):
    """The list of what was installed cannot be read."""

    exit_code = 11


class AlreadyAtWork(InstallError):
    """Another installer runs for this user."""

    exit_code = 12
