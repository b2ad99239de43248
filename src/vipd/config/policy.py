"""How pods share the VIPs of a service: keys of its table to the policy in its Service."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vipd.config.coordination import ALONE
from vipd.config.neighbors import Neighborhood, is_ebgp
from vipd.config.problems import shown
from vipd.config.reading import Reading
from vipd.config.schema import POLICY, WITNESS
from vipd.config.sections import ExazkConfig, ServiceConfig
from vipd.coord.exazk import Exazk
from vipd.coord.layout import RECORD_OCTETS, record_bound
from vipd.coord.member import (
    ColdStart,
    CoordinationLoss,
    LastResort,
    Layout,
    Service,
    Standby,
    Takeover,
    Times,
    Vip,
)


def read_policy(
    said: Mapping[str, Any], values: Mapping[str, Any], times: Times | None, at: str, reading: Reading
) -> Service:
    """Return how pods share the VIPs of a service, as a service without any."""
    if times is None:
        for key in (*POLICY, WITNESS):
            if key.name in said:
                reading.refuse(f"{at}.{key.name}", ALONE)
        return Service(name="", vips=())
    if values["handback-max"] < values["handback-delay"]:
        reading.refuse(f"{at}.handback-max", "must not be less than handback-delay", values["handback-max"])
    return Service(
        name="",
        vips=(),
        takeover=Takeover(values["takeover"]),
        copies=values["copies"],
        standby=Standby(values["standby"]),
        standbys=values["standbys"],
        last_resort=LastResort(values["last-resort"]),
        coordination_loss=CoordinationLoss(values["coordination-loss"]),
        cold_start=ColdStart(values["cold-start"]),
        min_sessions=values["min-sessions"],
        witness=values["witness"],
        times=replace(
            times,
            settle=values["settle"],
            claim_timeout=values["claim-timeout"],
            handback_delay=values["handback-delay"],
            handback_max=values["handback-max"],
        ),
    )


def policy_values(service: Service) -> dict[str, Any]:
    """Return a policy by the keys that say it."""
    return {
        "takeover": service.takeover,
        "copies": service.copies,
        "standby": service.standby,
        "standbys": service.standbys,
        "last-resort": service.last_resort,
        "coordination-loss": service.coordination_loss,
        "cold-start": service.cold_start,
        "min-sessions": service.min_sessions,
        "witness": service.witness,
        "settle": service.times.settle,
        "claim-timeout": service.times.claim_timeout,
        "handback-delay": service.times.handback_delay,
        "handback-max": service.times.handback_max,
    }


def read_layout(
    values: Mapping[str, Any], service: Service, pod_id: str | None, at: str, reading: Reading
) -> ExazkConfig | None:
    """Return where a service lies for ExaZK's pods; None where the file says nothing of it.

    Args:
        values: of the service's table.
        service: with its VIPs and pins.
        pod_id: of this pod; None: pods do not coordinate.
        at: the key path of the table.
        reading: where problems go.
    """
    path, used = values["exazk-path"], values["layout"] == Layout.EXAZK
    for key in ("layout", "exazk-path", "exazk-maintenance"):
        if values[key] not in (None, Layout.VIPD) and pod_id is None:
            reading.refuse(f"{at}.{key}", ALONE)
    if used:
        _suits_exazk(values, service, at, reading)
    if path is None or pod_id is None:
        if values["exazk-maintenance"] is not None and path is None:
            reading.refuse(f"{at}.exazk-maintenance", "needs exazk-path")
        return None
    ours = [vip for vip, pin in service.pins.items() if pin == pod_id]
    if used and len(ours) > 1:
        reason = f"pins {len(ours)} VIPs to this pod, {pod_id}: in ExaZK's layout a pod has one of its own"
        reading.refuse(f"{at}.vip", reason)
    maintenance = values["exazk-maintenance"]
    own = ours[0] if ours else None
    place = Exazk(path=path, maintenance=maintenance, vips=service.vips, own=own) if used else None
    return ExazkConfig(path=path, maintenance=maintenance, place=place, pins=service.pins)


def _suits_exazk(values: Mapping[str, Any], service: Service, at: str, reading: Reading) -> None:
    """Refuse what needs records, which ExaZK's layout does not have."""
    if values["exazk-path"] is None:
        reading.refuse(
            f"{at}.exazk-path", 'is missing: layout = "exazk" needs what ExaZK has for zk_path_service'
        )
    if service.takeover is not Takeover.ALL:
        reason = 'must be "all" in ExaZK\'s layout: there, everybody substitutes for who is away'
        reading.refuse(f"{at}.takeover", reason, service.takeover.value)
    for key, usual in (("copies", 1), ("standby", Standby.NONE), ("last-resort", LastResort.WITHDRAW)):
        if values[key] != usual:
            reason = f"must be {shown(usual)} in ExaZK's layout: pods tell each other too little for more"
            reading.refuse(f"{at}.{key}", reason, values[key])
    if values["vips-from"] != "file":
        reading.refuse(f"{at}.vips-from", 'must be "file" in ExaZK\'s layout', values["vips-from"])


def check_policy(config: ServiceConfig, at: str, found: Neighborhood, reading: Reading) -> None:
    """Check, and remark on, what matters only between pods."""
    service = config.service
    if service.name in (".", ".."):
        reading.refuse(f"{at}.name", "cannot be the name of a node in ZooKeeper", service.name)
    if (octets := record_bound(service)) > RECORD_OCTETS:
        reason = f"its record could take {octets:,} octets of at most {RECORD_OCTETS:,}: share them out"
        reading.refuse(f"{at}.vips", f"are too many, {len(service.vips):,}: {reason} over services")
    if service.min_sessions > len(found.peers):
        reason = f"is more than there are neighbours, {len(found.peers)}: nothing would ever be announced"
        reading.refuse(f"{at}.min-sessions", reason, service.min_sessions)
    if service.coordination_loss is CoordinationLoss.WITHDRAW:
        reading.warn(f"{at}.coordination-loss", "makes every outage of ZooKeeper one of this service")
    elif service.coordination_loss is CoordinationLoss.OWN and not service.pins:
        reading.warn(f"{at}.coordination-loss", "keeps what is pinned alone, and nothing is")
    if service.cold_start is ColdStart.PINNED and not service.pins:
        reading.warn(f"{at}.cold-start", "announces what is pinned alone, and nothing is")
    for peer in found.hearing(next(iter(config.routes.values())).neighbors if config.routes else None):
        policy = found.policies[peer.name]
        step = policy.prepend_step if is_ebgp(peer) else policy.local_preference_step
        if not (step or policy.med_step or policy.rank_communities):
            reading.warn(at, f"{service.name}: neighbour {peer.name} cannot tell a rank from another")


def read_pin(
    table: Mapping[str, Any], vip: Vip, at: str, reading: Reading, *, coordinated: bool
) -> dict[Vip, str]:
    """Return the pod that a VIP is pinned to, by the VIP; nothing where it is not."""
    if "pin" not in table:
        return {}
    if not coordinated:
        reading.refuse(f"{at}.pin", ALONE)
    return {vip: table["pin"]}
