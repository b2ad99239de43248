"""Other speakers' configurations to a vipd.toml. Nothing here is needed by a running vipd, nor needs it."""

from vipd.convert.errors import ConvertError
from vipd.convert.exabgp import convert

__all__ = ["ConvertError", "convert"]
