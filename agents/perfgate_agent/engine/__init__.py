"""The hot path in C: engine.c is the loop, reply.c the parser; library.py loads them, records.py is what both sides see."""
