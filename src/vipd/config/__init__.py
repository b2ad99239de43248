"""The configuration: one TOML file and the environment in, frozen sections out.

The file's format, the environment and their mistakes are known here and nowhere else. Each part of vipd
is given its own section, never the whole.
"""

from vipd.config.load import load
from vipd.config.machine import Machine
from vipd.config.problems import ConfigError, Problem
from vipd.config.render import render
from vipd.config.sections import (
    ApiConfig,
    Config,
    CoordinationConfig,
    DrainConfig,
    Endpoint,
    FabricConfig,
    LogConfig,
    LogFormat,
    LoopbackConfig,
    PodAs,
    ServiceConfig,
    SpeakerConfig,
    TlsConfig,
)
from vipd.config.timetable import timetable

__all__ = [
    "ApiConfig",
    "Config",
    "ConfigError",
    "CoordinationConfig",
    "DrainConfig",
    "Endpoint",
    "FabricConfig",
    "LogConfig",
    "LogFormat",
    "LoopbackConfig",
    "Machine",
    "PodAs",
    "Problem",
    "ServiceConfig",
    "SpeakerConfig",
    "TlsConfig",
    "load",
    "render",
    "timetable",
]
