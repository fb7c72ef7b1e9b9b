"""One Milvus server for all test processes of a run; it stops when the last of them has ended.

Every user holds a shared lock on a file, this program waits for the exclusive one: also a test
process that is killed lets go of its lock, so no server outlives the tests.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

# Ticks and looks of a server with one client may be quick: a strong read waits for a tick.
QUICK = {
    "proxy.timeTickInterval": 30,
    "queryCoord.checkInterval": 50,
    "queryCoord.distPullInterval": 20,
    "common.session.ttl": 5,
    "log.level": "warn",
}
START = 120.0  # seconds, the unpacking of 200 MB of programs included


class Server:
    """A Milvus server of the PyPI package `milvus`, its data in `folder`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        import milvus

        folder.mkdir(parents=True, exist_ok=True)
        programs.mkdir(parents=True, exist_ok=True)
        if not (folder / "bin").exists():
            (folder / "bin").symlink_to(programs)  # unpacked once for all servers
        config = milvus.MilvusServerConfig(data_dir=str(folder), template=str(_template(folder)))
        config.glog_conf_file = str(
            _packaged(milvus) / "glog.conf"
        )  # with a template it is forgotten
        # The same after a crash: the server finds its parts by the addresses it noted before.
        names = [name for name in config.configurable_items if name.endswith("_port")]
        web, *ports = _free_ports(1 + len(names))
        config.update(**dict(zip(names, ports, strict=True)))
        for name, value in QUICK.items():
            config.set(name, value)
        self._server = milvus.MilvusServer(config, wait_for_started=False)
        self._server.webservice_port = web

    def start(self) -> int:
        """Start on free ports and return the one for clients."""
        self._server.start()
        # A second start keeps the settings; the check of its ports would fail at the connections
        # that still fade away.
        self._server.config.resolve = lambda: None
        last = time.monotonic() + START
        while not self._is_healthy():
            if self._server.server_proc.poll() is not None or time.monotonic() > last:
                self.kill()
                raise RuntimeError("the Milvus server did not start; its logs tell why")
            time.sleep(0.1)
        return self._server.listen_port

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        """Kill at once, as a crash would."""
        self._server.server_proc.kill()
        self._server.server_proc.wait()
        self._server.stop()

    def _is_healthy(self) -> bool:
        address = f"http://127.0.0.1:{self._server.webservice_port}/healthz"
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                return answer.read() == b"OK"
        except OSError:
            return False


def _template(folder: Path) -> Path:
    """Return the package's configuration, with ports of its own for the etcd inside."""
    import milvus

    client, peer = _free_ports(2)
    etcd = folder / "etcd.yaml"
    if not etcd.exists():
        etcd.write_text(
            "name: default\n"
            f"listen-client-urls: http://127.0.0.1:{client}\n"
            f"advertise-client-urls: http://127.0.0.1:{client}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )
    text = (_packaged(milvus) / "config.yaml.template").read_text()
    template = folder / "template.yaml"
    # `set` changes only what is there; imported items are seen at one of these ticks, in seconds.
    for part, line in (
        ("etcd", f"config:\n    path: {etcd}"),
        ("queryCoord", "updateNextTargetInterval: 1"),
    ):
        text = text.replace(f"\n{part}:\n", f"\n{part}:\n  {line}\n")
    template.write_text(text)
    return template


def _packaged(package: ModuleType) -> Path:
    return Path(str(package.__file__)).parent / "data"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def shared_server(root: Path) -> Iterator[int]:
    """Give the port of the run's server; the first user starts it."""
    with (root / "users").open("a") as users:
        with (root / "starting").open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            port = root / "port"
            if not port.exists():
                _start_keeper(root, port)
        yield int(port.read_text())


def _start_keeper(root: Path, port: Path) -> None:
    with (root / "keeper.log").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, str(root)], stdout=log, stderr=log, start_new_session=True
        )
    last = time.monotonic() + START
    while not port.exists():
        if keeper.poll() is not None or time.monotonic() > last:
            keeper.kill()
            raise RuntimeError(f"no Milvus server: {(root / 'keeper.log').read_text()[-2000:]}")
        time.sleep(0.05)


def keep(root: Path) -> None:
    """Start the server, wait until nobody needs it, and stop it."""
    server = Server(root / "data", root / "programs")
    try:
        port = server.start()
        (root / "port.new").write_text(str(port))
        os.replace(root / "port.new", root / "port")
        with (root / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (root / "port").unlink()
            server.stop()
    finally:
        server.stop()
        for part in ("data", "programs"):  # half a gigabyte that no one asks for again
            shutil.rmtree(root / part, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
