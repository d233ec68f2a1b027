"""Which of a check's results may be shown, by the text of its query alone."""

from __future__ import annotations

import pytest

from instar.transforms.check_values import reading_of

PRIVATE = {"buyer", "by"}
SHOWN = {
    "SELECT id, buyer, 'x' || buyer AS b FROM new": [True, False, False],
    "SELECT id, buyer AS e, e AS f, upper(f) AS g FROM new": [True, False, False, False],
    'SELECT id, "By" FROM old': [True, False],
    "SELECT id, km > 0, count(*) FROM new GROUP BY ALL": [True] * 3,
    "SELECT id FROM new WHERE buyer = 'x'": [True],
    "SELECT old.id, new.buyer FROM old JOIN new USING (id)": [True, False],
    "SELECT n.* FROM (SELECT id FROM new) n": [False],
    "SELECT id FROM new WHERE id IN (SELECT id FROM old)": [True],
    "SELECT id FROM new WHERE id IN (SELECT id FROM old WHERE \"by\" = 'x')": [False],
    "FROM new": [False] * 3,
    "SELECT * EXCLUDE (id) FROM new": [False] * 2,
    "SELECT new FROM new": [False],
    "SELECT n FROM new AS n": [False],
    "SELECT id, main.new FROM main.new": [True, False],
    "SELECT id, temp.main.new FROM temp.main.new": [True, False],
    "SELECT to_json(n) FROM new AS n": [False],
    "SELECT x FROM (SELECT buyer AS x FROM new)": [False],
    "WITH t AS (SELECT buyer AS x FROM new) SELECT x FROM t": [False],
    "SELECT id FROM new UNION SELECT buyer FROM new": [False],
    "SELECT a FROM new AS n(a, b, c, d)": [False],
    "SELECT #3 FROM new": [False],
    "SELECT columns('bu.*') FROM new": [False],
    "SELECT id FROM query('SELECT buyer AS id FROM new')": [False],
    "SELECT id FROM new NATURAL JOIN old": [False],
    "SUMMARIZE new": [False] * 5,
    "UNPIVOT new ON id, buyer": [False] * 2,
    "SELECT [x.id FOR x IN l] FROM new": [True],
    "this is no query (": [False],
}


@pytest.mark.parametrize("sql", SHOWN)
def test_only_what_has_nothing_to_do_with_private_columns_is_shown(sql: str) -> None:
    assert list(reading_of(sql).shows(len(SHOWN[sql]), PRIVATE)) == SHOWN[sql]
    assert all(reading_of(sql).shows(len(SHOWN[sql]), ()))


def test_the_names_that_a_query_reads_are_known_or_all_are() -> None:
    assert reading_of("SELECT count(*) FROM new WHERE A.b > 1").names == {"new", "a", "b"}
    assert reading_of("SELECT * FROM new").names is None
