"""Which machine a profile belongs to."""

from __future__ import annotations

from collections.abc import Mapping

IDENTITY = ("cpu", "cores", "governor", "clocksource", "kernel")
"""Of an agent's environment, what makes it another host for noise. Not its name: a CI runner gets a new one each time."""


def identity(environment: Mapping[str, str]) -> dict[str, str]:
    """Of the environment that an agent describes (`perfgate_agent.environment`, or one of a record's agents)."""
    return {name: str(environment[name]) for name in IDENTITY if name in environment}


def differences(measured: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """`kernel Linux 6.1 there, Linux 6.2 here` for each part that differs."""
    return [
        f"{name} {measured.get(name, 'unknown')} there, {here.get(name, 'unknown')} here"
        for name in IDENTITY
        if measured.get(name) != here.get(name)
    ]
