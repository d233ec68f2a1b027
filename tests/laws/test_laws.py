"""The laws over generated schemas, operations and records. INSTAR_EXAMPLES says how many of each."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, event, given, settings

from instar.formats.schema import Bool, Date, Decimal, Enum, Float, Int, Integer, Number, Other, String, Time, Timestamp
from tests.laws import laws, spliced
from tests.laws.cases import Case, cases
from tests.laws.drawn import careful_moves
from tests.laws.interpreters import by_record
from tests.laws.schemas import CARRIED, SCALARS

EXAMPLES = int(os.environ.get("INSTAR_EXAMPLES", "16"))
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("INSTAR_SHRINK") else [])]
"""A failing case is small enough to read; making it smaller takes minutes, so that is done on request."""
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]
law = settings(max_examples=EXAMPLES, deadline=None, database=None, phases=PHASES, suppress_health_check=SLOW)

JSON = (Int(32), Int(64), Float(64), String(), Bool(), Enum(("x", "y")), Integer(), Number())
AVRO = tuple(t for t in SCALARS if t not in (Int(8, False),))
PARQUET = tuple(t for t in (*SCALARS, *CARRIED) if not isinstance(t, Other))
STORED = tuple(t for t in PARQUET if not isinstance(t, Time | Timestamp) or t.unit != "s")
PLAIN = (Int(32), Int(64), Float(64), String(), Bool(), Decimal(9, 2), Date(), Timestamp("us", "UTC"))


@law
@given(cases())
def test_output_conforms(case: Case) -> None:
    laws.conforms(case)


@law
@given(cases())
def test_interpreters_agree(case: Case) -> None:
    laws.agree(case)


@law
@given(cases(optional=True, most=4, scalars=PLAIN))
def test_records_with_missing_and_unknown_keys_are_as_the_reference_says(case: Case) -> None:
    laws.agree_with_reference(case)


@law
@given(cases())
def test_the_way_back_restores_all_but_what_it_declared_lost(case: Case) -> None:
    laws.restores(case)


@law
@given(cases(most=6))
def test_fused_is_one_by_one(case: Case) -> None:
    laws.fuses(case)


@law
@given(cases(scalars=PARQUET))
def test_untouched_leaves_keep_their_bytes(case: Case) -> None:
    laws.stays_put(case)


@law
@given(cases(scalars=STORED), spliced.FORMS)
def test_parquet_is_spliced_as_it_would_be_rewritten(case: Case, form: spliced.Form) -> None:
    event(spliced.splices(case, "parquet", form))


@law
@given(cases(scalars=AVRO, renamed=spliced.renamed, drawn=spliced.nameable), spliced.FORMS)
def test_avro_is_spliced_as_it_would_be_rewritten(case: Case, form: spliced.Form) -> None:
    event(spliced.splices(case, "avro", form))


@law
@given(cases(scalars=AVRO, named=True, renamed=spliced.renamed, drawn=spliced.nameable), spliced.FORMS)
def test_avro_with_named_types_is_spliced_as_it_would_be_rewritten(case: Case, form: spliced.Form) -> None:
    event(spliced.splices(case, "avro", form))


@law
@given(cases(scalars=JSON, optional=True), spliced.FORMS)
def test_json_is_spliced_as_it_would_be_rewritten(case: Case, form: spliced.Form) -> None:
    event(spliced.splices(case, "json", form))


@law
@given(cases(most=1))
def test_identity_changes_nothing(case: Case) -> None:
    laws.stays(case)


@law
@given(cases(optional=True, scalars=PLAIN, drawn=careful_moves))
def test_moves_that_were_not_told_to_lose_anything_lose_nothing(case: Case) -> None:
    laws.keeps(case)


@law
@given(cases(scalars=JSON))
def test_json_text_agrees(case: Case) -> None:
    laws.agree_raw(case, "json")


@law
@given(cases(scalars=AVRO))
def test_avro_binary_agrees(case: Case) -> None:
    laws.agree_raw(case, "avro")


# ---- unions, and types that are shared by name
@law
@given(cases(named=True))
def test_output_with_named_types_conforms(case: Case) -> None:
    laws.conforms(case)


@law
@given(cases(named=True, scalars=PLAIN))
def test_records_with_named_types_are_as_the_reference_says(case: Case) -> None:
    laws.agree_with_reference(case)


@law
@given(cases(named=True))
def test_the_way_back_restores_named_types_but_what_it_declared_lost(case: Case) -> None:
    laws.restores(case, by_record)


@law
@given(cases(named=True, most=6))
def test_fused_is_one_by_one_in_named_types(case: Case) -> None:
    laws.fuses(case, by_record)
