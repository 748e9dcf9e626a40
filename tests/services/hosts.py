"""Hosts in network namespaces: each with an address and a name of its own, joined by a bridge."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.gates import missing


@dataclass(frozen=True)
class Host:
    name: str
    namespace: str
    address: str

    def command(self, arguments: list[str]) -> list[str]:
        """`arguments`, run on this host."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name}; exec "$@"', "sh"]
        return ["ip", "netns", "exec", self.namespace, *named, *arguments]


@contextmanager
def hosts(*names: str) -> Iterator[tuple[str, list[Host]]]:
    """The address of the bridge, where what all share listens, and the hosts."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        missing("SERVICES", "Hosts of the test's own need root and the command ip.")
    number = os.getpid() % 200 + 20
    bridge, network = f"rs{os.getpid()}", f"10.213.{number}"
    made = [
        Host(name, f"rs{os.getpid()}-{name}", f"{network}.{index + 2}")
        for index, name in enumerate(names)
    ]
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{network}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for index, host in enumerate(made):
            outside, inside = f"{bridge}o{index}", f"{bridge}i{index}"
            _ip("netns", "add", host.namespace)
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", inside, "netns", host.namespace)
            _ip("link", "set", outside, "master", bridge, "up")
            _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", inside)
            _ip("-n", host.namespace, "link", "set", inside, "up")
            _ip("-n", host.namespace, "link", "set", "lo", "up")
        yield f"{network}.1", made
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "del", host.namespace], capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"
