"""The texts of the rules; what they do is tested with real packets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from functory.sandbox import firewall

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
