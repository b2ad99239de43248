"""What may be said to `vipd`: its verbs and their options, with what `--help` tells of each."""

import argparse
import os
from collections.abc import Callable
from textwrap import dedent
from typing import Final, Never

from vipd import __version__

CONFIG: Final = "/etc/vipd/vipd.toml"
SOCKET: Final = "/run/vipd/vipd.sock"
SHELLS: Final = ("bash", "zsh", "fish")

EXIT_STATUS: Final = """\
exit status:
  0   done
  1   healthcheck: not alive
  64  wrong use of this command
  65  no such VIP, neighbour, service or pod; a file that cannot be converted
  69  no vipd answers at the socket; ZooKeeper was not reached in time
  70  a bug in vipd
  74  reading or writing failed
  77  permission denied
  78  the configuration is wrong

`vipd VERB --help` tells more of a verb, with examples.
"""


class Layout(argparse.RawDescriptionHelpFormatter):
    """Leaves texts as they are written, and each verb on the line of its summary."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 16  # argparse measures the verbs without their indentation


class Parser(argparse.ArgumentParser):
    """Says what is wrong on one line, and exits as sysexits.h wants it."""

    def error(self, message: str) -> Never:
        self.exit(os.EX_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """Build the parser; `verb` of what it returns is the verb's name."""
    top = Parser(
        prog="vipd",
        description="Announces the addresses of services (VIPs) from this pod to its top-of-rack switches.",
        epilog=EXIT_STATUS,
        formatter_class=Layout,
    )
    top.add_argument("--version", action="version", version=f"vipd {__version__}", help="print the version")
    verbs = top.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True, parser_class=Parser)

    def verb(name: str, summary: str, text: str) -> Parser:
        return verbs.add_parser(
            name,
            help=summary,
            description=dedent(text).strip(),
            formatter_class=Layout,
        )

    run = verb(
        "run",
        "run the daemon, in the foreground",
        """
        Run the daemon in the foreground: sessions to the neighbours, checks of the services, and their
        VIPs announced for as long as the checks pass. Logs to standard error.

        signals:
          SIGHUP            read the configuration again; a wrong one changes nothing and is said so
          SIGTERM, SIGINT   withdraw, wait until the neighbours have it, linger, and leave;
                            a second one leaves at once
          SIGUSR1           end without a word, to be started again: for graceful-restart

        examples:
          vipd run
          vipd run --config ./vipd.toml
          VIPD_LOCAL_AS=64147 vipd run       # for a file that says local-as = "${VIPD_LOCAL_AS}"
        """,
    )
    _config(run)

    check = verb(
        "check",
        "read the configuration and say what it comes to",
        """
        Read a configuration and print it with all defaults filled in. Every problem is told on a line of
        standard error, with its key, its value and what is allowed; so are warnings, of what is allowed
        and most likely not meant. Nothing is contacted and nothing is changed.

        Where pods coordinate, comments at the end tell what the times come to: every timer, what a VIP
        waits for at worst, the grace period that a pod needs, and what is on the air when power returns
        before ZooKeeper.

        examples:
          vipd check                         # the file that `vipd run` would read
          vipd check vipd.toml && systemctl reload vipd
          diff <(vipd check old.toml) <(vipd check new.toml)
        """,
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="what to read instead of --config")
    _config(check)

    _asking(
        verb(
            "status",
            "how this pod fares, on one screen",
            """
            Say on one screen how this pod fares: whether it is ready and if not why, its sessions, its
            services and their checks.

            examples:
              vipd status
              vipd status -o json | jq .ready
              watch -n1 vipd status
            """,
        )
    )

    neighbors = verb(
        "neighbors",
        "the BGP sessions, or everything about one",
        """
        List the BGP sessions as `show bgp summary` of vtysh does; State/PfxSnt is the number of prefixes
        told to a neighbour whose session is Established, and the state of one whose is not. With a name
        or an address, tell everything about that one: what was agreed, the capabilities of both sides,
        counters, the last error.

        examples:
          vipd neighbors
          vipd neighbors 10.20.151.129
          vipd neighbors tor-a -o json | jq .last_error.text
        """,
    )
    neighbors.add_argument(
        "neighbor", nargs="?", metavar="NAME|ADDRESS", help="tell everything about this one"
    )
    _asking(neighbors)

    _asking(
        verb(
            "vips",
            "the VIPs, and whether each is announced",
            """
            List the VIPs: whether each is announced, the verdict on it, since when, how many neighbours
            have been told, and the reason.

            examples:
              vipd vips
              vipd vips -o json | jq -r '.[] | select(.announced | not) | .vip'
            """,
        )
    )

    why = verb(
        "why",
        "why a VIP is announced, or is not",
        """
        Explain one VIP: the verdict on it, what that rests on (each check with its last result), and which
        neighbour has been told or why not. Where pods coordinate: who should announce it, who does, what is
        awaited, and how old each of these facts is.

        With --zookeeper, no daemon is asked but the records of all pods, from wherever you are.

        examples:
          vipd why 192.0.2.166
          vipd why 2001:db8::1 -o json
          vipd why 192.0.2.166 --zookeeper zk1,zk2,zk3
        """,
    )
    why.add_argument("vip", metavar="VIP", help="an address of a service")
    _asking(why)
    _zookeeper(why)

    maintenance = verb(
        "maintenance",
        "take a service off the air everywhere, or back",
        """
        Take a service off the air on all of its pods, or back, through ZooKeeper; or say what stands. An
        order stands until it is lifted: --until is when it ought to be, for whoever is alerted, and lifts
        nothing. --local speaks to the daemon on this machine instead, which needs no ZooKeeper: it takes
        off this pod's own announcements, of one service or of all, until told otherwise or restarted.

        examples:
          vipd maintenance on apex --reason "new certificates" --until 2h
          vipd maintenance status
          vipd maintenance off apex --reason done --zookeeper zk1,zk2,zk3
          vipd maintenance on --local --reason "disk is failing"
        """,
    )
    maintenance.add_argument("action", choices=("on", "off", "status"), help="what to do")
    maintenance.add_argument("service", nargs="?", metavar="SERVICE", help="which one")
    maintenance.add_argument("--local", action="store_true", help="only on this pod, by its daemon's socket")
    _ordering(maintenance)
    _asking(maintenance)
    _zookeeper(maintenance)

    drain = verb(
        "drain",
        "have a pod hand over all that it announces, and stay",
        """
        Have a pod hand over to the others all that it announces, of every service, through ZooKeeper. It
        keeps its sessions and stays out of it until `vipd undrain`. A VIP for which there is no other pod
        stays where it is. --until is when it ought to be lifted, for whoever is alerted, and lifts nothing.

        examples:
          vipd drain --reason "kernel update"          # this machine's pod
          vipd drain lb-7 --reason "rack move" --until 2026-11-21T18:00 --zookeeper zk1,zk2,zk3
        """,
    )
    undrain = verb(
        "undrain",
        "have a drained pod take part again",
        """
        Have a drained pod take part again, through ZooKeeper.

        examples:
          vipd undrain
          vipd undrain lb-7 --reason "rack moved" --zookeeper zk1,zk2,zk3
        """,
    )
    for each in (drain, undrain):
        each.add_argument("pod", nargs="?", metavar="POD", help="its pod-id (that of this host)")
        _ordering(each)
        _output(each)
        _zookeeper(each)

    members = verb(
        "members",
        "the pods that share a service, as ZooKeeper has them",
        """
        List the pods that share a service, or every service, as their records in ZooKeeper have it: how
        many VIPs each is eligible for and announces, and what is amiss. No daemon is asked.

        examples:
          vipd members apex
          vipd members --zookeeper zk1,zk2,zk3 -o json | jq -r '.[].members[].pod'
        """,
    )
    members.add_argument("service", nargs="?", metavar="SERVICE", help="only this one")
    _output(members)
    _zookeeper(members)

    _service(verb)

    convert = verb(
        "convert",
        "make a vipd.toml of another program's configuration",
        """
        Print the vipd.toml that announces what another program's configuration does. What has no
        equivalent is said in a comment at its place; docs/migration-exabgp.md and migration-exazk.md tell
        the whole way. Of ExaZK, say its YAML file or its command line; without both, that is taken which
        the ExaBGP configuration runs.

        examples:
          vipd convert exabgp /etc/exabgp/exabgp.conf > vipd.toml
          vipd convert exazk apex.yml --exabgp /etc/exabgp/exabgp.conf > vipd.toml
          vipd convert exazk --args '-c /check -n apex -A 192.0.2.1 -N 192.0.2.2 ...' --exabgp exabgp.conf
          vipd check vipd.toml
        """,
    )
    convert.add_argument("program", choices=("exabgp", "exazk"), help="whose configuration it is")
    convert.add_argument("files", nargs="*", metavar="FILE", help="its configuration files")
    convert.add_argument("--args", metavar="LINE", help="exazk: its command line, instead of FILE")
    convert.add_argument(
        "--exabgp", metavar="FILE", nargs="+", help="exazk: the configuration of the ExaBGP that runs it"
    )

    demo = verb(
        "demo",
        "a whole rack on this machine: watch VIPs move, and return",
        """
        Run three pods and two top-of-rack switches on loopback addresses, without root: real BGP sessions,
        a real HTTP service being checked, a ZooKeeper in memory or a real one. A service fails, a pod is
        killed, another is drained; each comes back; the times are shown. Ends by itself.

        examples:
          vipd demo
          vipd demo --zookeeper              # a real ZooKeeper, where Debian's packages of it are
          vipd demo --forever                # until Ctrl-C; says where its /metrics and /status are
        """,
    )
    demo.add_argument("--forever", action="store_true", help="go on until interrupted")
    demo.add_argument("--zookeeper", action="store_true", help="start a real ZooKeeper for it")

    _socket(
        verb(
            "healthcheck",
            "exit 0 if the daemon is alive, 1 if not",
            """
            Ask the daemon whether its event loop answers; for the health check of a container. Says
            nothing but why not.

            examples:
              HEALTHCHECK CMD ["vipd", "healthcheck"]              # in a Containerfile
              livenessProbe: {exec: {command: [vipd, healthcheck]}}  # in Kubernetes
            """,
        )
    )

    completion = verb(
        "completion",
        "print the script that completes these words in a shell",
        """
        Print the script that lets a shell complete what is typed after `vipd`.

        examples:
          source <(vipd completion bash)     # in ~/.bashrc
          source <(vipd completion zsh)      # in ~/.zshrc
          vipd completion fish | source      # in ~/.config/fish/config.fish
        """,
    )
    completion.add_argument("shell", choices=SHELLS, help="whose script")
    return top


def _service(verb: Callable[[str, str, str], Parser]) -> None:
    service = verb(
        "service",
        "the VIPs, pins and policy of a service, as ZooKeeper defines them",
        """
        Show what ZooKeeper defines a service to be, say whether a FILE could be set, or set it: for services
        whose pods have `vips-from = "zookeeper"`. One write, and every pod that may (`allow`) serves what it
        says. A definition with a mistake is not set; set otherwise, every pod would refuse it as a whole and
        keep what it had. FILE is JSON; - is standard input:

          {"schema": 1, "vips": ["192.0.2.1", "192.0.2.2"], "pins": {"192.0.2.1": "lb-1"},
           "policy": {"copies": 2}}

        examples:
          vipd service show apex
          vipd service show apex -o json > apex.json    # as `set` reads it
          vipd service validate apex apex.json
          vipd service set apex apex.json --zookeeper zk1,zk2,zk3
        """,
    )
    service.add_argument("action", choices=("show", "set", "validate"), help="what to do")
    service.add_argument("service", metavar="SERVICE", help="which one")
    service.add_argument("file", nargs="?", metavar="FILE", help="the definition")
    service.add_argument("--force", action="store_true", help="though over half of the VIPs go")
    service.add_argument("--anyway", action="store_true", help="though no pod of that service has registered")
    _output(service)
    _zookeeper(service)


def _config(parser: Parser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=os.environ.get("VIPD_CONFIG") or CONFIG,
        help=f"the configuration ($VIPD_CONFIG, {CONFIG})",
    )


def _socket(parser: Parser) -> None:
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=os.environ.get("VIPD_SOCKET") or SOCKET,
        help=f"where the daemon answers ($VIPD_SOCKET, {SOCKET})",
    )


def _asking(parser: Parser) -> None:
    _output(parser)
    _socket(parser)


def _ordering(parser: Parser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="why: pods tell it in their logs and in `vipd why`")
    parser.add_argument("--until", metavar="WHEN", help='when it ought to end: "2h", or "2026-11-21T18:00"')
    parser.add_argument("--anyway", action="store_true", help="though nobody of that name has registered")


def _zookeeper(parser: Parser) -> None:
    """Say where ZooKeeper is. Left out: as the configuration has it."""
    told = parser.add_argument_group("where ZooKeeper is, if not as the configuration has it")
    told.add_argument(
        "--zookeeper",
        metavar="HOST:PORT,...",
        default=os.environ.get("VIPD_ZOOKEEPER"),
        help="its servers, a chroot behind the last ($VIPD_ZOOKEEPER)",
    )
    told.add_argument("--root", metavar="PATH", default="/vipd", help="what all of vipd is below (/vipd)")
    told.add_argument("--auth-file", metavar="FILE", help='holds "user:password" of the digest scheme')
    told.add_argument("--tls", action="store_true", help="speak TLS, as the options below say, or any")
    told.add_argument("--tls-ca", metavar="FILE", help="the CA certificates that are trusted")
    told.add_argument("--tls-certificate", metavar="FILE", help="our own certificate")
    told.add_argument("--tls-key", metavar="FILE", help="its private key")
    told.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for all of it (10)")
    _config(parser)


def _output(parser: Parser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="what to print: text (default) or json",
    )
