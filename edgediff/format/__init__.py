"""Bytes: `.dpf` files, RUN folders and the manifest of a base bundle."""

from edgediff.format.dpf import dumps, loads, read_dpf, write_dpf
from edgediff.format.header import Header, read_header
from edgediff.format.inspect import inspect
from edgediff.format.run_folder import read_run

__all__ = ["Header", "dumps", "inspect", "loads", "read_dpf", "read_header", "read_run", "write_dpf"]
