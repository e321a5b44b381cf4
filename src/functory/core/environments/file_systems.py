"""File systems of functions: which host folder an access point stands for.

An access point is a name (an ARN of EFS or of S3 Files) that the operator gives to a folder of the host; functions that name
it see the folder under their ``LocalMountPath``. The folder is mounted as the configured folders of every function are
(`functory.sandbox.idmap`): functions have the rights of its owner, or of others where it belongs to root.

AWS: mounts EFS over NFS, with the access point's own user and root directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from functory.aws.errors import AwsError
from functory.kernel.errors import SettingsError
from functory.sandbox.port import Mount


class FileSystems:
    """The access points of this node.

    Args:
        folders: ARN -> mount whose target is replaced by each function's own.
        taken: targets that every function sees already.
    """

    def __init__(self, folders: dict[str, Mount] | None = None, taken: Iterable[str] = ()) -> None:
        self._folders = dict(folders or {})
        self._taken = frozenset(taken)

    @property
    def folders(self) -> tuple[Mount, ...]:
        """The folders, each with a target that nobody uses."""
        return tuple(self._folders.values())

    def refusal(self, arn: str, path: str) -> str:
        """Why no function can have the access point there; ``""`` when it can."""
        if arn not in self._folders:
            return f"The access point {arn} is not one of this node's (setting lambda.file_systems)."
        return f"{path} is the place of a folder that every function sees (setting sandbox.mounts)." * (path in self._taken)

    def mount(self, arn: str, path: str) -> Mount:
        """The mount of an access point for a function.

        Raises:
            AwsError: ``EFSMountFailureException``: it is not configured any more, or its folder is gone.
        """
        text = self.refusal(arn, path)
        if not text and not self._folders[arn].source.is_dir():
            text = f"The folder of the access point {arn} does not exist."
        if text:
            raise AwsError(
                "EFSMountFailureException",
                f"The function couldn't mount the EFS file system with access point {arn}. {text}",
            )
        return replace(self._folders[arn], target=path)


def parse_file_systems(settings: Iterable[str], taken: Iterable[str] = ()) -> FileSystems:
    """The access points of ``lambda.file_systems``: ``ARN=HOST[:ro]``.

    Raises:
        SettingsError: the text names the entry.
    """
    folders = {}
    for text in settings:
        arn, _, rest = text.partition("=")
        source, _, mode = rest.partition(":")
        folder = Path(source).expanduser()
        if not arn.startswith("arn:") or mode not in {"", "ro", "rw"} or not folder.is_absolute() or not folder.is_dir():
            raise SettingsError(f"setting lambda.file_systems: {text!r} is not ARN=HOST[:ro] with a folder that exists")
        folders[arn] = Mount(folder, "/mnt/file-system", read_only=mode == "ro")
    return FileSystems(folders, taken)
