"""The journal: what is written is read again, a torn end does not count, a damaged middle is said."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from instar.formats.errors import RunError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import (
    Adding,
    Discarded,
    Exchanged,
    Failed,
    Journal,
    Planned,
    Proved,
    PublishBegun,
    Published,
    Removing,
    Replacing,
    Restored,
    Resumed,
    Staged,
    Stopped,
    Undone,
    new_run_id,
    read_journal,
)
from instar.transforms.run.unit import Receipt

AT = datetime(2026, 11, 21, 22, 5, 0, tzinfo=timezone(timedelta(hours=1)))
RECEIPT = Receipt("a \udce9\n'\"🦋.parquet", 1, 2, "aa", "cc", (("instar", "0.1.0"),), 3, 4, 5, "bb", 0.25, ("a note",))
EVENTS = (
    Planned("/data/flights", "exchange", {"user": "ada", "to": 3}),
    Staged(RECEIPT),
    Proved("proved", 1),
    PublishBegun("replace", "/data/flights", 1, 2),
    Replacing("a", 1, 2),
    Removing("_metadata", 3),
    Exchanged(),
    Published(1),
    Resumed({"user": "bob"}),
    Restored("a", 1, 2, "aa", None),
    Adding("b", 4),
    Stopped("Interrupted", "", ""),
    Undone("killed"),
    Discarded("failed"),
    Failed("DataError", "no", "do"),
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl", PosixEffects(), lambda: AT)


def test_every_event_is_read_as_it_was_written(journal):
    journal.write(*EVENTS[:2])
    for event in EVENTS[2:]:
        journal.write(event)
    lines = read_journal(journal.path)
    assert tuple(line.event for line in lines) == EVENTS
    assert {line.at for line in lines} == {"2026-11-21T21:05:00.000+00:00"}
    assert journal.path.read_bytes().isascii()


@pytest.mark.parametrize("torn", [b'{"at": "2026', b'{"at": "x", "event": "Exchanged"}', b"\xff\xfe", b""])
def test_a_torn_last_line_does_not_count_and_is_cut_off(journal, torn):
    journal.write(Planned("d", "exchange", {}))
    with open(journal.path, "ab") as file:
        file.write(torn)
    assert [line.event for line in read_journal(journal.path)] == [Planned("d", "exchange", {})]
    journal.write(Exchanged())
    assert [line.event for line in read_journal(journal.path)] == [Planned("d", "exchange", {}), Exchanged()]


def test_a_journal_that_is_torn_in_its_first_line_begins_anew(journal):
    journal.path.write_bytes(b'{"at"')
    journal.write(Exchanged())
    assert [line.event for line in read_journal(journal.path)] == [Exchanged()]


@pytest.mark.parametrize(
    "damage", [b"nonsense\n", b'{"at": "x", "event": "Unheard"}\n', b'{"at": "x", "event": "Replacing"}\n', b"[]\n"]
)
def test_a_damaged_line_is_an_error_that_names_it(journal, damage):
    journal.write(Exchanged())
    with open(journal.path, "ab") as file:
        file.write(damage)
    with pytest.raises(RunError, match="line 2 of the journal"):
        read_journal(journal.path)


def test_no_journal_has_no_lines(tmp_path):
    assert read_journal(tmp_path / "none") == ()


def test_a_disk_that_says_no_is_a_run_error(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        Journal(tmp_path / "missing" / "journal.jsonl", PosixEffects()).write(Exchanged())


def test_run_ids_sort_by_time_and_after_all_that_are_known():
    assert new_run_id(AT) == "20261121-210500-000000"
    assert new_run_id(AT) < new_run_id(AT + timedelta(microseconds=1)) < new_run_id(AT + timedelta(seconds=1))


def test_a_run_that_follows_another_sorts_behind_it_whatever_the_clock_says():
    ids: list[str] = []
    for now in (AT, AT, AT - timedelta(hours=1), AT, AT + timedelta(microseconds=1)):
        ids.append(new_run_id(now, ids))
    assert ids == sorted(set(ids))
