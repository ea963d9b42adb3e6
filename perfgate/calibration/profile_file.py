"""Where host profiles lie, and whether one may be used here and now."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from perfgate.calibration.digest import noise_digest
from perfgate.calibration.host import differences
from perfgate.calibration.profile import HostProfile
from perfgate.calibration.profile_json import profile_from_json, profile_to_json
from perfgate.errors import InputError
from perfgate.scenario.model import Scenario
from perfgate.stored_form import parse
from perfgate.whole_file import write_whole

DIRECTORY = Path(".perfgate") / "hosts"
AGAIN = "run perfgate calibrate again"


def default_path(target: str, scenario: Scenario, policy: str) -> Path:
    """`.perfgate/hosts/<target>-<scenario>-<policy>-<digest>.json`, in the current directory."""
    return DIRECTORY / f"{_slug(target)}-{_slug(scenario.name)}-{_slug(policy)}-{noise_digest(scenario)}.json"


def read_profile(path: Path) -> HostProfile:
    """Raises InputError naming file, field and remedy. Whether it fits is for `misfit` to say."""
    try:
        return profile_from_json(parse(path.read_bytes()), str(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such profile; make one with perfgate calibrate") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a profile that perfgate calibrate wrote") from error
    except ValueError as error:
        raise InputError(f"{path}: is damaged (no JSON: {error}); {AGAIN}") from error


def write_profile(path: Path, profile: HostProfile) -> None:
    """All or nothing. Raises InputError for a place that cannot be written."""
    text = json.dumps(profile_to_json(profile), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [text])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a file that can be written with --profile") from error


def misfit(profile: HostProfile, host: Mapping[str, str], target: str, scenario: Scenario, now: datetime) -> str:
    """Why a profile must not be used: it expired, or belongs to another host (`host.identity`), target or scenario. Empty
    for one that fits. Slices and policy are asked for by whoever depends on them."""
    if profile.target != target:
        return f"it is of target {profile.target!r}, not {target!r}; {AGAIN}"
    if profile.scenario_digest != noise_digest(scenario):
        return (
            f"it is of another scenario ({profile.scenario!r}, or rate, mix or data of this one have changed); {AGAIN}"
        )
    if unlike := differences(profile.host, host):
        return f"it is of another host ({'; '.join(unlike)}); {AGAIN} on this one"
    if now >= profile.expires_at:
        return f"it expired on {profile.expires_at:%Y-%m-%d %H:%M} UTC; {AGAIN}"
    return ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
