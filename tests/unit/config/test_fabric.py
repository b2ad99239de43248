"""Which levers cannot order pods, in which fabric."""

import pytest

from vipd.config import FabricConfig, PodAs

SPEAKER = "[speaker]\nlocal-as = 64147\n"
TOR = '[[neighbor]]\naddress = "10.0.0.{}"\npeer-as = {}\n'
CHECK = '[[service.check]]\ntcp = "127.0.0.1:80"\n'
SERVICE = '[[service]]\nname = "apex"\nvips = ["192.0.2.1", "192.0.2.2"]\n'
SHARED = '[coordination]\nservers = "zk"\npod-id = "a"\n'
MED, PREPEND, STEP = "med is", "prepend 1", "prepend-step"


@pytest.fixture
def warned(read):
    """What is said of a service, told to neighbours, in a fabric."""

    def warnings(fabric, *, neighbor="", service="", tors=((1, 64001),), more=""):
        tables = "".join(TOR.format(*tor) + neighbor + "\n" for tor in tors)
        text = f"{SPEAKER}{tables}{SERVICE}{service}\n{CHECK}{more}[fabric]\n{fabric}\n"
        return [each for each in read(text).warnings if "secret" not in each]

    return warnings


def test_what_is_described(read):
    text = SPEAKER + TOR.format(1, 64001) + SERVICE + CHECK
    assert read(text).fabric is None
    assert read(text + "[fabric]\ntiers = 2").fabric == FabricConfig(tiers=2)
    whole = '[fabric]\ntiers = 3\npod-as = "own"\nalways-compare-med = true'
    assert read(text + whole).fabric == FabricConfig(tiers=3, pod_as=PodAs.OWN, always_compare_med=True)


@pytest.mark.parametrize(("tiers", "longer"), [(1, 1), (2, 1), (3, 3), (4, 5)])
def test_a_route_aside_is_longer_where_there_are_more_tiers(read, tiers, longer):
    text = SPEAKER + TOR.format(1, 64001) + SERVICE + CHECK
    assert [policy.aside for policy in read(text).policies.values()] == [1]
    (policy,) = read(f"{text}[fabric]\ntiers = {tiers}").policies.values()
    assert policy.aside == longer


def test_a_fabric_has_tiers(wrong):
    text = SPEAKER + TOR.format(1, 64001) + SERVICE + CHECK + "[fabric]\n"
    assert set(wrong(text)) == {"fabric.tiers"}
    assert set(wrong(text + 'tiers = 6\npod-as = "any"')) == {"fabric.tiers", "fabric.pod-as"}


@pytest.mark.parametrize(
    ("fabric", "neighbor", "service", "finding"),
    [
        ("tiers = 1", "med = 5", "", None),
        ("tiers = 2", "med = 5", "", MED),
        ("tiers = 2", "", "med = 0", MED),
        ('tiers = 1\npod-as = "own"', "", "med = 5", MED),
        ('tiers = 1\npod-as = "own"\nalways-compare-med = true', "", "med = 5", None),
        ("tiers = 2\nalways-compare-med = true", "", "med = 5", MED),
        ("tiers = 1", "prepend = 1", "", None),
        ("tiers = 2", "prepend = 1", "", PREPEND),
        ("tiers = 2", "prepend = 1", "prepend = 2", None),  # together
        ("tiers = 3", "", "prepend = 4", "prepend 4"),
        ("tiers = 3", "", "prepend = 5", None),
        ("tiers = 3", "", "prepend = 250", None),
        ("tiers = 3", "", "prepend = 251", "grow to 256"),
        ("tiers = 5", "", "", None),
    ],
)
def test_levers_of_a_pod_alone(warned, fabric, neighbor, service, finding):
    said = warned(fabric, neighbor=neighbor, service=service)
    assert len(said) == (finding is not None)
    assert finding is None or finding in said[0]
    assert all(each.startswith("service[0]: apex, to 10.0.0.1: ") for each in said)


@pytest.mark.parametrize(
    ("fabric", "neighbor", "service", "finding"),
    [
        ("tiers = 2", "", "", None),
        ("tiers = 3", "", "", STEP),
        ("tiers = 2", "prepend-step = 2", "", STEP),
        ("tiers = 2", "med-step = 10", "", MED),
        ("tiers = 1", "med-step = 10", "", None),
        ("tiers = 1", "prepend-step = 50", 'standby = "hot"\nstandbys = 4', None),
        ("tiers = 3", "prepend-step = 50", 'standby = "hot"\nstandbys = 4', None),
        ("tiers = 3", "prepend-step = 84", 'standby = "hot"\nstandbys = 2', "grow to 257"),
    ],
)
def test_ranks(warned, fabric, neighbor, service, finding):
    said = warned(fabric, neighbor=neighbor, service=service, more=SHARED)
    assert len(said) == (finding is not None)
    assert finding is None or finding in said[0]


def test_local_preference_where_some_do_not_hear_it(warned):
    (said,) = warned("tiers = 1", service="local-preference = 50", tors=((1, 64001), (2, 64147), (3, 64003)))
    assert said.startswith("service[0]: apex, to 10.0.0.1, 10.0.0.3: local-preference is not told")


def test_neighbours_that_do_not_hear_of_a_service_are_none_of_its_concern(warned):
    tors = ((1, 64147), (2, 64002))
    said = warned("tiers = 2", service='med = 5\nneighbors = ["10.0.0.1"]', tors=tors)
    assert said == []
