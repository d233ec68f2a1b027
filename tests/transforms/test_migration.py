"""Migration scripts: loading them, checking their steps, and the chains they make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Float, Int, List, Record, Schema, String, schema
from instar.transforms.migration import Chain, Migration, check_step, draft, load_migrations, make_chain
from tests.reference import evaluate

V1 = schema(
    Field("dep_delay", Float(64), nullable=True),
    Field("distance", Float(64)),
    Field("odd name", String()),
    Field("stops", List(Field("item", Record((Field("code", String()),))))),
)
METRIC = '''"""Distances in kilometres, and delays named in full."""
from instar import op

upgrade = [
    op.rename("dep_delay", to="departure_delay"),
    op.derive("distance_km", "double", sql="distance * 1.5", nullable=False),
    op.drop("distance"),                                 # lost: `downgrade` says how to get it back
]
downgrade = {"distance": "distance_km / 1.5"}
'''
ROUTE = '''"""Stops in a route."""
from instar import op

upgrade = [op.move("stops", to="route.stops"), op.add("route.kind", "string", default="air"), op.drop("departure_delay")]
'''
ROW = {"dep_delay": 2.5, "distance": 3.0, "odd name": "o", "stops": [{"code": "EWR"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations" / "flights"
    folder.mkdir(parents=True)
    return folder


def write(folder: Path, **scripts: str) -> tuple[Migration, ...]:
    for name, text in scripts.items():
        (folder / f"{name.lstrip('m')}.py").write_text(text)
    return load_migrations(folder)


def registered(migrations: tuple[Migration, ...]) -> dict[int, Schema]:
    schemas = {1: V1}
    for m in migrations:
        schemas[m.version] = m.mapping(schemas[m.version - 1]).target
    return schemas


# ---- loading
def test_a_script_says_its_step_its_message_and_its_operations(folder: Path):
    first, second = write(folder, m0002_metric=METRIC, m0003_route=ROUTE)
    assert (first.subject, first.version, second.version) == ("flights", 2, 3)
    assert first.message == "Distances in kilometres, and delays named in full."
    assert len(first.operations) == 3
    assert first.restore == {"distance": "distance_km / 1.5"}
    assert first.lines == (5, 6, 7)
    assert Path(first.path) == folder / "0002_metric.py"
    assert not any("0002" in name or name == "instar_migration" for name in sys.modules)


def test_no_folder_and_side_files_are_no_scripts(folder: Path, tmp_path: Path):
    assert load_migrations(tmp_path / "nothing") == ()
    (folder / "__pycache__").mkdir()
    (folder / "README.md").write_text("notes")
    (folder / "_shared.py").write_text("raise RuntimeError")
    assert load_migrations(folder) == ()


def test_layout_and_comments_do_not_change_a_hash_and_meaning_does(folder: Path):
    (first,) = write(folder, m0002_metric=METRIC)
    spaced = (
        METRIC.replace('"dep_delay", to=', '  path="dep_delay",\n  to = ').replace("# lost", "# gone").replace("Distances", "All")
    )
    (again,) = write(
        folder, m0002_metric=spaced.replace('"double"', "' double '").replace("upgrade = [", "ops = [") + "\nupgrade = tuple(ops)\n"
    )
    assert again.hash == first.hash
    assert again.lines == ()
    for change in [
        ('"departure_delay"', '"delay"'),
        ('1.5"', '1.6"'),
        ('"double"', '"float"'),
        ("/ 1.5", "/ 1.6"),
        ("nullable=False", ""),
    ]:
        assert change[0] in METRIC
        (other,) = write(folder, m0002_metric=METRIC.replace(*change))
        assert other.hash != first.hash


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("upgrade = [", "line 1", "Python file"),
        ("x = 1", "has no list upgrade", "upgrade ="),
        ("upgrade = 'rename'", "an upgrade that is a str", "upgrade ="),
        ("from instar import op\nupgrade = [op.drop]", "item 1 of upgrade is not an operation", "op.rename"),
        (
            "from instar import op\n\nupgrade = [op.renam('a', to='b')]",
            "line 3: there is no operation renam",
            "Did you mean op.rename?",
        ),
        (
            "from instar import op\n\nupgrade = [op.rename('a')]",
            "line 3: op.rename() missing 1 required",
            "It is op.rename(path, *, to",
        ),
        ("from instar import op\n\nupgrade = [\n  op.add('c', 'varchar'),\n]", "line 4: 'varchar' is not one of", "'string'"),
        ("from instar import op\n\nupgrade = [op.drop('a..b')]", "line 3: the path 'a..b'", "Write a.b"),
        ("import no_such_module_at_all", "line 1: ModuleNotFoundError", "by itself"),
        ("raise SystemExit('bye')", "line 1: SystemExit: bye", "by itself"),
        ("upgrade = []\ndowngrade = {'a': 1}", "downgrade is not a dict of SQL texts", "downgrade ="),
        ("upgrade = []\ndowngrde = {'a': '1'}", "defines downgrde", "Did you mean downgrade?"),
    ],
)
def test_a_script_that_does_not_load_says_where_and_why(folder: Path, text: str, message: str, hint: str):
    with pytest.raises(MigrationError) as error:
        write(folder, m0002_broken=text)
    assert "flights/0002_broken.py" in str(error.value)
    assert message in str(error.value)
    assert hint in error.value.hint


def test_numbering_is_checked_and_every_problem_is_named(folder: Path):
    empty = "upgrade = []"
    with pytest.raises(MigrationError) as error:
        write(folder, m0002_a=empty, m0002_b=empty, m0004_c=empty, mmetric=empty, m0001_first=empty, m0006_d="oops")
    message = str(error.value)
    assert "flights/0002_a.py and flights/0002_b.py both lead to version 2" in message
    assert "no script to version 3" in message
    assert "no script to version 5" in message
    assert "flights/etric.py is not named" in message
    assert "flights/0001_first.py is not named" in message
    assert "flights/0006_d.py, line 1: NameError" in message


# ---- steps
def test_an_operation_that_does_not_fit_names_script_line_and_operation(folder: Path):
    (m,) = write(folder, m0002_metric=METRIC.replace('"dep_delay"', '"dep_dely"'))
    with pytest.raises(MigrationError) as error:
        m.mapping(V1)
    assert str(error.value).startswith(
        'flights/0002_metric.py, line 5: operation 1, rename("dep_dely", to="departure_delay"): there is no'
    )
    assert "Did you mean 'dep_delay'?" in error.value.hint


def test_a_step_that_leads_to_the_registered_schema_has_no_problems(folder: Path):
    (m,) = write(folder, m0002_metric=METRIC)
    checked = check_step(V1, m, registered((m,))[2], "parquet")
    assert checked.problems == ()
    assert [(path_text(loss.path), loss.restored, loss.fatal) for loss in checked.losses] == [("distance", True, False)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.with_(name="km") if f.name == "distance_km" else f, "distance_km (double) is not in the schema"),
        (lambda f: f.with_(type=Float(32)) if f.name == "distance_km" else f, "distance_km is double, not float"),
        (lambda f: f.with_(nullable=True) if f.name == "distance_km" else f, "distance_km is double, not double?"),
        (lambda f: f.with_(optional=True) if f.name == "distance_km" else f, "the key distance_km may be missing"),
    ],
)
def test_a_step_that_leads_elsewhere_is_a_problem(folder: Path, change: Any, problem: str):
    (m,) = write(folder, m0002_metric=METRIC)
    there = registered((m,))[2]
    wrong = schema(*map(change, there.record.fields))
    problems = check_step(V1, m, wrong, "parquet").problems
    assert any(problem in p and "flights/0002_metric.py" in p for p in problems), problems
    with pytest.raises(MigrationError, match="does not lead to the registered schema"):
        m.step(V1, wrong)


def test_the_order_of_fields_is_part_of_a_step(folder: Path):
    (m,) = write(folder, m0002_metric=METRIC)
    there = registered((m,))[2]
    (problem,) = check_step(V1, m, schema(*reversed(there.record.fields)), "parquet").problems
    assert "come in the order" in problem


@pytest.mark.parametrize(
    ("downgrade", "problem"),
    [
        ('{"distanc": "1.0"}', "restores distanc, which the old schema does not have. Did you mean 'distance'?"),
        ('{"dep_delay": "1.0"}', "restores dep_delay, which is not lost"),
        ('{"distance": "miles"}', "`downgrade` for distance: the SQL 'miles' names miles"),
    ],
)
def test_a_way_back_that_cannot_be_used_is_a_problem(folder: Path, downgrade: str, problem: str):
    (m,) = write(folder, m0002_metric=METRIC.replace('{"distance": "distance_km / 1.5"}', downgrade))
    (found,) = check_step(V1, m, registered((m,))[2], "parquet").problems
    assert found.startswith("flights/0002_metric.py: ")
    assert problem in found


def test_a_broken_operation_is_a_problem_too(folder: Path):
    (m,) = write(folder, m0002_metric=METRIC.replace("distance * 1.5", "sum(distance)"))
    (problem,) = check_step(V1, m, V1, "parquet").problems
    assert "line 6: operation 2" in problem
    assert "an aggregate" in problem


def test_unregistered_keys_are_lost_in_json_only(folder: Path):
    nested = schema(Field("r", Record((Field("p", Int(64)),))))
    (m,) = write(folder, m0002_unnest="from instar import op\nupgrade = [op.move('r.p', to='p')]\n")
    there = m.mapping(nested).target
    assert [path_text(loss.path) for loss in check_step(nested, m, there, "json").losses] == ["r"]
    assert check_step(nested, m, there, "avro").losses == ()


# ---- chains
def lost(chain: Chain) -> dict[str, tuple[bool, bool]]:
    """By path: (fatal, restored)."""
    return {path_text(loss.path): (loss.fatal, loss.restored) for loss in chain.losses}


def test_chains_lead_up_down_and_nowhere(folder: Path):
    migrations = write(folder, m0002_metric=METRIC, m0003_route=ROUTE)
    schemas = registered(migrations)
    up = make_chain(schemas, migrations, 1, 3, "parquet")
    down = make_chain(schemas, migrations, 3, 1, "parquet")
    assert (up.mapping.source, up.mapping.target) == (V1, schemas[3])
    assert (down.mapping.source, down.mapping.target) == (schemas[3], V1)
    assert [m.version for m in up.migrations] == [2, 3]
    assert [m.version for m in down.migrations] == [3, 2]
    upgraded = evaluate(up.mapping, ROW)
    assert upgraded == {"odd name": "o", "distance_km": 4.5, "route": {"stops": [{"code": "EWR"}], "kind": "air"}}
    assert evaluate(down.mapping, upgraded) == {**ROW, "dep_delay": None}
    assert lost(up) == lost(down) == {"dep_delay": (False, False), "distance": (False, True)}
    same = make_chain(schemas, migrations, 2, 2, "parquet")
    assert same.mapping.is_identity()
    assert (same.migrations, same.losses) == ((), ())
    assert len({up.hash, down.hash, same.hash, make_chain(schemas, migrations, 1, 2, "parquet").hash}) == 4


def test_a_chain_takes_the_registered_docs(folder: Path):
    migrations = write(folder, m0002_metric=METRIC)
    plain = registered(migrations)[2]
    described = schema(*(f.with_(doc="registered") for f in plain.record.fields))
    chain = make_chain({1: V1, 2: described}, migrations, 1, 2, "parquet")
    assert {f.doc for f in chain.mapping.target.record.fields} == {"registered"}
    assert make_chain({1: V1, 2: described}, migrations, 2, 1, "parquet").mapping.source == described


def test_what_came_and_went_between_is_no_loss(folder: Path):
    migrations = write(
        folder,
        m0002_come="from instar import op\nupgrade = [op.add('t', 'int64', default=1)]",
        m0003_go="from instar import op\nupgrade = [op.drop('t')]",
    )
    schemas = registered(migrations)
    assert lost(make_chain(schemas, migrations, 3, 2, "parquet")) == {"t": (True, False)}
    assert lost(make_chain(schemas, migrations, 3, 1, "parquet")) == {}


def test_losses_are_told_in_the_names_of_the_version_they_are_lost_to(folder: Path):
    head = "from instar import op\nupgrade = "
    migrations = write(
        folder,
        m0002_rename=head + "[op.rename('stops', to='s'), op.move('odd name', to='r.o'), op.allow_null('distance')]",
        m0003_drop=head + "[op.drop('s'), op.drop('distance')]",
    )
    schemas = registered(migrations)
    assert lost(make_chain(schemas, migrations, 3, 2, "parquet")) == {"s": (True, False), "distance": (False, False)}
    # distance may not be null in version 1: what was no harm one step down is fatal two steps down
    assert lost(make_chain(schemas, migrations, 3, 1, "parquet")) == {"stops": (True, False), "distance": (True, False)}


def test_a_missing_version_or_script_is_refused(folder: Path):
    migrations = write(folder, m0002_metric=METRIC, m0003_route=ROUTE)
    schemas = registered(migrations)
    with pytest.raises(MigrationError, match="version 3 is not registered"):
        make_chain({1: V1, 2: schemas[2]}, migrations, 1, 3, "parquet")
    with pytest.raises(MigrationError, match="no script from version 2 to 3"):
        make_chain(schemas, migrations[:1], 1, 3, "parquet")


# ---- drafts
def test_a_draft_lists_the_fields_and_runs(folder: Path):
    nasty = schema(
        Field("x", Int(64)), Field('a "b"\n\\', String(), optional=True), Field("r", Record((Field("p", Int(8), nullable=True),)))
    )
    text = draft("flights", 2, 'He said "km" and \\ then """all"""', nasty)
    assert "r.p" in text
    assert "int8?" in text
    assert "(the key may be missing)" in text
    (m,) = write(folder, m0002_draft=text)
    assert m.message == 'He said "km" and \\ then """all"""'
    assert (m.operations, m.restore) == ((), {})
    assert check_step(nasty, m, nasty, "json").problems == ()


def test_the_examples_of_a_draft_are_operations(folder: Path):
    text = draft("flights", 2, "examples", schema(Field("x", Int(64), nullable=True), Field("y", Int(64))))
    lines = [line.replace("# ", "") if line.startswith("    # op.") else line for line in text.splitlines()]
    (m,) = write(folder, m0002_draft="\n".join(lines))
    assert len(m.operations) == 8
