"""What is wrong with a configuration to be converted."""


class ConvertError(Exception):
    """A file that cannot be converted: where, and what was allowed there instead."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line  # from 1; 0: the file as a whole
        self.reason = reason

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.reason}"
