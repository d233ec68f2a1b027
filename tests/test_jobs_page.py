"""docs/jobs.md, held to the code: its tables are complete; its cron line, units and DAG are valid, and do what they say."""

from __future__ import annotations

import ast
import configparser
import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from pages import blocks_of
from support import Answer

import instar
from instar.cli.exits import EXITS
from instar.cli.main import run
from instar.cli.metrics import METRICS, parsed
from instar.transforms import events
from instar.transforms.execution import holding
from instar.transforms.run.effects import PosixEffects

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "jobs.md").read_text(encoding="utf-8")
KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
EVENTS = {kind.name: kind for kind in KINDS if kind is not events.Event}
LINE = ("ts", "level", "event", "run", "dataset")


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with a head."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


# ---- tables
def test_the_exit_codes_are_all_there_with_their_meanings() -> None:
    assert {int(code): meaning for code, meaning, _ in rows("| code |")} == EXITS


def test_every_event_is_there_with_its_fields() -> None:
    shown = {event.strip("`"): re.findall(r"`(\w+)`", fields) for event, fields, _ in rows("| event |")}
    assert shown == {name: [f.name.rstrip("_") for f in dataclasses.fields(kind)] for name, kind in EVENTS.items()}


def test_the_lines_shown_have_the_fields_that_the_events_have() -> None:
    (block,) = blocks("json")
    for line in block.splitlines():
        shown = json.loads(line)
        kind = EVENTS[shown["event"]]
        assert list(shown) == [*LINE, *(f.name.rstrip("_") for f in dataclasses.fields(kind) if f.name not in LINE)]
        assert shown["level"] == kind.level


def test_every_metric_is_there_and_alerts_name_no_other() -> None:
    assert {name.strip("`"): meaning for name, _, meaning in rows("| metric |")} == METRICS
    (alerts,) = blocks("yaml")
    assert set(re.findall(r"instar_\w+", alerts)) <= set(METRICS)
    for expression in re.findall(r"expr: (.+)", alerts):
        for opening, closing in ("()", "[]", "{}"):
            assert expression.count(opening) == expression.count(closing), expression


# ---- what is scheduled, run
@pytest.fixture
def lake(author: Author) -> Author:
    """A project with the datasets of the page, each with a step to go."""
    for name in ("flights", "weather"):
        pq.write_table(pa.table({"n": [1, 2, 3], "note": ["x", None, "z"]}), author.data(name) / "a.parquet")
        author.adopt(name)
        author.step(name, 'op.rename("note", to="remark")')
    return author


@pytest.fixture
def author(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Author:
    folder = tmp_path / "lake"
    folder.mkdir()

    def command(*arguments: str, at: Path) -> Answer:
        capfd.readouterr()
        code = run(["-C", str(at), *arguments])
        said = capfd.readouterr()
        return Answer(code, said.out, said.err)

    return Author(folder, command)


def here(text: str, lake: Author) -> str:
    """A text of the page with the places of this test in it."""
    for place, local in (
        ("/srv/lake/.venv/bin/instar", f"{sys.executable} -m instar"),
        ("/srv/lake", str(lake.folder)),
        ("/var/lib/node_exporter/textfile_collector", str(lake.folder.parent)),
        ("/var/log/instar", str(lake.folder.parent)),
    ):
        text = text.replace(place, local)
    return text


def shell(command: str, lake: Author) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=lake.folder, capture_output=True, text=True, check=False)


def exit_code(lake: Author) -> float:
    """What the metrics file of flights says."""
    found = parsed((lake.folder.parent / "flights.prom").read_text())
    return next(s.value for s in found if s.name == "instar_run_exit_code")


def test_the_cron_line_is_one_and_does_what_is_said(lake: Author) -> None:
    (table,) = blocks("cron")
    assert all(re.match(r"[A-Z]+=\S+$", line) for line in table.splitlines()[:-1])
    line = table.splitlines()[-1]
    minute, hour, day, month, weekday, command = line.split(None, 5)
    assert (0 <= int(minute) < 60, 0 <= int(hour) < 24, day, month, weekday) == (True, True, "*", "*", "*")
    assert not re.search(r"(?<!\\)%", command)
    *words, redirection, null = shlex.split(here(command, lake))
    assert (words[:3], redirection, null) == (["instar", "-C", str(lake.folder)], ">", "/dev/null")
    done = lake.instar(*words[3:], at=lake.folder)
    assert (done.code, done.err) == (0, "")  # nothing to mail
    assert exit_code(lake) == 0
    assert json.loads((lake.folder.parent / "lake.jsonl").read_text().splitlines()[-1])["event"] == "ended"


def units() -> Iterator[tuple[str, str]]:
    for block in blocks("ini"):
        first, _, text = block.partition("\n")
        yield Path(first.removeprefix("# ")).name, text


def test_the_units_are_accepted_by_systemd(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this system")
    for name, text in units():
        (tmp_path / name).write_text(text.replace("/srv/lake/.venv/bin/instar", "/bin/true").replace("/srv/lake", "/tmp"))
    done = verified(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (tmp_path / "instar-flights.service").write_text("[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/true\n")
    assert verified(tmp_path).returncode != 0, "it would have accepted anything"


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    """What systemd says of the units in a folder."""
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(folder.iterdir()))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_service_does_what_is_said(lake: Author) -> None:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(dict(units())["instar-flights.service"])
    service = parser["Service"]
    success, never = ({int(code) for code in service[key].split()} for key in ("SuccessExitStatus", "RestartPreventExitStatus"))
    assert (success, never) == ({3, 143}, {2, 70})
    assert success | never <= set(EXITS)
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/srv/lake/.venv/bin/instar"
    done = lake.instar(*(here(word, lake) for word in words), at=lake.folder)
    assert done.code == 0
    assert [json.loads(line)["event"] for line in done.err.splitlines()][-1] == "ended"
    assert exit_code(lake) == 0


# ---- Airflow: not installed here; what the DAG asks of it is stood in for
@dataclasses.dataclass
class Dag:
    """What a DAG file made."""

    arguments: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    skip: type[Exception]
    fail: type[Exception]


@pytest.fixture
def dag(lake: Author, monkeypatch: pytest.MonkeyPatch) -> Dag:
    made = Dag({}, {}, type("AirflowSkipException", (Exception,), {}), type("AirflowFailException", (Exception,), {}))

    def dag_of(name: str, **arguments: Any) -> Any:
        made.arguments |= {"name": name, **arguments}
        return nullcontext()

    def task(**arguments: Any) -> None:
        made.tasks[arguments["task_id"]] = arguments

    stand_ins: dict[str, dict[str, Any]] = {
        "airflow": {}, "airflow.providers": {}, "airflow.providers.standard": {}, "airflow.providers.standard.operators": {},
        "airflow.exceptions": {"AirflowSkipException": made.skip, "AirflowFailException": made.fail},
        "airflow.providers.standard.operators.bash": {"BashOperator": task},
        "airflow.providers.standard.operators.python": {"PythonOperator": task},
        "airflow.sdk": {"DAG": dag_of},
    }  # fmt: skip
    for name, members in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    (source,) = [block.text for block in blocks_of(PAGE) if block.language == "python"]
    assert source.startswith("# dags/lake.py\n")
    ast.parse(source, feature_version=(3, 11))
    exec(compile(here(source, lake), "dags/lake.py", "exec"), {"__name__": "lake"})
    return made


def test_the_dag_bash_operator_upgrades_and_skips_what_another_run_holds(dag: Dag, lake: Author) -> None:
    assert dag.arguments["name"] == "lake_schemas"
    task = dag.tasks["flights"]
    with holding(instar.open(lake.folder).dataset("flights").job(), "upgrade", PosixEffects()):
        busy = shell(task["bash_command"], lake)
    assert busy.returncode == task["skip_on_exit_code"] == 3
    assert exit_code(lake) == 3
    done = shell(task["bash_command"], lake)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(done.stderr.splitlines()[-1])["rows_out"] == 3  # Airflow takes the last line as the XCom
    assert exit_code(lake) == 0


def test_the_dag_python_operator_upgrades_skips_and_fails(dag: Dag, lake: Author, caplog: pytest.LogCaptureFixture) -> None:
    upgrade: Callable[[], dict[str, Any]] = dag.tasks["weather"]["python_callable"]
    with holding(instar.open(lake.folder).dataset("weather").job(), "upgrade", PosixEffects()), pytest.raises(dag.skip):
        upgrade()
    caplog.clear()
    with caplog.at_level("INFO", logger="instar"):
        answer = upgrade()
    assert json.loads(json.dumps(answer))["rows"] == 3
    assert (answer["status"], answer["files"]["rewritten"]) == ("done", 1)
    told = [record.getMessage().split()[0] for record in caplog.records if record.name == "instar"]
    assert (told[0], told[-1]) == ("begun", "ended")
    script = next((lake.folder / "migrations" / "weather").glob("0002*.py"))
    script.write_text("upgrade = []\n")
    pq.write_table(pa.table({"n": [1], "note": ["x"]}), lake.data("weather") / "b.parquet")
    with pytest.raises(dag.fail):
        upgrade()
