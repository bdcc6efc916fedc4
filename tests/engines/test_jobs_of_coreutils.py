"""Who am I, and what time is it: the smallest jobs that need more than their libraries."""

from __future__ import annotations

from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import build


def test_id_knows_the_name_of_the_images_user(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "id", "id")
    assert job.work().stdout == "uid=65532(nonroot) gid=65532(nonroot) groups=65532(nonroot)\n"


def test_without_users_id_knows_no_name(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "id-without", "id", "--no-rule", "users")
    assert job.work().stdout == "uid=65532 gid=65532 groups=65532\n"


def test_date_speaks_the_time_of_two_zones(docker: Docker, needed: Needed) -> None:
    zones = ("Europe/Berlin", "Asia/Tokyo")
    job = build(docker, needed, "date", "date", "--rule", f"zones={','.join(zones)}")
    answers = [job.work("-d", "@0", "+%H:%M %Z", options=("-e", f"TZ={zone}")).stdout for zone in zones]
    assert answers == ["01:00 CET\n", "09:00 JST\n"]


def test_without_zones_all_time_is_utc(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "date-without", "date", "--env", "TZ=Europe/Berlin", "--no-rule", "zones")
    assert job.work("-d", "@0", "+%H:%M").stdout == "00:00\n"


def test_locale_is_c_utf_8_where_the_image_says_so(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "locale", "locale", "--env", "LANG=C.UTF-8")
    outcome = job.work("charmap")
    assert (outcome.stdout, outcome.stderr) == ("UTF-8\n", "")


def test_without_locale_the_same_image_is_ascii_and_complains(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "locale-without", "locale", "--env", "LANG=C.UTF-8", "--no-rule", "locale")
    outcome = job.work("charmap")
    assert outcome.stdout == "ANSI_X3.4-1968\n"
    assert "Cannot set LC_CTYPE" in outcome.stderr
