"""What can go wrong before ClipCrop is there, one exit code each.

    InstallError                      1
      x NotOurs                       5   refuses to remove what we did not make
      x PythonUnsuitable              7   too old, or without the modules that make environments
      x RegistryUnreachable           8   no network, no proxy, no mirror
      x DiskFull                      9
      x PackageMissing               10   the registry has no build for this Python or machine

A message is one sentence: what is wrong, with what value, and what to do.
"""


class InstallError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class NotOurs(InstallError):
    """A folder is in the way that this program did not make."""

    exit_code = 5


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
