"""Names that say a file's version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instar.formats.errors import ConfigurationError
from instar.transforms.naming import NameTemplate

USUAL = NameTemplate.parse("{stem}.v{version}{suffix}")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("a.parquet", "a.v7.parquet"),
        ("x=1/y/a.v1.parquet", "x=1/y/a.v7.parquet"),
        ("a.v12.v3.parquet", "a.v12.v7.parquet"),  # only the last is the version's place
        ("part-0.snappy.parquet", "part-0.snappy.v7.parquet"),
        ("2024-05.ndjson.gz", "2024-05.v7.ndjson.gz"),
        ("2024-05.v2.ndjson.gz", "2024-05.v7.ndjson.gz"),
        ("000000_0", "000000_0.v7"),
        ("000000_0.v1", "000000_0.v7"),
        ("v1.parquet", "v1.v7.parquet"),
        ("a.V1.parquet", "a.V1.v7.parquet"),
        ("dots.in.a name.avro", "dots.in.a name.v7.avro"),
        ("line\nbreak.json", "line\nbreak.v7.json"),
    ],
)
def test_a_name_gets_its_version_or_another_one(name: str, named: str) -> None:
    assert USUAL.named(name, 7) == named


def test_the_version_may_stand_first() -> None:
    template = NameTemplate.parse("v{version}-{stem}{suffix}")
    assert template.named("a.parquet", 2) == "v2-a.parquet"
    assert template.named("v2-a.parquet", 10) == "v10-a.parquet"


TEMPLATES = ("{stem}.v{version}{suffix}", "v{version}-{stem}{suffix}", "{version}_{stem}{suffix}", "{stem}-{version}-x{suffix}")


@given(st.text(min_size=1).filter(lambda name: "/" not in name and name not in (".", "..")), st.sampled_from(TEMPLATES))
def test_a_name_that_was_made_is_known_again(name: str, text: str) -> None:
    """Up and down any way, a file's name is the one that its version alone gives."""
    template = NameTemplate.parse(text)
    made = template.named(name, 3)
    assert template.named(made, 3) == made
    assert template.named(template.named(made, 41), 3) == made
    assert made != template.named(name, 4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{stem}.{version}", "has no {suffix}"),
        ("{stem}{suffix}", "has no {version}"),
        ("v{version}{suffix}", "has no {stem}"),
        ("{stem}.v{version}.{version}{suffix}", "has {version} twice"),
        ("{stem}.v{version}{suffix}.new", "does not end with {suffix}"),
        ("v{version}/{stem}{suffix}", "stays in its folder"),
        ("v{version}\\{stem}{suffix}", "stays in its folder"),
        ("{stem}.v{version}\n{suffix}", "is no file's name"),
        ("{{{stem}}}.v{version}{suffix}", "is no file's name"),
        (".{stem}.v{version}{suffix}", "not data"),
        ("_v{version}.{stem}{suffix}", "not data"),
        ("{stem}{version}{suffix}", "told apart"),
        ("{stem}.1{version}{suffix}", "told apart"),
        ("{version}{stem}{suffix}", "told apart"),
        ("{version}0{stem}{suffix}", "told apart"),
        ("{stem}.v{version:03}{suffix}", "how {version} is spelled"),
        ("{stem}.v{versoin}{suffix}", "unknown key 'versoin'"),
        ("{stem}.v{}{suffix}", "unknown key ''"),
        ("{stem.v{version}{suffix}", "cannot be understood"),
    ],
)
def test_what_is_no_template_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        NameTemplate.parse(text)
    assert why in error.value.message
    assert repr(text) in error.value.message
    assert error.value.hint
