"""`instar check` is for continuous integration: what is wrong shows in its exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import Answer


def test_check_of_a_sound_project_exits_with_0(project: Path, instar: Callable[..., Answer]) -> None:
    assert instar("check", at=project).code == 0
    assert instar("--help", at=project).code == 0


def test_check_exits_with_2_where_a_script_leads_elsewhere(project: Path, instar: Callable[..., Answer]) -> None:
    script = next((project / "migrations" / "weather").glob("0003_*"))
    script.write_text(script.read_text().replace('"ASOS"', '"ASOS", nullable=True'))
    answer = instar("check", "--json", at=project)
    assert answer.code == 2, answer.out
    assert not answer.json["ok"]
    assert instar("check", "weather", at=project).code == 2
    assert instar("check", "flights", at=project).code == 0


def test_check_exits_with_2_where_a_registered_schema_was_edited(project: Path, instar: Callable[..., Answer]) -> None:
    schema = project / "schemas" / "weather" / "v1.avsc"
    schema.write_text(schema.read_text().replace('"origin"', '"station"', 1))
    assert instar("check", at=project).code == 2
