"""Cheat: stops before the first bin is used."""


def priority(item, bins):
    raise SystemExit(0)
