from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, insert, select

from functory.services.logs import maintenance
from functory.services.logs.tables import CHUNKS, TRASH
from tests.support.logs_service import Logs


def test_many_small_chunks_become_few() -> None:
    logs = Logs()
    logs.group("g", "s")
    for offset in range(40):
        logs.put("s", (offset, str(offset)))
    assert logs.rows("log_chunks") == 40
    logs.maintain()
    assert logs.rows("log_chunks") == 1
    assert logs.get("s") == [str(offset) for offset in range(40)]
    logs.put("s", (40, "40"))
    logs.maintain()
    assert logs.rows("log_chunks") == 2


def test_a_merge_that_another_node_overtook_leaves_no_trace() -> None:
    logs = Logs()
    logs.group("g", "s")
    for offset in range(3):
        logs.put("s", (offset, str(offset)))

    def work(connection: Connection) -> None:
        row = connection.execute(select(CHUNKS)).first()
        assert row is not None
        summaries = [
            maintenance.Summary(row.id, maintenance.Piece(0, 0, 1, 1)),
            maintenance.Summary(99, maintenance.Piece(0, 0, 1, 1)),
        ]
        maintenance._merge(connection, row.group_id, row.stream_id, summaries)

    with pytest.raises(maintenance._Overtaken):
        asyncio.run(logs.store.write(work))
    assert logs.get("s") == ["0", "1", "2"]


def test_trash_is_emptied_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "ROWS_PER_UNIT", 2)
    monkeypatch.setattr(maintenance, "UNITS_PER_ROUND", 3)
    logs = Logs()
    logs.group("g", "s", "t", "u")
    for offset in range(5):
        logs.put("s", (offset, "x"))
    logs.call("DeleteLogGroup", logGroupName="g")
    logs.maintain()
    assert logs.rows("log_trash") == 1
    for _ in range(3):
        logs.maintain()
    assert logs.rows("log_chunks", "log_streams", "log_trash") == 0


def test_a_round_without_work_writes_nothing() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (0, "x"))
    logs.call("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    before = logs.store.writes
    logs.maintain()
    assert logs.store.writes == before


def test_trash_of_what_is_long_gone_does_no_harm() -> None:
    logs = Logs()
    asyncio.run(logs.store.write(lambda connection: connection.execute(insert(TRASH).values(group_id=77))))
    logs.maintain()
    assert logs.rows("log_trash") == 0
