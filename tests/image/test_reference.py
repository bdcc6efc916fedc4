"""The grammar of image names, by Docker's reference package."""

from __future__ import annotations

import pytest

from needed.errors import UsageError
from needed.image.reference import default_name, parse_reference


@pytest.mark.parametrize(
    ("text", "familiar", "canonical"),
    [
        ("ls", "ls:latest", "docker.io/library/ls:latest"),
        ("ls:1", "ls:1", "docker.io/library/ls:1"),
        ("docker.io/library/ls", "ls:latest", "docker.io/library/ls:latest"),
        ("index.docker.io/ls", "ls:latest", "docker.io/library/ls:latest"),
        ("team/ls:V_1.x-2", "team/ls:V_1.x-2", "docker.io/team/ls:V_1.x-2"),
        ("localhost:5000/a/b:tag", "localhost:5000/a/b:tag", "localhost:5000/a/b:tag"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("quay.io/a__b/c--d.e", "quay.io/a__b/c--d.e:latest", "quay.io/a__b/c--d.e:latest"),
        ("docker.io/library/a.b/c", "library/a.b/c:latest", "docker.io/library/a.b/c:latest"),
    ],
)
def test_a_name_has_a_familiar_and_a_canonical_form(text: str, familiar: str, canonical: str) -> None:
    reference = parse_reference(text)
    assert (reference.familiar, str(reference), reference.canonical) == (familiar, familiar, canonical)
    assert parse_reference(reference.familiar) == parse_reference(reference.canonical) == reference


@pytest.mark.parametrize(
    "text",
    ["", "LS", "a b", "a:", ":1", "a//b", "a___b", "a._b", "-a", "a-", "a:.x", "a:" + "x" * 129, "x" * 256,
     "a@sha256:00", "host:port/a", "host-.io/a", "0" * 64, "é", "a:é", "a/b/", "/a", "a\n",
     "[::1/a", "a:1:2", "localhost:²/a"],
)  # fmt: skip
def test_a_malformed_name_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.hints


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/bin/ls", "ls"), ("g++", "g"), ("/bin/[", "image"), ("/opt/My Tool", "my-tool"), ("é", "image"),
        ("python3.11", "python3.11"), ("_a._b_", "a-b"), ("/usr/bin/", "bin"), ("a" * 300, "a" * 100),
        ("0" * 64, "image-" + "0" * 64),
    ],
)  # fmt: skip
def test_a_default_name_is_valid(program: str, name: str) -> None:
    assert default_name(program) == name
    parse_reference(name)
