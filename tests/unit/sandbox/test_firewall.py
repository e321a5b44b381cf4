"""The texts of the rules; what they do is tested with real packets."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from functory.sandbox import firewall
from functory.sandbox.outbound import Outbound, Wish
from functory.sandbox.port import SandboxError

RANGE, RESOLVER, HOST = IPv4Network("10.213.0.0/16"), IPv4Address("10.213.4.1"), IPv4Address("10.213.4.2")


def test_the_gateway_drops_what_no_rule_accepts() -> None:
    rules = firewall.gateway_rules(RANGE, RESOLVER, HOST, ())
    assert rules.count("policy drop") == 2
    assert "ip6" not in rules


def test_only_offered_ports_of_the_host_have_a_rule() -> None:
    assert str(HOST) not in firewall.gateway_rules(RANGE, RESOLVER, HOST, ())
    assert f"ip daddr {HOST} tcp dport {{ 5432, 8080 }} accept" in firewall.gateway_rules(
        RANGE, RESOLVER, HOST, (8080, 5432)
    )


def test_the_range_itself_and_metadata_services_are_no_targets() -> None:
    rules = firewall.gateway_rules(RANGE, RESOLVER, HOST, ())
    for network in (*firewall.NEVER, str(RANGE)):
        assert network in rules


def test_the_hosts_table_is_replaced_as_a_whole() -> None:
    rules = firewall.host_rules("functory_ab", "fctyab", "fcty*", IPv4Network("10.213.0.4/30"))
    words = rules.split()
    assert words[:6] == ["table", "ip", "functory_ab", "delete", "table", "ip"]
    assert firewall.removal("functory_ab").count("table ip functory_ab") == 2


def test_without_the_tool_the_reason_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "find_tool", lambda: None)
    with pytest.raises(SandboxError, match="package nftables"):
        firewall.apply("")


def test_auto_becomes_none_and_says_why_where_the_tool_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def main() -> None:
        monkeypatch.setattr(firewall, "find_tool", lambda: None)
        outbound = Outbound(Wish("auto"), "0123456789ab", tmp_path, tmp_path)
        await outbound.start(asyncio.to_thread)
        assert outbound.mode == "none"
        assert "package nftables" in outbound.notes[0]
        await outbound.close(asyncio.to_thread)
        with pytest.raises(SandboxError, match="package nftables"):
            await Outbound(Wish("nat"), "0123456789ab", tmp_path, tmp_path).start(asyncio.to_thread)

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
