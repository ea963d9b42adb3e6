"""Stores against each other: nouns, rules and reports of `perfgate compete`. What drives them is in perfgate_controller."""
