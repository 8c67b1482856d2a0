"""Defines the version of localpubsub, which its wheel has, too."""

__version__ = "0.2.0"
