"""The definitions of services that ZooKeeper has (rule 15), as this pod takes them: over the file, or not.

What cannot be taken leaves what there was: the last definition that could, or the file's VIPs. It is tried
again whenever anything changes that may have been in its way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import structlog

from vipd.config import Config, ConfigError, ServiceConfig
from vipd.config.definition import Definition, define, read_definition, removes_too_many
from vipd.config.sections import Defined
from vipd.coord.layout import definition_path
from vipd.coord.member import Record, View, Vip

log = structlog.get_logger()

UNREADABLE = "its ACL does not let us read it"
FROM_FILE = Defined()


@dataclass(slots=True)
class _Course:
    """What is known of one service's definition."""

    newest: bytes | None = None  # as it stands; None: it does not
    denied: bool = False  # it stands, and may not be read
    read: bool = False  # whether ZooKeeper was ever heard of it
    served: frozenset[Vip] = frozenset()  # by siblings, when it was first heard of
    force: Definition | None = None  # that in force
    in_force: bytes | None = None
    told: Defined = FROM_FILE


class Definitions:
    """Knows the file, and makes of it the configuration in force."""

    def __init__(self, file: Config) -> None:
        self.config = file  # in force
        self._file = file
        self._courses: dict[str, _Course] = {}
        self.configure(file)

    def configure(self, file: Config) -> Config:
        """Take another file; return the configuration in force."""
        self._file = file
        names = {service.service.name for service in file.services if service.definable is not None}
        self._courses = {name: self._courses.get(name, _Course()) for name in names}
        self.config = replace(file, services=tuple(self._reapplied()))
        self._settle()
        return self.config

    def see(self, service: str, view: View) -> bool:
        """Learn what a view tells; whether another configuration is in force now."""
        course = self._courses.get(service)
        if course is None:
            return False
        standing = view.definition
        octets = None if standing is None else standing.octets
        denied = standing is not None and octets is None
        if course.read and course.newest == octets and course.denied == denied:
            return False
        if not course.read:
            course.served = _served(view)
        before = self.config
        course.newest, course.denied, path = octets, denied, self._path(service)
        self._settle()
        if standing is None and course.in_force is not None:
            log.error("definition_deleted", service=service, path=path)
        course.read = True
        return self.config is not before

    def told(self) -> Mapping[str, Defined]:
        """How each definable service came by its VIPs, by its name."""
        return {name: course.told for name, course in self._courses.items()}

    def _reapplied(self) -> Iterator[ServiceConfig]:
        """The services of a new file, each with the definition that was in force where it can have it."""
        done: list[ServiceConfig] = []
        for index, service in enumerate(self._file.services):
            course = self._courses.get(service.service.name)
            made = service
            if course is not None and course.force is not None:
                whole = replace(self._file, services=(*done, *self._file.services[index:]))
                try:
                    made = define(service, course.force, whole, self._path(service.service.name))
                except ConfigError:
                    course.force, course.in_force = None, None
            done.append(made)
            yield made

    def _settle(self) -> None:
        """Take whatever can be taken, until nothing changes: one may have been in the way of another."""
        moved = True
        while moved:
            moved = any(tuple(self._attempt(name, course) for name, course in self._courses.items()))

    def _attempt(self, name: str, course: _Course) -> bool:
        """Take the newest definition of a service, or note why not; whether it was taken."""
        source = "file" if course.force is None else "zookeeper"
        if course.newest is None or course.newest == course.in_force:
            gone = course.newest is None and not course.denied and course.force is not None
            refused = UNREADABLE if course.denied else None
            self._note(name, course, Defined(source=source, refused=refused, deleted=gone))
            return False
        path = self._path(name)
        service = next(each for each in self._file.services if each.service.name == name)
        try:
            found = read_definition(course.newest, path)
            removes_too_many(self._before(name, course), found, path)
            defined = define(service, found, self.config, path)
        except ConfigError as error:
            self._note(name, course, Defined(source=source, refused=str(error)))
            return False
        services = (defined if each.service.name == name else each for each in self.config.services)
        self.config = replace(self.config, services=tuple(services))
        course.force, course.in_force = found, course.newest
        self._note(name, course, Defined(source="zookeeper"))
        log.info("definition_taken", service=name, path=path, vips=len(found.vips))
        return True

    def _before(self, name: str, course: _Course) -> frozenset[Vip]:
        """What a definition must not halve: what is in force; at the first reading, what others serve."""
        if course.force is None and not course.read:
            return course.served
        present = next(each for each in self.config.services if each.service.name == name)
        return frozenset(present.service.vips)

    def _note(self, name: str, course: _Course, told: Defined) -> None:
        if told.refused is not None and told.refused != course.told.refused:
            log.error("definition_refused", service=name, problem=told.refused)
        course.told = told

    def _path(self, service: str) -> str:
        coordination = self._file.coordination
        return definition_path("" if coordination is None else coordination.root, service)


def _served(view: View) -> frozenset[Vip]:
    """The VIPs that siblings serve."""
    return frozenset().union(
        *(
            member.record.serves
            for name, member in view.members.items()
            if name != view.own and isinstance(member.record, Record)
        )
    )
