"""perfgate: load testing for memory and vector stores, with a performance gate whose verdict can be trusted."""

__version__ = "0.1.0"
