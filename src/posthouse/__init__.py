"""Posthouse: one self-hosted platform for all the mail an organisation sends."""

__version__ = "0.1.0"
