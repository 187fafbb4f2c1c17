"""Disks of networks are refused."""

from __future__ import annotations

import pytest

from seewhy.errors import UsageError
from seewhy.study import file_systems
from seewhy.study.file_systems import check_local, kind_of
from study import toys

MOUNTS = r"""
/dev/sda / ext4 rw 0 0
server:/home {home} nfs4 rw 0 0
/dev/sdb {home}/my\040disk xfs rw 0 0
server:/x {home}/over\040there fuse.sshfs rw 0 0
"""


@pytest.fixture(autouse=True)
def mounts(tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text(MOUNTS.format(home=tmp_path.resolve() / "home"))
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mounts")


def test_the_deepest_mount_counts(tmp_path):
    kinds = {"": "ext4", "home": "nfs4", "home/a/b": "nfs4", "home/my disk/a": "xfs", "homely": "ext4"}
    assert {place: kind_of(tmp_path / place) for place in kinds} == kinds


@pytest.mark.parametrize(("place", "kind"), [("home/a", "nfs4"), ("home/over there", "fuse.sshfs")])
def test_a_ledger_on_a_disk_of_a_network_is_refused(tmp_path, place, kind):
    with pytest.raises(UsageError, match=rf"disk of a network \({kind}\).* a disk of this machine"):
        toys.run(toys.plan(1), toys.work(), toys.Local(1), tmp_path / place)


def test_where_nothing_is_known_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "nowhere")
    check_local(tmp_path / "home")
