"""vipd announces VIPs from disposable pods to their top-of-rack switches."""

__version__ = "0.1.0"
