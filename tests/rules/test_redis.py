"""Where a Redis keeps its data."""

from __future__ import annotations

import pytest

from needed.rootfs import Directory
from needed.rules.choices import Choices
from tests.rules.server_trees import of_rule, planned, told
from tests.rules.trees import program


@pytest.mark.parametrize("name", ["redis", "valkey", "keydb"])
def test_the_folder_for_data_is_the_images_users(name: str) -> None:
    found = planned({f"/bin/{name}-server": program()}, f"/bin/{name}-server", choices=Choices(user=(1000, 100)))
    assert found.rootfs.entries[f"/var/lib/{name}"] == Directory(0o700, (1000, 100))


def test_the_configuration_of_the_machines_service_is_left_out_and_told() -> None:
    tree: dict[str, bytes | str] = {"/bin/redis-server": program(), "/etc/redis/redis.conf": b"requirepass secret\n"}
    found = planned(tree, "/bin/redis-server")
    assert of_rule(found, "redis") == ["/var/lib/redis"]
    assert [sentence.split(" is ")[0] for sentence in told(found)] == ["/etc/redis/redis.conf"]
