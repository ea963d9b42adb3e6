"""Why each value of a policy is what it is: shown by `perfgate policy`. Keys are those of `[gate]`."""

from __future__ import annotations

from collections.abc import Mapping

WHY: Mapping[str, str] = {
    "margin": "the limit that merges are held to; 30 pairs can resolve it on a host that is not noisy",
    "competitive": "false: a merge is judged; true: a release against a competitor, margin 10 %, BLOCK exits with 2",
    "floor_ms": "0: every difference counts; for stores so fast that 5 % is a few µs, set what a client can feel",
    "looks": "the first when 12 pairs give a usable standard error, then every four or so: more looks cost power",
    "pass_from": "a PASS on fewer pairs would rest on a standard error that is itself uncertain by a fifth",
    "alpha_block": "a quarter of the 2 % that is promised, so that noise the model does not know has room",
    "primary": "the p99 is what users complain about; p95 and p50 can block too, with a smaller share of the error",
    "primary_share": "four fifths of the error go where a regression hurts most; the rest still sees a median that moves",
    "alpha_quality": "errors and lost recall are counted request by request, so they are seen at stricter levels, too",
    "alpha_pass": "a regression of exactly the margin passes once in twenty; smaller would need more pairs than CI has",
    "operation_margin_factor": "one operation is noisier than the mean over all; 1.6 margins keep its PASS within reach",
    "group_keeps": "groups show 95 % of a change of the true quantile (simulated), and PASS must rule out the true margin",
    "trim": "a tenth of the pairs at each end: one or two pairs that a burst spoilt cannot decide",
    "couple_trim": "a fifth of a pair's slices at each end: interference comes in bursts that spoil single slices",
    "slice_ms": "the shorter, the more alike are the moments in which the two builds are loaded: interference lasts seconds",
    "slice_min_requests": "a slice with fewer requests has no quantile worth the name",
    "slice_min_p99s": "a slice lasts at least 20 times the p99, so that a slow reply does not spill into the other's slice",
    "group_requests": "smaller groups understate how far a p99 moved: +5 % shows as 4.4 % with 100, as 4.6 % with 400",
    "warmup_seconds": "caches, branch predictors, allocators and pools are warm after it; it is loaded and thrown away",
    "measured_seconds": "9 s at 400 requests/s hold 36 requests beyond the p99 of each build: enough for one pair's p99",
    "error_margin": "one request in a thousand more than the base's: a build that fails faster is no faster build",
    "recall_margin": "half a point of recall@k: an index that finds less is faster because it answers worse",
    "max_lag_p99_ms": "beyond it the generator's own delay is as large as the p99 of a fast store",
    "max_worker_cpu": "a reply waits while its worker is busy: the wait grows as 1 / (1 - share), and no lag shows it",
    "max_core_wait": "a worker without a core reads replies late, which looks like a slow store",
    "max_steal": "what the hypervisor takes reads as the store's slowness",
    "max_gc_pause_ms": "0: workers put collections off until the load is over, so one inside a slice is a fault",
    "min_offered": "with less than 99 % of the due requests sent, another load was measured than the scenario's",
    "min_pairs": "with fewer usable pairs there is no verdict but INVALID",
    "inconclusive": "warn: CI goes on with a warning; block: what is not proven harmless does not pass",
    "agent_loss": "invalid: a load with a hole in it is not the scenario's; continue: the others take over, and it is marked",
    "max_start_spread_ms": "agents that start further apart load one after the other for a while",
    "start_spread": "warn: both builds meet the same agents at the same offsets; invalid: where bursts must coincide",
    "mode": "alternation works on every host; a duet is quicker only where two builds hardly disturb each other",
    "max_leak": "a duet in which a tenth of a slowdown leaks into the other build hides as much of a regression",
    "starts": "0: a fresh process for each pair, since starts differ; m: for stores that need a minute to load",
}

WHY_QUICK: Mapping[str, str] = {
    "primary": "2.5 s hold some 750 requests an operation, 7 of them beyond the p99: bursts would decide",
    "margin": "what so short a measurement can resolve; at 5 % half of the gates would stay undecided",
    "looks": "a clear difference shows after 8 to 12 pairs, in about a minute",
    "pass_from": "the first look: whoever runs a hook before a push waits for it",
    "min_pairs": "the first look",
    "group_requests": "each slice counts by itself, so that there are ten to trim bursts from",
    "warmup_seconds": "half a second warms what a demo needs",
    "measured_seconds": "ten slices a build: a pair takes 6 s with its warm-up",
}
"""Where `quick` has another value."""

WHY_DUET: Mapping[str, str] = {
    "looks": "time counts for both builds at once, so there is some for six more pairs",
    "warmup_seconds": "two fresh processes that warm up at once take longer, and nothing is lost by it",
    "measured_seconds": "of both builds at once: a pair takes as long as in alternation",
}
"""Where a duet has another value."""
