from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column, create_engine, func, literal, select
from sqlalchemy.pool import StaticPool

from functory.services.logs.lookup import starts_with

ENGINE = create_engine("sqlite://", poolclass=StaticPool)
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=4)


@given(name=NAMES, prefix=NAMES)
def test_the_range_of_a_prefix_holds_exactly_the_names_that_start_with_it(name: str, prefix: str) -> None:
    names = select(literal(name).label("name")).subquery()
    with ENGINE.connect() as connection:
        for candidate in (name, prefix + name):
            names = select(literal(candidate).label("name")).subquery()
            found = connection.execute(select(func.count()).select_from(names).where(starts_with(names.c.name, prefix)))
            assert found.scalar_one() == candidate.startswith(prefix)


def test_a_prefix_without_a_successor_has_no_upper_end() -> None:
    assert "AND" not in str(starts_with(column("name"), chr(0x10FFFF)))
