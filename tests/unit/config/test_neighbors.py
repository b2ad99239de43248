from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from vipd.bfd.peer import BfdPeer, Pace
from vipd.bgp.iana import Family, Role
from vipd.bgp.peer import PeerConfig
from vipd.bgp.route import Policy

SPEAKER = """
[speaker]
local-as = 64147
"""


def peers(read, text, speaker=SPEAKER, **others):
    return read(speaker + text, **others).neighbors


def test_what_is_not_said_is_as_the_peer_has_it(read, head):
    config = read(head)
    assert config.neighbors == {
        "10.0.0.1": PeerConfig(
            name="10.0.0.1",
            address="10.0.0.1",
            local_as=64147,
            router_id=IPv4Address("10.0.0.5"),
            peer_as=64001,
        )
    }
    assert config.policies == {"10.0.0.1": Policy()}


def test_everything_that_can_be_said(read, tmp_path):
    secret = tmp_path / "md5"
    secret.write_bytes(b"hush \n")
    secret.chmod(0o600)
    config = read(
        f"""
        [speaker]
        local-as = 64147
        router-id = "10.9.9.9"
        listen = ["[::]:1790"]
        [[neighbor]]
        address = "2001:DB8::1"
        name = "tor-a"
        description = "rack 7"
        peer-as = "external"
        local-as = 64999
        port = 1790
        local-address = "2001:db8::2"
        passive = true
        families = ["ipv6"]
        hold-time = 0
        connect-retry = 2
        idle-hold = 0.5
        idle-hold-max = 0.5
        send-hold-time = 60
        md5-password-file = "{secret}"
        ttl-security = true
        interface = "eth1"
        next-hop = "2001:db8::3"
        med = 1
        prepend = 2
        communities = ["no-export", "1:1"]
        large-communities = ["1:2:3"]
        """
    )
    assert config.neighbors["tor-a"] == PeerConfig(
        name="tor-a",
        address="2001:db8::1",
        local_as=64999,
        router_id=IPv4Address("10.9.9.9"),
        peer_as=None,
        port=1790,
        local_address="2001:db8::2",
        interface="eth1",
        passive=True,
        description="rack 7",
        families=(Family.IPV6,),
        hold_time=0,
        connect_retry=2.0,
        idle_hold=0.5,
        idle_hold_max=0.5,
        send_hold_time=60,
        md5_key=b"hush ",
        ttl_security=1,
        multihop=None,
    )
    assert config.policies["tor-a"] == Policy(
        med=1,
        prepend=2,
        communities=((1, 1), (65535, 65281)),
        large_communities=((1, 2, 3),),
        next_hop={Family.IPV6: IPv6Address("2001:db8::3")},
    )
    assert config.secrets == {"tor-a": str(secret)}


def test_the_defaults_are_for_all_and_each_may_differ(read):
    found = peers(
        read,
        """
        [neighbor-defaults]
        peer-as = 64001
        hold-time = 30
        [[neighbor]]
        address = "10.0.0.1"
        [[neighbor]]
        address = "10.0.0.2"
        hold-time = 3
        """,
    )
    assert [(peer.peer_as, peer.hold_time) for peer in found.values()] == [(64001, 30), (64001, 3)]


def test_a_role_is_ours_towards_another_as(read, wrong):
    text = """
        [neighbor-defaults]
        role = "rs-client"
        role-strict = true
        [[neighbor]]
        address = "10.0.0.1"
        peer-as = 64001
        [[neighbor]]
        address = "10.0.0.2"
        peer-as = "external"
        role = "peer"
        role-strict = false
        [[neighbor]]
        address = "10.0.0.3"
        peer-as = 64147
        """
    found = [(peer.role, peer.role_strict) for peer in peers(read, text).values()]
    assert found == [(Role.RS_CLIENT, True), (Role.PEER, False), (None, True)]
    refused = wrong(SPEAKER + text + 'role = "customer"')
    assert refused == {"neighbor[2].role": ('"customer"', "is for neighbours in another AS (RFC 9234)")}


def test_who_is_watched_and_at_which_pace(read):
    config = read(
        """
        [speaker]
        local-as = 64147
        [neighbor-defaults]
        peer-as = 64001
        bfd = true
        bfd-interval = 0.1
        [[neighbor]]
        address = "10.0.0.1"
        [[neighbor]]
        address = "10.0.0.2"
        name = "tor-b"
        local-address = "10.0.0.9"
        interface = "eth1"
        ttl-security = true
        bfd-interval = 1
        bfd-multiplier = 5
        [[neighbor]]
        address = "10.0.0.3"
        bfd = false
        ebgp-multihop = 2
        """
    )
    assert config.bfd == {
        "10.0.0.1": BfdPeer(name="10.0.0.1", address="10.0.0.1", pace=Pace(interval=0.1, multiplier=3)),
        "tor-b": BfdPeer(
            name="tor-b",
            address="10.0.0.2",
            local_address="10.0.0.9",
            interface="eth1",
            pace=Pace(interval=1.0, multiplier=5),
        ),
    }


def test_own_and_shared_distance_do_not_contradict_each_other(read):
    text = """
        [neighbor-defaults]
        peer-as = 64001
        {shared}
        [[neighbor]]
        address = "10.0.0.1"
        {own}
        """
    (peer,) = peers(read, text.format(shared="ttl-security = 2", own="ebgp-multihop = 5")).values()
    assert (peer.ttl_security, peer.multihop) == (None, 5)
    (peer,) = peers(read, text.format(shared="ebgp-multihop = 5", own="ttl-security = 2")).values()
    assert (peer.ttl_security, peer.multihop) == (2, None)
    (peer,) = peers(read, text.format(shared="ttl-security = 2", own="ttl-security = false")).values()
    assert (peer.ttl_security, peer.multihop) == (None, None)


@pytest.mark.parametrize(
    ("line", "key", "value", "reason"),
    [
        ("hold-time = 2", "hold-time", "2", "RFC 4271 section 4.2"),
        ("send-hold-time = 2", "send-hold-time", "2", "RFC 9687"),
        ("role = 3", "role", "3", "customer"),
        ('role = "boss"', "role", '"boss"', "provider, rs, rs-client, customer, peer"),
        ("role-strict = true", "role-strict", None, "needs role"),
        ("port = 0", "port", "0", "1 to 65535"),
        ("peer_as = 1", "peer_as", None, 'did you mean "peer-as"?'),
        ('md5-password = "hush"', "md5-password", None, "md5-password-file"),
        ("ttl-security = 1\nebgp-multihop = 2", "ttl-security", "1", "ebgp-multihop"),
        ("idle-hold = 61", "idle-hold-max", "60.0", "idle-hold"),
        ('local-address = "10.0.0.1"', "local-address", '"10.0.0.1"', "the neighbour's own"),
        ('local-address = "2001:db8::1"', "local-address", '"2001:db8::1"', "of the family"),
        ("bfd = 1", "bfd", "1", "true or false"),
        ("bfd-interval = 0.04", "bfd-interval", "0.04", "0.05 to 60"),
        ("bfd-multiplier = 0", "bfd-multiplier", "0", "1 to 255"),
        ("bfd = true\nebgp-multihop = 2", "bfd", "true", "by ebgp-multihop this one may be farther"),
        ("bfd = true\nttl-security = 2", "bfd", "true", "by ttl-security this one may be farther"),
        ('interface = "eth 1"', "interface", '"eth 1"', "name of a network interface"),
        ("local-preference = 100", "local-preference", "100", "only to iBGP peers"),
        ("passive = true", "passive", None, '"0.0.0.0:179"'),
        (
            'families = ["ipv4"]\nnext-hop = {ipv6 = "::9"}',
            "next-hop",
            None,
            "ipv6, which families leaves out",
        ),
        ('next-hop = {ipv6 = "10.0.0.9"}', "next-hop.ipv6", '"10.0.0.9"', "IPv6 address"),
        ('name = "tor a"', "name", '"tor a"', "letters, digits"),
    ],
)
def test_what_is_refused(wrong, line, key, value, reason):
    found = wrong(SPEAKER + '[[neighbor]]\naddress = "10.0.0.1"\npeer-as = 64001\n' + line)
    assert list(found) == [f"neighbor[0].{key}"]
    assert found[f"neighbor[0].{key}"][0] == value
    assert reason in found[f"neighbor[0].{key}"][1]


def test_a_link_local_neighbor_is_at_the_interface_that_it_names(read, wrong):
    text = SPEAKER + '[[neighbor]]\naddress = "fe80::1%eth0"\npeer-as = 64001\ninterface = "{}"'
    assert read(text.format("eth0")).neighbors["fe80::1%eth0"].interface == "eth0"
    assert wrong(text.format("eth1")) == {
        "neighbor[0].interface": ('"eth1"', "must be that of the address, eth0"),
    }


def test_a_secret_is_not_shown(wrong, head):
    assert "hush" not in str(wrong(head + 'md5-password = "hush"\nmd5-pasword = "hush"'))


def test_a_neighbour_needs_an_address_and_an_as(wrong):
    assert set(wrong(SPEAKER + "[[neighbor]]\n[[neighbor]]\naddress = 5\npeer-as = 5")) == {
        "neighbor[0].address",
        "neighbor[0].peer-as",
        "neighbor[1].address",
    }


def test_without_any_neighbour_there_is_nothing_to_do(wrong):
    assert wrong(SPEAKER) == {"neighbor": (None, "is missing: at least one table [[neighbor]]")}


def test_an_as_that_is_wrong_is_told_once(wrong):
    text = '[speaker]\nlocal-as = 0\n[[neighbor]]\naddress = "10.0.0.1"\n{}\nlocal-preference = 1'
    assert set(wrong(text.format("peer-as = 1"))) == {"speaker.local-as"}
    assert set(wrong(text.format("peer-as = 0"))) == {"speaker.local-as", "neighbor[0].peer-as"}
    shared = '[neighbor-defaults]\npeer-as = "x"\n[[neighbor]]\naddress = "10.0.0.1"\nlocal-preference = 1'
    assert set(wrong(SPEAKER + shared)) == {"neighbor-defaults.peer-as"}


def test_names_and_addresses_are_unique(wrong):
    text = """
        [neighbor-defaults]
        peer-as = 64001
        [[neighbor]]
        address = "10.0.0.1"
        [[neighbor]]
        address = "10.0.0.2"
        name = "10.0.0.1"
        [[neighbor]]
        address = "10.0.0.1"
        name = "c"
        """
    assert set(wrong(SPEAKER + text)) == {"neighbor[1].name", "neighbor[2].address"}


def test_local_preference_is_for_ibgp(read, wrong):
    text = """
        [neighbor-defaults]
        local-preference = 200
        [[neighbor]]
        address = "10.0.0.1"
        peer-as = 64001
        """
    inner = '[[neighbor]]\naddress = "10.0.0.2"\npeer-as = 64147\nlocal-preference = 300'
    assert set(wrong(SPEAKER + text)) == {"neighbor-defaults.local-preference"}
    policies = read(SPEAKER + text + inner).policies.values()
    assert [policy.local_preference for policy in policies] == [None, 300]


def waiting(listen, address, local):
    return f"""
        [speaker]
        local-as = 64147
        listen = ["{listen}"]
        [[neighbor]]
        address = "{address}"
        local-address = "{local}"
        peer-as = 64001
        passive = true
        """


@pytest.mark.parametrize(
    ("listen", "address", "local"),
    [
        ("0.0.0.0:179", "10.0.0.1", "auto"),
        ("0.0.0.0:179", "10.0.0.1", "10.0.0.5"),
        ("10.0.0.5:179", "10.0.0.1", "10.0.0.5"),
        ("10.0.0.5:179", "10.0.0.1", "auto"),
        ("[::]:179", "2001:db8::1", "auto"),
    ],
)
def test_who_is_waited_for_can_connect(read, listen, address, local):
    assert read(waiting(listen, address, local)).neighbors[address].passive


@pytest.mark.parametrize(
    ("listen", "address", "local"),
    [
        ("10.0.0.5:179", "10.0.0.1", "10.0.0.6"),
        ("[::]:179", "10.0.0.1", "auto"),
        ("0.0.0.0:179", "2001:db8::1", "auto"),
    ],
)
def test_who_is_waited_for_in_vain(wrong, listen, address, local):
    assert set(wrong(waiting(listen, address, local))) == {"neighbor[0].passive"}


# --- gateways


GATEWAY = '[[neighbor]]\naddress = "gateway"\npeer-as = "external"\n'


def test_each_gateway_is_a_neighbour(read, known):
    machine = replace(known, gateways=lambda: ("10.0.0.1", "fe80::1%eth0"))
    found = peers(read, GATEWAY + 'name = "tor"\n', machine=machine)
    assert [(name, peer.name, peer.address) for name, peer in found.items()] == [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1%eth0", "fe80::1%eth0"),
    ]


@pytest.mark.parametrize(
    ("word", "hearing"),
    [
        ("gateway", {"10.0.0.1", "10.0.0.2"}),
        ("tor", {"10.0.0.1", "10.0.0.2"}),
        ("10.0.0.2", {"10.0.0.2"}),
        ("other", {"other"}),
    ],
)
def test_a_service_calls_gateways_by_one_word(read, known, word, hearing):
    machine = replace(known, gateways=lambda: ("10.0.0.1", "10.0.0.2"))
    text = f"""
        name = "tor"
        [[neighbor]]
        address = "10.0.0.9"
        name = "other"
        peer-as = 1
        [[service]]
        name = "a"
        vips = ["192.0.2.1"]
        neighbors = ["{word}"]
        """
    (service,) = read(SPEAKER + GATEWAY + text, machine=machine).services
    assert service.routes["192.0.2.1"].neighbors == hearing


def test_a_machine_without_a_gateway(wrong, known):
    found = wrong(SPEAKER + GATEWAY, machine=replace(known, gateways=lambda: ()))
    assert found == {"neighbor[0].address": ('"gateway"', "this machine has no default gateway")}


def test_a_machine_that_does_not_tell_its_gateways(wrong, known):
    def gateways():
        raise PermissionError(1, "Operation not permitted")

    found = wrong(SPEAKER + GATEWAY, machine=replace(known, gateways=gateways))
    assert "Operation not permitted" in found["neighbor[0].address"][1]


def test_a_gateway_that_is_a_neighbour_already(wrong, known):
    text = '[[neighbor]]\naddress = "10.0.0.1"\npeer-as = 1\nname = "tor"\n' + GATEWAY
    machine = replace(known, gateways=lambda: ("10.0.0.1",))
    assert set(wrong(SPEAKER + text, machine=machine)) == {"neighbor[1].address"}


# --- secrets


@pytest.mark.parametrize("octets", [b"", b"\n", b"x" * 81])
def test_a_password_of_a_length_that_tcp_does_not_take(wrong, head, tmp_path, octets):
    secret = tmp_path / "md5"
    secret.write_bytes(octets)
    secret.chmod(0o600)
    found = wrong(head + f'md5-password-file = "{secret}"')
    assert "1 to 80 octets" in found["neighbor[0].md5-password-file"][1]


def test_the_longest_password(read, head, tmp_path):
    secret = tmp_path / "md5"
    secret.write_bytes(b"x" * 80 + b"\r\n")
    secret.chmod(0o600)
    config = read(head + f'md5-password-file = "{secret}"')
    assert config.neighbors["10.0.0.1"].md5_key == b"x" * 80
    assert not [warning for warning in config.warnings if "md5" in warning]


def test_a_password_for_all(read, tmp_path):
    secret = tmp_path / "md5"
    secret.write_bytes(b"hush")
    secret.chmod(0o604)
    config = read(
        f"""
        [speaker]
        local-as = 64147
        [neighbor-defaults]
        peer-as = 64001
        md5-password-file = "{secret}"
        [[neighbor]]
        address = "10.0.0.1"
        [[neighbor]]
        address = "10.0.0.2"
        """
    )
    assert [peer.md5_key for peer in config.neighbors.values()] == [b"hush", b"hush"]
    assert list(config.secrets) == ["10.0.0.1", "10.0.0.2"]
    (warning,) = (each for each in config.warnings if "md5" in each)
    assert "can be read by everybody" in warning


def test_a_password_file_that_is_not_there(wrong, head, tmp_path):
    found = wrong(head + f'md5-password-file = "{tmp_path}/none"')
    assert found["neighbor[0].md5-password-file"][1] == "could not be read: No such file or directory"
    found = wrong(head + f'md5-password-file = "{tmp_path}"')
    assert found["neighbor[0].md5-password-file"][1] == "could not be read: Is a directory"
