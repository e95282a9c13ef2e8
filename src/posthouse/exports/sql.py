"""The room's statements, by name."""

from posthouse.runtime import queries

SQL = queries.load(__package__)
