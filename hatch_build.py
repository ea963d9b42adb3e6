"""Build hook: generates perfgate/wire/v1/*_pb2*.py from proto/, and compiles the workers' engine where there is a C
compiler, before anything is packed or installed."""

import runpy
import sys
import sysconfig
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


def compile_engine(root: Path = ROOT) -> Path | None:
    """The engine's library, or None with a line on standard error: perfgate works without it, at a lower rate."""
    script = root / "agents" / "perfgate_agent" / "engine" / "compile.py"
    library, why_not = runpy.run_path(str(script))["compile_engine"](script.parent)
    if library is None:
        print(f"perfgate: {why_not}; the workers will use the portable driver", file=sys.stderr)
        return None
    return Path(library)


class GeneratedFilesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for wheels and for editable installs alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(ROOT)
        if self.target_name == "wheel" and compile_engine(ROOT) is not None:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"  # it needs the C library, but nothing of Python's


if __name__ == "__main__":
    for path in generate():
        print(path.relative_to(ROOT))
    if engine := compile_engine():
        print(engine.relative_to(ROOT))
