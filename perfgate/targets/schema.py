"""The form of a target file. Checks types, ranges and names; `load` makes a frozen Target of what passes."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from perfgate.scenario.tables import Table
from perfgate.targets.model import MOST_PORTS

PLACEHOLDERS = (
    "python", "host", "port", "data_dir", "embedding_dim", "artifact", "socket",
    *(f"port{number}" for number in range(2, MOST_PORTS + 1)),
)  # fmt: skip
BUILD_PLACEHOLDERS = ("python", "source", "build_cache")


def _check_placeholders(part: str, known: tuple[str, ...]) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(part) if name is not None}
    except ValueError:
        names = {"?"}
    if names - set(known):
        wish = "text with no placeholder but " + ", ".join("{" + name + "}" for name in known)
        raise PydanticCustomError("form", "bad placeholder", {"wish": wish})
    return part


def _known_placeholders(part: str) -> str:
    return _check_placeholders(part, PLACEHOLDERS)


def _build_placeholders(part: str) -> str:
    return _check_placeholders(part, BUILD_PLACEHOLDERS)


def _inside(path: str) -> str:
    """A path that stays where it is relative to."""
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise PydanticCustomError("form", "bad path", {"wish": "a path below the repository, without '..'"})
    return path


def header_text(name: str) -> str:
    """What may stand in a header and in a query."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 60:
        raise PydanticCustomError("form", "bad name", {"wish": "1 to 60 letters, digits, '-' and '_'"})
    return name


def _file_name(name: str) -> str:
    if not name.isascii() or not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(name) > 100:
        raise PydanticCustomError("form", "bad name", {"wish": "1 to 100 letters, digits, '.', '-' and '_'"})
    return name


def _url_path(path: str) -> str:
    """What may stand between `GET` and `HTTP/1.1`."""
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path or len(path) > 60_000:
        wish = "a path that begins with '/', in printable ASCII without blanks (percent-encode the rest)"
        raise PydanticCustomError("form", "bad path", {"wish": wish})
    return path


Seconds = Annotated[float, Field(gt=0, le=3600, examples=[60])]
Argument = Annotated[str, AfterValidator(_known_placeholders)]
Arguments = Annotated[list[Argument], Field(examples=[["--flag", "value"]])]
OperationName = Literal["store", "recall", "embedding_search", "pattern_completion"]


class Host(Table):
    """None of it goes through a shell. stop_grace_seconds: after the signal, until all is killed. copyable: processes
    serve copies of a directory that was loaded once. load_connections: while loading."""

    command: Annotated[
        list[Argument], Field(min_length=1, examples=[["{python}", "-m", "perfgate.store", "--port", "{port}"]])
    ]
    environment: dict[str, Annotated[Argument, Field(examples=["value"])]] = {}
    start_timeout_seconds: Seconds = 60.0
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "KILL"] = "TERM"
    stop_grace_seconds: Seconds = 5.0
    copyable: bool = True
    load_connections: int = Field(default=8, ge=1, le=1024, examples=[8])
    tls: bool = False


class Tls(Table):
    """Of a store behind https; how its certificate is checked."""

    ca_file: str = Field(default="", examples=["ca.pem"])
    server_name: str = Field(default="", examples=["store.example.org"])
    insecure: bool = False


class Variant(Table):
    """arguments: added to the command. artifact: what `{artifact}` stands for, seen from the target file."""

    description: str = ""
    arguments: Arguments = []
    artifact: str = Field(default="", examples=["builds/v1.2"])


BuildArgument = Annotated[str, AfterValidator(_build_placeholders)]
Step = Annotated[list[BuildArgument], Field(min_length=1, examples=[["cargo", "build", "--release"]])]
Inside = Annotated[str, AfterValidator(_inside)]


class Build(Table):
    """How a commit becomes what is started."""

    steps: Annotated[list[Step], Field(min_length=1, examples=[[["cargo", "build", "--release"]]])]
    artifacts: Annotated[list[Inside], Field(min_length=1, examples=[["target/release/mystore"]])]
    toolchain: Annotated[list[Step], Field(examples=[[["rustc", "--version"]]])] = []
    environment: dict[str, Annotated[str, AfterValidator(_build_placeholders)]] = {}
    directory: Inside = Field(default=".", examples=["server"])
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400, examples=[900])] = 900.0

    @field_validator("artifacts")
    @classmethod
    def _told_apart(cls, artifacts: list[str]) -> list[str]:
        """Each is kept under its own last name."""
        names = [path.rstrip("/").rpartition("/")[2] for path in artifacts]
        if len(set(names)) < len(names):
            raise PydanticCustomError("form", "same name twice", {"wish": "artifacts whose last names differ"})
        return artifacts


class Search(Table):
    """Which option trades recall for time; see perfgate.targets.facts."""

    parameter: str = Field(min_length=1, examples=["ef"])
    values: Annotated[list[int | float | str], Field(min_length=1, max_length=50, examples=[[16, 32, 64, 128]])]
    applies: Literal["request", "load"] = "request"


class About(Table):
    """See perfgate.targets.facts.About."""

    version: str = Field(default="", max_length=200, examples=["1.2.3"])
    version_command: list[str] = Field(default=[], examples=[["mystore", "--version"]])
    durability: str = Field(default="", max_length=500, examples=["synced once a second: a second may be lost"])
    licence: str = Field(default="", max_length=200, examples=["Apache-2.0"])


class TargetFile(Table):
    """Of any adapter; what `options` holds is checked by the adapter's own form."""

    name: Annotated[str, AfterValidator(_file_name)] = Field(examples=["mystore"])
    description: str = ""
    adapter: str = Field(examples=["engram"])
    operations: list[OperationName] | None = Field(default=None, min_length=1, examples=[["store", "recall"]])
    options: Any = None
    host: Host | None = None
    tls: Tls = Tls()
    build: Build | None = None
    variants: dict[str, Variant] = {}
    search: Search | None = None
    about: About = About()


class EngramOptions(Table):
    """confidence: sent with each memory. threshold: similarity below which nothing is returned. max_results: asked for,
    and counted for recall."""

    # Below about 0.71 Engram puts a memory into a tier whose recall ignores the query.
    confidence: float = Field(default=0.95, ge=0, le=1, examples=[0.95])
    threshold: float = Field(default=0.5, ge=0, le=1, examples=[0.5])
    max_results: int = Field(default=10, ge=1, le=100, examples=[10])
    space: Annotated[str, AfterValidator(header_text)] = Field(default="default", examples=["default"])
    ef: int = Field(default=0, ge=0, le=100_000, examples=[64])  # of the built-in store; 0: not sent


class EngramFile(TargetFile):
    options: EngramOptions = EngramOptions()


class HttpGetOptions(Table):
    """contains: what a good reply's body must hold; empty: anything."""

    path: Annotated[str, AfterValidator(_url_path)] = Field(default="/", examples=["/"])
    contains: str = Field(default="", max_length=1_000, examples=["ok"])


class HttpGetFile(TargetFile):
    options: HttpGetOptions = HttpGetOptions()
