"""Coverage-guided fuzzing of both reply parsers: `atheris_replies.py -max_total_time=60`. They may not crash, hang or
disagree about a complete reply."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from perfgate_agent.engine.library import library, parse_reply
    from perfgate_agent.reply import plain
    from perfgate_agent.reply_reader import ReplyReader, Step


def one(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    cut, whole = given.ConsumeIntInRange(0, 64), given.ConsumeBytes(4096)
    parts = [part for part in (whole[:cut], whole[cut:]) if part]
    reader, step = ReplyReader(), Step.MORE
    for part in parts:
        step = reader.feed(part)
        if step is not Step.MORE:
            break
    if library() is None:
        return
    engine = parse_reply(parts)
    if step is Step.DONE and isinstance(engine, tuple):
        body = reader.take()
        if isinstance(body, bytes) and not 300 <= engine[0] < 400:
            assert engine[1] == plain(body), (whole, engine, body)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
