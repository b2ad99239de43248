"""The text of an ExaBGP configuration, from characters to statements. What one means is not known here.

A statement is some words and a `;`, or some words and a block of statements in braces. It ends on the line
on which it starts; a backslash at a line's end makes the next line part of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vipd.convert.errors import ConvertError

DEEPEST = 16  # blocks in blocks; ExaBGP itself knows five
SECRETS = ("md5", "password", "secret", "key")  # a keyword with one of these in it is not quoted to anybody

TOKEN = re.compile(
    r"""
    (?P<skip> \s+ | \#.* )
  | (?P<sign> [;{}\[\],] )
  | (?P<quoted> (?: [^\s;{}\[\],\#"'\\] | \\. )* (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' ) )
  | (?P<word> (?: [^\s;{}\[\],\#"'\\] | \\. )+ )
    """,
    re.VERBOSE,
)
QUOTED = re.compile(r"""((?:[^"'\\]|\\.)*)["'](.*)["']""", re.DOTALL)
ESCAPE = re.compile(r"\\(u.{0,4}|.)")
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statement:
    """One statement where it stands. `[`, `]` and `,` outside quotes are words of their own."""

    words: tuple[str, ...]  # at least one
    file: str
    line: int
    block: tuple["Statement", ...] | None = None  # None: it ended in a semicolon

    @property
    def keyword(self) -> str:
        return self.words[0]

    @property
    def values(self) -> tuple[str, ...]:
        return self.words[1:]

    def refuse(self, reason: object) -> ConvertError:
        return ConvertError(self.file, self.line, f"{self.keyword}: {reason}")

    def __str__(self) -> str:
        """As written, for a comment; no secret in it."""
        words = self.words
        if any(word in self.keyword.lower() for word in SECRETS):
            words = (self.keyword, "...")
        if self.block is not None:
            words = (*words, "{ ... }")
        return " ".join(words)


class _Blocks:
    """The blocks that are open at some place in the file, with what is in them so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.statements: list[Statement] = []  # of the innermost
        self._outer: list[tuple[list[str], int, list[Statement]]] = []  # its words, line, and surroundings

    def end(self, words: list[str], line: int) -> None:
        if words:
            self.statements.append(Statement(words=tuple(words), file=self.file, line=line))

    def open(self, words: list[str], line: int) -> None:
        if not words:
            raise ConvertError(self.file, line, "{: a block needs a name before it")
        if len(self._outer) == DEEPEST:
            raise ConvertError(self.file, line, f"{words[0]}: blocks in blocks, more than {DEEPEST} deep")
        self._outer.append((words, line, self.statements))
        self.statements = []

    def close(self, words: list[str], line: int) -> None:
        if words:
            raise ConvertError(self.file, line, f"{words[0]}: a statement ends in ; before the block does")
        if not self._outer:
            raise ConvertError(self.file, line, "}: no block is open here")
        name, began, outside = self._outer.pop()
        outside.append(Statement(words=tuple(name), file=self.file, line=began, block=tuple(self.statements)))
        self.statements = outside

    def finish(self) -> tuple[Statement, ...]:
        if self._outer:
            name, began, _ = self._outer[-1]
            raise ConvertError(self.file, began, f"{name[0]}: its block is not closed by the end of the file")
        return tuple(self.statements)


def parse(text: str, file: str) -> tuple[Statement, ...]:
    """Return the statements of a file. Raises ConvertError where there are none to be made out."""
    blocks = _Blocks(file)
    step = {";": blocks.end, "{": blocks.open, "}": blocks.close}
    for number, line in _lines(text):
        words: list[str] = []
        for sign, word in _tokens(line, file, number):
            if sign in step:
                step[sign](words, number)
                words = []
            else:
                words.append(word)
        if words:
            raise ConvertError(file, number, f"{words[0]}: a statement ends in ; or {{ on its own line")
    return blocks.finish()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of their first, those that a backslash continues joined to one."""
    joined, began = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        began = began or number
        joined += line.rstrip()
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        yield began, joined
        joined, began = "", 0
    yield began, joined


def _tokens(line: str, file: str, number: int) -> Iterator[tuple[str, str]]:
    """Signs and words: each as itself, and a sign as a sign, too. In quotes there are no signs."""
    at = 0
    while at < len(line):
        token = TOKEN.match(line, at)
        if token is None:
            raise ConvertError(file, number, f"a {line[at:].lstrip()[0]} is not closed on its own line")
        at = token.end()
        try:
            if token["sign"]:
                yield token["sign"], token["sign"]
            elif token["word"]:
                yield "", _unescaped(token["word"])
            elif quoted := QUOTED.fullmatch(token["quoted"] or ""):
                yield "", _unescaped(quoted[1] + quoted[2])
        except ValueError:
            reason = "\\u is followed by the four hexadecimal digits of a character"
            raise ConvertError(file, number, reason) from None


def _unescaped(text: str) -> str:
    return ESCAPE.sub(_letter, text)


def _letter(escape: re.Match[str]) -> str:
    """Raises ValueError where it stands for no character."""
    letter, digits = escape[1][0], escape[1][1:]
    if letter != "u":
        return ESCAPES.get(letter, letter)
    character = chr(int(digits, 16))
    if len(digits) != 4 or "\ud800" <= character <= "\udfff":
        raise ValueError(digits)
    return character
