"""Checks trace events against what the Trace Event Format requires of each phase."""

import numbers

#: Keys of every event, and those that a phase adds.
_ALWAYS = {"name", "ph", "ts", "pid", "tid"}
_MORE = {"X": {"cat", "dur", "args"}, "M": {"args"}, "C": {"args"}}

_METADATA = {"process_name": "name", "process_sort_index": "sort_index", "thread_name": "name",
             "thread_sort_index": "sort_index"}


def check_trace(trace):
    """Check a trace, the JSON object form; return its slices by track, (process, thread) names."""
    assert isinstance(trace["traceEvents"], list) and trace["displayTimeUnit"] in ("ms", "ns")
    for event in trace["traceEvents"]:
        _check_event(event)
    return _tracks(trace["traceEvents"])


def _check_event(event):
    assert _ALWAYS | _MORE[event["ph"]] <= set(event), event
    assert isinstance(event["name"], str) and event["name"]
    assert isinstance(event["pid"], int) and isinstance(event["tid"], int)
    assert isinstance(event["ts"], numbers.Real) and event["ts"] >= 0
    if event["ph"] == "X":
        assert isinstance(event["dur"], numbers.Real) and event["dur"] > 0
        assert isinstance(event["cat"], str)
    elif event["ph"] == "M":
        kind = str if _METADATA[event["name"]] == "name" else int
        assert isinstance(event["args"][_METADATA[event["name"]]], kind)
    else:
        assert event["args"] and all(isinstance(value, numbers.Real)
                                     for value in event["args"].values())


def _tracks(events):
    names = {what: {} for what in ("process_name", "thread_name")}
    for event in events:
        if event["name"] in names:
            where = event["pid"] if event["name"] == "process_name" else (event["pid"],
                                                                          event["tid"])
            assert where not in names[event["name"]], "named twice"
            names[event["name"]][where] = event["args"]["name"]
    tracks = {}
    for event in events:
        if event["ph"] == "X":
            where = event["pid"], event["tid"]
            name = names["process_name"][where[0]], names["thread_name"][where]
            tracks.setdefault(name, []).append(event)
    for slices in tracks.values():
        slices.sort(key=lambda event: event["ts"])
        for one, other in zip(slices, slices[1:], strict=False):
            # Slices of one track may nest, not overlap; these follow each other.
            assert one["ts"] + one["dur"] <= other["ts"] * (1 + 1e-12)
    return tracks
