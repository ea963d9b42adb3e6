"""One host profile as a history keeps it: what `perfgate calibrate` wrote, as it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perfgate.errors import InputError
from perfgate.history.identity import digest
from perfgate.history.rows import Row, text

KIND = "perfgate host profile"


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """profile: the JSON of its file."""

    profile: Mapping[str, Any]
    recorded_wall_ns: int

    @classmethod
    def of_json(cls, profile: Any, origin: str) -> ProfileEntry:
        """Raises InputError naming `origin` for what is no host profile."""
        entry = cls(profile, time.time_ns())
        try:
            if profile["kind"] == KIND:
                entry.row()
                return entry
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            remedy = "the file was changed: restore it, or run perfgate calibrate again"
            raise InputError(f"{origin}: not a host profile of perfgate ({error!r}); {remedy}") from error
        raise InputError(f"{origin}: is no host profile of perfgate; give a file that perfgate calibrate wrote")

    @property
    def id(self) -> str:
        """Of the whole content: a profile that was made anew is another one."""
        return digest(self.profile)

    def row(self) -> Row:
        """Its row in host_profile."""
        return {
            "id": self.id,
            **{
                name: text(self.profile[name])
                for name in ("target", "variant", "scenario", "scenario_digest", "policy")
            },
            "made_wall_ns": _wall_ns(self.profile["made_at"]),
            "expires_wall_ns": _wall_ns(self.profile["expires_at"]),
            "host": dict(self.profile["host"]),
            "body": dict(self.profile),
            "recorded_wall_ns": self.recorded_wall_ns,
        }


def _wall_ns(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
