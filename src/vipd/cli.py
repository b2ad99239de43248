# ruff: noqa: PLC0415, T201 - each verb imports what it needs when it is asked for; printing is what it does
"""The verbs. To read must cost no more than to read: no verb pays for the libraries of another."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from vipd.grammar import parser

SCHEMA: Final = 1  # of the JSON that we can read
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count


class Refused(Exception):  # noqa: N818 - an end, not a mistake of ours
    """Why a verb cannot be done, in a sentence, and its exit status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status, as sysexits.h has them."""
    arguments = parser().parse_args(argv)
    try:
        status = VERBS[arguments.verb](arguments)
        sys.stdout.flush()
    except Refused as refused:
        print(f"vipd: {refused}", file=sys.stderr)
        return refused.status
    except BrokenPipeError:
        # The reader has seen enough (`| head`); nothing may be left for the interpreter to write at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.EX_OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        print(f"vipd: {error}", file=sys.stderr)
        return os.EX_NOPERM if isinstance(error, PermissionError) else os.EX_IOERR
    except Exception:  # noqa: BLE001 - a traceback is for us; the sentence is for whoever sees it
        from traceback import print_exc

        print_exc()
        print("vipd: this is a bug in vipd", file=sys.stderr)
        return os.EX_SOFTWARE
    return status


# --- the verbs ----------------------------------------------------------------------------------------


def run(arguments: Namespace) -> int:
    import signal

    # Init, as which we may run, has no default action: a signal that comes while we import would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})
    from vipd import app, log
    from vipd.config import ConfigError, LogConfig

    log.configure(LogConfig())  # until the configuration says otherwise
    try:
        return app.run(arguments.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return os.EX_NOPERM if error.denied else os.EX_CONFIG
    except Exception as error:
        causes = list(_causes(error))
        if all(isinstance(cause, PermissionError) for cause in causes):
            raise Refused(os.EX_NOPERM, str(causes[0])) from error
        log.log.critical("crashed", reason="this is a bug in vipd", exc_info=error)
        return os.EX_SOFTWARE
    finally:
        log.STDERR.settle(1.0)


def check(arguments: Namespace) -> int:
    from vipd.config import ConfigError, load, render, timetable

    try:
        config = load(arguments.file or arguments.config, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return os.EX_NOPERM if error.denied else os.EX_CONFIG
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(render(config), timetable(config), sep="", end="")
    return os.EX_OK


def status(arguments: Namespace) -> int:
    from vipd import text

    return _print(arguments, _everything(arguments), text.status)


def neighbors(arguments: Namespace) -> int:
    from vipd import text

    everything = _everything(arguments)
    peers, wanted = everything["neighbors"], arguments.neighbor
    if wanted is None:
        return _print(arguments, peers, lambda _: text.neighbors(everything))
    for peer in peers:
        if wanted in (peer["name"], peer["address"]):
            return _print(arguments, peer, text.neighbor)
    known = [peer["name"] for peer in peers]
    raise Refused(os.EX_DATAERR, f"no neighbour is called {wanted}; {_there_are(known)}")


def vips(arguments: Namespace) -> int:
    from vipd import text

    everything = _everything(arguments)
    rows = [
        {"service": service["name"], **vip} for service in everything["services"] for vip in service["vips"]
    ]
    return _print(arguments, rows, text.vips)


def why(arguments: Namespace) -> int:
    from vipd import text

    address = _address(arguments.vip)
    if arguments.zookeeper:
        from vipd import verbs

        return _print(arguments, _done(lambda: verbs.why(arguments, address)), text.shared_why)
    everything = _everything(arguments)
    explanation = text.explain(everything, address)
    if explanation is not None:
        return _print(arguments, explanation, text.why)
    known = [vip["vip"] for service in everything["services"] for vip in service["vips"]]
    raise Refused(os.EX_DATAERR, f"no service has the VIP {address}; {_there_are(known)}")


def maintenance(arguments: Namespace) -> int:
    from vipd import text

    if arguments.local:
        return _print(arguments, _locally(arguments), text.local_maintenance)
    from vipd import verbs

    if arguments.action == "status":
        return _print(arguments, _done(lambda: verbs.standing(arguments)), text.maintenance)
    if arguments.service is None:
        raise Refused(os.EX_USAGE, "which service? Or --local, for all of this pod")
    arguments.lifted = arguments.action == "off"
    _want_reason(arguments)
    return _print(arguments, _done(lambda: verbs.maintenance(arguments)), text.ordered)


def drain(arguments: Namespace) -> int:
    from vipd import text, verbs

    arguments.lifted = arguments.verb == "undrain"
    _want_reason(arguments)
    return _print(arguments, _done(lambda: verbs.drain(arguments)), text.ordered)


def undrain(arguments: Namespace) -> int:
    return drain(arguments)


def members(arguments: Namespace) -> int:
    from vipd import text, verbs

    return _print(arguments, _done(lambda: verbs.members(arguments)), text.members)


def service(arguments: Namespace) -> int:
    from vipd import text

    def done() -> Any:
        from vipd import definition_verbs

        verbs = {"show": definition_verbs.show, "set": definition_verbs.put}
        return verbs.get(arguments.action, definition_verbs.validate)(arguments)

    found = _done(done)
    if arguments.action != "show":
        return _print(arguments, found, text.judged)
    if arguments.output == "json":  # it is what `set` reads
        found = found["definition"]
    return _print(arguments, found, text.definition)


def convert(arguments: Namespace) -> int:
    from vipd.convert import exabgp, exazk
    from vipd.convert.errors import ConvertError

    try:
        if arguments.program == "exazk":
            file, line, configurations = _exazk(arguments)
            print(exazk.convert(file, line, configurations), end="")
        elif arguments.exabgp or arguments.args is not None or not arguments.files:
            raise Refused(os.EX_USAGE, "vipd convert exabgp FILE...; --exabgp and --args are for exazk")
        else:
            print(exabgp.convert(arguments.files), end="")
    except ConvertError as error:
        raise Refused(os.EX_DATAERR, str(error)) from error
    return os.EX_OK


def demo(arguments: Namespace) -> int:
    from vipd import demo

    return demo.run(forever=arguments.forever, zookeeper=arguments.zookeeper)


def healthcheck(arguments: Namespace) -> int:
    from vipd.daemon import Unreachable, ask

    try:
        ask(arguments.socket, "/healthz")
    except Unreachable as unreachable:
        print(f"vipd: {unreachable}", file=sys.stderr)
        return 1
    return os.EX_OK


def completion(arguments: Namespace) -> int:
    from vipd.completion import SCRIPTS

    print(SCRIPTS[arguments.shell](parser()), end="")
    return os.EX_OK


VERBS: Final[dict[str, Callable[[Namespace], int]]] = {
    verb.__name__: verb
    for verb in (
        run,
        check,
        status,
        neighbors,
        vips,
        why,
        maintenance,
        drain,
        undrain,
        members,
        service,
        convert,
        demo,
        healthcheck,
        completion,
    )
}


def _exazk(arguments: Namespace) -> tuple[str | None, str | None, Sequence[str]]:
    """What is said of an ExaZK: its file, or its command line, and ExaBGP's configurations."""
    if not arguments.exabgp:
        raise Refused(os.EX_USAGE, "whose sessions? --exabgp FILE, that of the ExaBGP which runs it")
    if len(arguments.files) > 1 or (arguments.files and arguments.args is not None):
        raise Refused(os.EX_USAGE, "one ExaZK at a time: its FILE, or its command line as --args '...'")
    return next(iter(arguments.files), None), arguments.args, arguments.exabgp


# --- what they share ----------------------------------------------------------------------------------


def _everything(arguments: Namespace) -> Any:
    from vipd.daemon import Forbidden, Unreachable, ask

    try:
        everything = ask(arguments.socket, "/status")
    except Forbidden as forbidden:
        raise Refused(os.EX_NOPERM, str(forbidden)) from forbidden
    except Unreachable as unreachable:
        raise Refused(os.EX_UNAVAILABLE, str(unreachable)) from unreachable
    if everything.get("schema") != SCHEMA:
        raise Refused(
            os.EX_UNAVAILABLE, f"the vipd at {arguments.socket} is of another version than this command"
        )
    return everything


def _done(verb: Callable[[], Any]) -> Any:
    """Do a verb over ZooKeeper."""
    import structlog

    from vipd.verbs import NotDone

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))  # we tell
    try:
        return verb()
    except NotDone as refused:
        raise Refused(refused.status, str(refused)) from refused


def _locally(arguments: Namespace) -> Any:
    """Have the daemon on this machine take its own announcements off the air, or back; or say what stands."""
    from vipd.daemon import Unreachable, ask, tell
    from vipd.who import who

    if arguments.action != "status":
        _want_reason(arguments, lifted=arguments.action == "off")
    reason = f"{who()}: {arguments.reason}" if arguments.reason else ""
    wish = {"on": arguments.action == "on", "service": arguments.service, "reason": reason}
    try:
        if arguments.action == "status":
            return ask(arguments.socket, "/maintenance")
        return tell(arguments.socket, "/maintenance", wish)
    except Unreachable as unreachable:
        raise Refused(os.EX_UNAVAILABLE, str(unreachable)) from unreachable


def _want_reason(arguments: Namespace, *, lifted: bool | None = None) -> None:
    """Whoever stops something says why: others will read it at night."""
    if not (arguments.lifted if lifted is None else lifted) and not arguments.reason:
        raise Refused(os.EX_USAGE, "say why: --reason TEXT")


def _print(arguments: Namespace, answer: Any, render: Callable[[Any], str]) -> int:
    print(json.dumps(answer, indent=2) if arguments.output == "json" else render(answer))
    return os.EX_OK


def _address(text: str) -> str:
    """Spell an address as vipd does, however it was typed; a host prefix will do as well."""
    from ipaddress import ip_interface

    try:
        return str(ip_interface(text).ip)
    except ValueError:
        raise Refused(os.EX_USAGE, f"{text} is not an address") from None


def _there_are(known: Sequence[str]) -> str:
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    return f"there are {', '.join(known[:10])}{more}" if known else "there are none"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Unpack what task groups have packed, one into the other."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    else:
        yield error
