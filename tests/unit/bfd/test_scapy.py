"""A second opinion on every octet: scapy reads what we write, and we read what scapy writes."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD

from vipd.bfd.packet import MICROSECONDS, ControlPacket, State

u32 = st.integers(0, 2**32 - 1)
FLAGS = {"poll": "P", "final": "F", "independent": "C", "demand": "D"}
fields = st.fixed_dictionaries(
    {
        "state": st.sampled_from(State),
        "diagnostic": st.integers(0, 31),
        "my_discriminator": st.integers(1, 2**32 - 1),
        "your_discriminator": u32,
        "multiplier": st.integers(1, 255),
        "desired_min_tx": u32,
        "required_min_rx": u32,
        "required_min_echo_rx": u32,
        **{flag: st.booleans() for flag in FLAGS},
    }
)
INTERVALS = ("desired_min_tx", "required_min_rx", "required_min_echo_rx")


def ours(said):
    return ControlPacket(**{**said, **{name: said[name] / MICROSECONDS for name in INTERVALS}})


def theirs(said):
    return BFD(
        version=1,
        diag=said["diagnostic"],
        sta=int(said["state"]),
        flags="".join(letter for flag, letter in FLAGS.items() if said[flag]),
        detect_mult=said["multiplier"],
        my_discriminator=said["my_discriminator"],
        your_discriminator=said["your_discriminator"],
        min_tx_interval=said["desired_min_tx"],
        min_rx_interval=said["required_min_rx"],
        echo_rx_interval=said["required_min_echo_rx"],
    )


@given(fields)
def test_either_writes_the_same_and_reads_the_other(said):
    assert ours(said).encode() == bytes(theirs(said))
    assert ControlPacket.decode(bytes(theirs(said))) == ours(said)
