"""What others say of an error, in the form of our own sentences."""

import os


def clause(text: str) -> str:
    """A sentence as part of another: without its capital, unless a name begins with it, and full stop."""
    first = text[:1].lower() if text[1:2].islower() else text[:1]
    return first + text[1:].rstrip(".")


def of(error: OSError) -> str:
    """What the system says, without its number and without what we called when it said so."""
    said = clause(str(error) if error.errno is None else os.strerror(error.errno))
    return f"{said}: {error.filename}" if error.filename else said
