"""Killed writers, flipped bytes, full disks, missing permissions, readers beside a writer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from index_items import codes_of, names

from crossbit.errors import DataError
from crossbit.index import open_index

FAULTS = Path(__file__).parent / "faults"


def script(name: str, *arguments: object) -> dict:
    """Run one of the fault scripts and return what it prints."""
    command = [sys.executable, str(FAULTS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def python(code: str, *arguments: object) -> str:
    """Run some code in a process of its own and return what it prints."""
    head = (
        "import os, resource, sys\nimport numpy as np\nfrom crossbit.codes import Codes\n"
        "from crossbit.errors import DataError\nfrom crossbit.index import open_index\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("how", [(), ("--lines",)], ids=["moments", "lines"])
def test_killed_writers_lose_nothing_acknowledged(tmp_path, how):
    found = script("kill.py", tmp_path, "--trials", 16, *how)
    assert found["problems"] == []
    assert sum(found["killed"].values()) == 16


def test_a_flipped_byte_never_gives_a_wrong_answer(tmp_path):
    found = script("flips.py", tmp_path, "--flips", 120)
    for state in "closed", "killed":
        assert found[state]["wrong"] == []
        assert found[state]["flips"] >= 100
    assert found["closed"]["missed"] == []
    refused = [name for name in found["closed"]["outcomes"] if name.endswith("refused")]
    assert refused == ["store.sqlite: refused"]
    assert "store.sqlite-wal: refused" in found["killed"]["outcomes"]


def test_readers_beside_a_writer_see_one_version_at_a_time(tmp_path):
    found = script("readers.py", tmp_path / "index", "--rounds", 40, "--readers", 2)
    assert [reader["problems"] for reader in found["readers"]] == [[], []]
    assert all(reader["versions"] > 2 for reader in found["readers"])
    with open_index(tmp_path / "index") as index:
        assert index.verify() == []


FILL_UP = """
with open_index(sys.argv[1], "w") as index:
    index.add(Codes(np.zeros((2, 128), np.uint8), 1024, np.array(["a", "b"])), [{}, {"x": 1}])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), limit[1]))
    many = Codes(np.ones((9000, 128), np.uint8), 1024, np.array([f"c{k}" for k in range(9000)]))
    for work in (
        lambda: index.add(many, [{"text": "x" * 99}] * 9000),
        lambda: index.upsert(many, [{"text": "x" * 99}] * 9000),
    ):
        try:
            work()
        except DataError as error:
            print(error)
        else:
            print("no error")
    assert len(index) == 2 and index.verify() == [], index.verify()
    assert index.get(["b"])[1] == [{"x": 1}]
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    index.add(many)
    assert len(index) == 9002 and index.verify() == [], index.verify()
"""


@pytest.mark.parametrize("limit", [300_000, 1_300_000], ids=["code file", "database"])
def test_a_file_that_cannot_grow_leaves_the_index_as_before(tmp_path, limit):
    """The code file takes 1.15 MB, the database more: one limit stops each."""
    lines = python(FILL_UP, tmp_path / "index", limit).splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "the disk is full or a size limit is reached; nothing was changed" in line
    with open_index(tmp_path / "index") as index:
        assert len(index) == 9002
        assert index.verify() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_leaves_the_index_as_before(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with open_index(tmp_path / "index", "w") as index:
            index.add(codes_of(100, bits=1024, ids=names(100)))
            for size in 12_000, 20_000:
                with pytest.raises(DataError, match="disk is full"):
                    index.add(codes_of(size, bits=1024, ids=names(size, 100)), [{"k": 1}] * size)
                assert len(index) == 100
            assert index.verify() == []
            index.add(codes_of(100, seed=1, bits=1024, ids=names(100, 100)))
        with open_index(tmp_path / "index") as index:
            assert len(index) == 200
            assert index.verify() == []
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def shared_folder():
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp(prefix="crossbit-test-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


AS_ANOTHER_USER = """
with open_index(sys.argv[1]) as index:  # loads everything while files of root can be read
    index.search(Codes(np.zeros((1, 2), np.uint8), 16), 1)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""

READ_ONLY = (
    AS_ANOTHER_USER
    + """
before = sorted(os.listdir(sys.argv[1]))
try:
    open_index(sys.argv[1], "w")
except DataError as error:
    print(error)
with open_index(sys.argv[1]) as index:
    hit = index.search(Codes(np.zeros((1, 2), np.uint8), 16), 99)[0]
    assert len(hit) == len(index) == 20 and hit.payload[0] == {"k": 1}
    assert index.verify() == [], index.verify()
assert sorted(os.listdir(sys.argv[1])) == before
"""
)


def read_only(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)


def test_a_read_only_folder_is_read_and_not_written(shared_folder):
    folder = shared_folder / "index"
    with open_index(folder, "w") as index:
        index.add(codes_of(20, ids=names(20)), [{"k": 1}] * 20)
    read_only(folder)
    (line,) = python(READ_ONLY, folder).splitlines()
    assert "cannot be written: Permission denied; change its permissions" in line


FOLLOW = (
    AS_ANOTHER_USER
    + """
with open_index(sys.argv[1]) as index:
    for line in sys.stdin:
        hit = index.search(Codes(np.zeros((1, 2), np.uint8), 16), 99)[0]
        print(len(index), len(hit), len({item["k"] for item in hit.payload}), flush=True)
"""
)


def test_a_reader_without_write_permission_follows_another_users_writer(shared_folder):
    """First the files lie still and are read without locks; then a writer comes and goes."""
    if os.geteuid() != 0:
        pytest.skip("needs a second user")
    folder = shared_folder / "index"
    with open_index(folder, "w") as index:
        index.add(codes_of(20, ids=names(20)), [{"k": 0}] * 20)
    head = (
        "import os, sys\nimport numpy as np\nfrom crossbit.codes import Codes\n"
        "from crossbit.index import open_index\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", head + FOLLOW, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip

        def ask() -> list[int]:
            reader.stdin.write("\n")
            reader.stdin.flush()
            return [int(word) for word in reader.stdout.readline().split()]

        assert ask() == [20, 20, 1]
        index = open_index(folder, "w")
        assert ask() == [20, 20, 1]
        index.upsert(codes_of(30, seed=2, ids=names(30)), [{"k": 1}] * 30)
        assert ask() == [30, 30, 1]
        index.compact()
        index.remove(names(5))
        assert ask() == [25, 25, 1]
        index.close()
        assert ask() == [25, 25, 1]
        with open_index(folder, "w") as index:
            index.remove(names(5, 5))
            index.compact()
        assert ask() == [20, 20, 1]
        reader.stdin.close()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        open_index(tmp_path / "file" / "index", "w")
