"""An example: an adapter of perfgate in a package of its own."""
