"""What differs between pods: ${NAME} and ${NAME:-default} in the strings of the file.

`$${` is a plain `${`. As in a shell, the default also stands in for a variable that is empty.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Refuse = Callable[[str, str, object], None]  # key path, reason, value

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class FromEnvironment(str):
    """A string that the environment had a part in. Only such a one may stand for a number or a boolean."""

    __slots__ = ()


def substitute(value: Any, environ: Mapping[str, str], at: str, refuse: Refuse) -> Any:
    """Return the value with every reference replaced, in whatever it holds; `at` is its key path.

    Raises RecursionError where tables are nested beyond all sense.
    """
    match value:
        case str() if "${" in value:
            return _replace(value, environ, at, refuse)
        case list():
            return [
                item
                if isinstance(item, str) and "${" not in item  # ten thousand VIPs need no key path each
                else substitute(item, environ, f"{at}[{index}]", refuse)
                for index, item in enumerate(value)
            ]
        case dict():
            prefix = f"{at}." if at else ""
            return {key: substitute(item, environ, prefix + key, refuse) for key, item in value.items()}
        case _:
            return value


def _replace(text: str, environ: Mapping[str, str], at: str, refuse: Refuse) -> str:
    replaced = False

    def one(reference: re.Match[str]) -> str:
        nonlocal replaced
        if reference[0] == "$${":
            return "${"
        replaced = True
        name = _NAME.fullmatch(reference[1])
        if name is None or not reference[2]:
            refuse(at, "must be ${NAME} or ${NAME:-default}; a plain ${ is written $${", text)
            return ""
        value = environ.get(name[1])
        if not value and name[2] is not None:
            value = name[2]
        if value is None:
            refuse(at, f"{name[1]} is not in the environment; ${{{name[1]}:-…}} gives a default", text)
            return ""
        if not value.isprintable():  # which undecodable octets are not either
            refuse(at, f"{name[1]} in the environment must be one line of UTF-8", text)
            return ""
        return value

    result = _REFERENCE.sub(one, text)
    return FromEnvironment(result) if replaced else result


def escape(text: str) -> str:
    """Return the text as a file has to spell it, so that nothing in it is taken for a reference."""
    return text.replace("${", "$${")
