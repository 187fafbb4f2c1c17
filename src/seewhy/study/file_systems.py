"""Where a ledger may lie: not on a disk of a network, whose locks and shared memory SQLite's log cannot rely on."""

from __future__ import annotations

import re
from pathlib import Path

from seewhy.errors import UsageError

MOUNTS = Path("/proc/self/mounts")  # Linux only; elsewhere nothing is known and nothing refused
NETWORKED = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|afs|ceph|lustre|gpfs|beegfs\w*|pvfs2|ocfs2|gfs2|glusterfs|"
    r"fuse\.(sshfs|glusterfs|ceph\S*|s3fs|gcsfuse|rclone|juicefs|davfs)|davfs"
)


def check_local(folder: Path) -> None:
    """Refuse a folder on a disk of a network, as far as this system tells.

    Raises:
        UsageError: it lies on one.
    """
    kind = kind_of(folder)
    if NETWORKED.fullmatch(kind):
        raise UsageError(
            f"{folder} lies on a disk of a network ({kind}), where what is finished may be lost; give a folder on a "
            "disk of this machine, and copy it when the study is done"
        )


def kind_of(folder: Path) -> str:
    """The kind of file system that a folder lies on, such as `ext4`; nothing where that is not known."""
    try:
        lines = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = folder.resolve()
    mounts = [(Path(_unescaped(words[1])), words[2]) for words in map(str.split, lines) if len(words) > 2]
    over = [(len(place.parts), row, kind) for row, (place, kind) in enumerate(mounts) if found.is_relative_to(place)]
    return max(over, default=(0, 0, ""))[2]  # the deepest, and of those the last


def _unescaped(place: str) -> str:
    r"""A path of the table, in which `\040` is a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)
