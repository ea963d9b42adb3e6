"""Build hook: generates perfgate/wire/v1/*_pb2*.py from proto/ before anything is packed or installed."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent


def generate(root: Path = ROOT) -> list[Path]:
    """Run protoc over proto/; returns the files written. Raises RuntimeError when protoc refuses a file."""
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted((root / "proto").rglob("*.proto"))
    arguments = [
        "protoc",
        f"-I{root / 'proto'}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        *map(str, sources),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc could not compile {', '.join(map(str, sources))}")
    return sorted((root / "perfgate" / "wire" / "v1").glob("*_pb2*"))


class ProtobufHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for wheels and for editable installs alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(ROOT)


if __name__ == "__main__":
    for path in generate():
        print(path.relative_to(ROOT))
