"""`instar.toml`: what it may say, and what is said of a mistake in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from instar.formats.errors import ConfigurationError, UsageError
from instar.transforms.configuration import (
    DEFAULT_MEMORY,
    add_dataset,
    find_project,
    load,
    parse_configuration,
    parse_size,
)  # fmt: skip
from instar.transforms.naming import NameTemplate

FULL = """
[registry]
path = "contracts"

[migrations]
path = "../shared/migrations"

[datasets.flights]
path = "data/flights"
subject = "us.flights"
format = "parquet"
include = ["*.parquet"]
exclude = "tmp/**"
state = "/var/instar/flights"
memory = "1.5GiB"
workers = 2
name = "{stem}.v{version}{suffix}"
shadow = "data/flights-next"
test = ["flights.sql"]
queries = "queries"
max_slowdown = 2
partitions = { month = "int32", day = "date" }
fidelity.allow = ["parquet.bloom-filter"]
"""
DATASET = '[datasets.x]\npath = "data"\nformat = "json"\n'


def test_everything_a_dataset_may_say(tmp_path: Path) -> None:
    (tmp_path / "instar.toml").write_text(FULL)
    configuration = load(tmp_path)
    assert configuration.schemas == tmp_path / "contracts"
    assert configuration.migrations == tmp_path.parent / "shared" / "migrations"
    flights = configuration.dataset("flights")
    assert flights.path == tmp_path / "data" / "flights"
    assert (flights.subject, flights.format) == ("us.flights", "parquet")
    assert (flights.include, flights.exclude) == (("*.parquet",), ("tmp/**",))
    assert flights.state == Path("/var/instar/flights")
    assert (flights.memory, flights.workers) == (1_610_612_736, 2)
    assert flights.file_name == NameTemplate("{stem}.v{version}{suffix}")
    assert flights.shadow == tmp_path / "data" / "flights-next"
    assert flights.test == ("flights.sql",)
    assert (flights.queries, flights.max_slowdown) == (tmp_path / "queries", 2)
    assert flights.partitions == {"month": "int32", "day": "date"}
    assert flights.allow == ("parquet.bloom-filter",)


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    configuration = parse_configuration(DATASET, tmp_path)
    assert (configuration.schemas, configuration.migrations) == (tmp_path / "schemas", tmp_path / "migrations")
    settings = configuration.dataset("x")
    assert (settings.subject, settings.memory, settings.workers, settings.state) == ("x", DEFAULT_MEMORY, None, None)
    assert parse_configuration("", tmp_path).datasets == {}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (DATASET + 'formt = "json"', "unknown key datasets.x.formt", "'format'"),
        ("[dataset.x]", "unknown key dataset", "'datasets'"),
        (DATASET + 'fidelity.alow = ["a"]', "unknown key datasets.x.fidelity.alow", "'allow'"),
        (DATASET + '[registry]\nfolder = "x"', "unknown key registry.folder", "'path'"),
        ('[datasets.x]\nformat = "json"', "datasets.x has no path", "path ="),
        ('[datasets.x]\npath = ""\nformat = "json"', "datasets.x.path is ''", "not empty"),
        ('[datasets.x]\npath = 3\nformat = "json"', "datasets.x.path is 3", "a text"),
        ('[datasets.x]\npath = "data"', "datasets.x has no format", "parquet"),
        ('[datasets.x]\npath = "data"\nformat = "parket"', "'parket'", "Did you mean 'parquet'"),
        ('[datasets.x]\npath = "s3://bucket/x"\nformat = "json"', "s3://bucket/x", "file systems"),
        ("datasets = 3", "datasets is 3", "a table"),
        ("[datasets]\nx = 3", "datasets.x is 3", "a table"),
        (DATASET + "workers = 0", "datasets.x.workers is 0", "1 or more"),
        (DATASET + "workers = true", "datasets.x.workers is True", "1 or more"),
        (DATASET + 'memory = "much"', "datasets.x.memory is 'much'", "2GB"),
        (DATASET + "memory = 0", "datasets.x.memory is 0", "2GB"),
        (DATASET + "memory = 1.5", "datasets.x.memory is 1.5", "2GB"),
        (DATASET + "include = [3]", "datasets.x.include is [3]", "list of texts"),
        (DATASET + 'test = "pytest -q"', "datasets.x.test is 'pytest -q'", 'test = ["pytest", "-q"]'),
        (DATASET + "test = [3]", "datasets.x.test is [3]", "list of texts"),
        (DATASET + "max_slowdown = 0.5", "datasets.x.max_slowdown is 0.5", "at least 1"),
        (DATASET + "max_slowdown = nan", "datasets.x.max_slowdown is nan", "at least 1"),
        (DATASET + "max_slowdown = true", "datasets.x.max_slowdown is True", "at least 1"),
        (DATASET + 'partitions = { month = "int" }', "datasets.x.partitions.month", "'int32'"),
        (DATASET + 'fidelity = "all"', "datasets.x.fidelity is 'all'", "a table"),
        (DATASET + 'name = "{stem}{suffix}"', "datasets.x.name: the template '{stem}{suffix}' has no {version}", "{version}"),
        (DATASET + 'shadow = "data/next"', "the shadow of datasets.x", "of its own"),
        ("[datasets.x\n", "not valid TOML", "Mend it"),
        (DATASET + DATASET, "not valid TOML", "Mend it"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_configuration(text, tmp_path)
    assert said in error.value.message
    assert str(tmp_path / "instar.toml") in error.value.message
    assert hint in error.value.hint
    assert error.value.exit_code == 2


@pytest.mark.parametrize(("outer", "inner"), [("data", "data"), ("data", "data/2013"), ("data", "./data/../data")])
def test_datasets_may_not_overlap(tmp_path: Path, outer: str, inner: str) -> None:
    text = f'[datasets.a]\npath = "{outer}"\nformat = "json"\n[datasets.b]\npath = "{inner}"\nformat = "json"\n'
    with pytest.raises(ConfigurationError, match="lies in"):
        parse_configuration(text, tmp_path)


def test_datasets_side_by_side_with_like_names_do_not_overlap(tmp_path: Path) -> None:
    text = '[datasets.a]\npath = "data"\nformat = "json"\n[datasets.b]\npath = "data2"\nformat = "json"\n'
    assert set(parse_configuration(text, tmp_path).datasets) == {"a", "b"}


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("next", "else", True),
        ("next", "next", False),
        ("b", "else", True),  # the shadow is the other dataset
        ("b/deep", "else", False),
        (".", "else", False),
    ],
)
def test_a_shadow_is_a_directory_of_its_own(tmp_path: Path, one: str, other: str, fits: bool) -> None:
    text = f'[datasets.a]\npath = "a"\nformat = "json"\nshadow = "{one}"\n[datasets.b]\npath = "b"\nformat = "json"\n'
    text += f'[datasets.c]\npath = "c"\nformat = "json"\nshadow = "{other}"\n'
    if fits:
        assert parse_configuration(text, tmp_path).dataset("a").shadow == tmp_path / one
        return
    with pytest.raises(ConfigurationError, match=r"the shadow of datasets\.a .* overlaps datasets\.[abc]$"):
        parse_configuration(text, tmp_path)


def test_an_unknown_dataset_comes_with_a_suggestion(tmp_path: Path) -> None:
    configuration = parse_configuration(FULL, tmp_path)
    with pytest.raises(UsageError) as error:
        configuration.dataset("flight")
    assert "'flights'" in error.value.hint


def test_the_project_is_found_from_below(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    with pytest.raises(ConfigurationError) as error:
        find_project(deep)
    assert "instar init" in error.value.hint
    (tmp_path / "instar.toml").write_text("")
    assert find_project(deep) == tmp_path
    assert find_project(tmp_path) == tmp_path


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no"):
        load(tmp_path)
    (tmp_path / "instar.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("1 gb", 10**9),
        ("512MiB", 512 * 2**20),
        ("1.5kB", 1500),
        ("2TB", 2 * 10**12),
        ("4096", 4096),
        ("10b", 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1XB", "0", "1e9", "1,5GB", "1 G B"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize("name", ["flights", "us.flights", 'odd "name"', "été ✈", "a\\b\x7f"])
@pytest.mark.parametrize("before", ["", "# mine\n[datasets.a] # keep\npath   =  'x'\nformat='json'", "[registry]\npath = 's'\n\n"])
def test_a_dataset_is_added_and_the_rest_stays(tmp_path: Path, name: str, before: str) -> None:
    text = add_dataset(before, name, f"data/{name}", "subject", "avro")
    assert text.startswith(before)
    assert parse_configuration(text, tmp_path).dataset(name).subject == "subject"
    assert tomllib.loads(text)["datasets"][name]["path"] == f"data/{name}"


def test_a_dataset_is_not_added_twice_or_to_what_cannot_take_it() -> None:
    with pytest.raises(ConfigurationError, match="already"):
        add_dataset(DATASET, "x", "data", "x", "json")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        add_dataset("[", "y", "data", "y", "json")
    with pytest.raises(ConfigurationError, match="another table") as error:
        add_dataset('datasets = { x = { path = "a", format = "json" } }\n', "y", "data", "y", "json")
    assert "[datasets.y]" in error.value.hint
