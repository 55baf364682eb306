"""Batik Cluster Atlas: from published tables and firm registers to maps and figures."""

__version__ = "0.1.0"
