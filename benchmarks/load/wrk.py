"""One point of load: so many clients for so many seconds, by wrk, each sending when it is answered.

wrk's own percentiles are not used. For each latency beyond twice the mean it adds the shorter ones
that requests on a schedule would have had (its stats_correct), which is a guess where texts differ
in length. It is taken back here, exactly, and the counts must add up. Nor does wrk always tell of a
connection that the server closes without an answer: requests sent are held against answers.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 60  # seconds for one answer
MARK = "FIGURES "

SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } moment;
int clock_gettime(int clock, moment *now);
]]
local moment = ffi.new("moment")
local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local threads = {}
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local requests = {}
function init(arguments)
  for body in io.lines(arguments[1]) do
    table.insert(requests, wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body))
  end
  -- Threads start at different texts. The first call of the first is wrk's own, and is not sent.
  sent = number == 0 and -1 or 0
  turn = math.floor(number * #requests / tonumber(arguments[2]))
  statuses, first, last = {}, 0, 0
end

function request()
  if sent >= 0 then
    turn = turn + 1
    if sent == 0 then first = now() end
  end
  sent = sent + 1
  return requests[(math.max(turn, 1) - 1) % #requests + 1]
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
  last = now()
end

function done(summary, latency)
  local all = {sent = 0, statuses = {}, first = math.huge, last = 0}
  for _, thread in ipairs(threads) do
    all.sent = all.sent + thread:get("sent")
    all.first = math.min(all.first, thread:get("first"))
    all.last = math.max(all.last, thread:get("last"))
    for status, count in pairs(thread:get("statuses")) do
      all.statuses[status] = (all.statuses[status] or 0) + count
    end
  end
  local statuses, values = {}, {}
  for status, count in pairs(all.statuses) do
    table.insert(statuses, string.format('"%d": %d', status, count))
  end
  for i = 1, #latency do
    local value, count = latency(i)
    table.insert(values, string.format("[%d, %d]", value, count))
  end
  local errors = summary.errors
  io.write(string.format(
    '@MARK@{"sent": %d, "seconds": %.6f, "statuses": {%s}, "latencies": [%s],' ..
    ' "duration": %d, "requests": %d, "errors": {"connect": %d, "read": %d, "write": %d,' ..
    ' "timeout": %d}}\\n',
    all.sent, all.last - all.first, table.concat(statuses, ", "), table.concat(values, ", "),
    summary.duration, summary.requests, errors.connect, errors.read, errors.write, errors.timeout))
end
""".replace("@MARK@", MARK)


@dataclass(frozen=True)
class Load:
    clients: int
    requests: int
    """Answered, well or not."""
    requests_per_second: float
    """From the first request to the last answer, so that a batch under way at the end costs
    nobody anything."""
    p50: float  # ms, as the other two
    p95: float
    p99: float
    errors: dict[str, int]
    """By kind, without those that did not happen: status NNN, connect, read, write, timeout, and
    lost (sent and never answered, of which wrk says nothing)."""


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit(
            "This benchmark loads the servers with wrk, but there is no such program on the path. "
            "Install it: apt-get install wrk"
        )


def load(url: str, bodies: Path, *, clients: int, seconds: float, threads: int = 1) -> Load:
    """Post `bodies`, one a line, in turn and over again, on connections that are kept.

    Raises:
        RuntimeError: wrk failed, or its figures do not add up.
    """
    script = bodies.with_name("load.lua")
    script.write_text(SCRIPT, encoding="utf-8")
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", f"{TIMEOUT}s", "-s", str(script), url, str(bodies), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 3 * TIMEOUT)
    figures = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode != 0 or not figures:
        raise RuntimeError(f"wrk gave no figures for {url}: {done.stdout}{done.stderr}")
    return _read(json.loads(figures[0].removeprefix(MARK)), clients)


def _read(figures: dict[str, Any], clients: int) -> Load:
    statuses = {int(status): count for status, count in figures["statuses"].items()}
    answered = sum(statuses.values())
    errors = {kind: count for kind, count in figures["errors"].items() if count}
    errors |= {f"status {status}": n for status, n in statuses.items() if status != 200}
    # What is under way at the end has no answer yet: as many as there are clients.
    told = figures["errors"]["read"] + figures["errors"]["write"]
    lost = figures["sent"] - answered - clients - told
    if lost > 0:
        errors["lost"] = lost
    if not answered:
        return Load(clients, 0, 0.0, *(float("nan"),) * 3, errors or {"unanswered": clients})
    latencies = {int(value): int(count) for value, count in figures["latencies"]}
    if figures["requests"] >= clients:
        latencies = without_guesses(
            latencies, interval=figures["duration"] // (figures["requests"] // clients)
        )
    counted = sum(latencies.values()) + figures["errors"]["timeout"]
    if not answered == figures["requests"] == counted:
        raise RuntimeError(
            f"wrk's figures do not add up: {answered} answers, {figures['requests']} requests, "
            f"{counted} latencies."
        )
    p50, p95, p99 = (percentile(latencies, share) / 1000 for share in (0.50, 0.95, 0.99))
    return Load(clients, answered, answered / figures["seconds"], p50, p95, p99, errors)


def without_guesses(latencies: dict[int, int], *, interval: int) -> dict[int, int]:
    """Take back wrk's correction: it went upwards through the latencies, so this goes downwards.

    Args:
        latencies: how often each was counted, by microseconds.
        interval: the mean time between two requests of a client, microseconds.
    """
    counts = dict(latencies)
    for value in sorted(counts, reverse=True):
        if value < 2 * interval:
            break
        for added in range(value - interval, interval, -interval):
            counts[added] -= counts[value]
    return {value: count for value, count in counts.items() if count}


def percentile(counts: dict[int, int], share: float) -> float:
    """The smallest value that `share` of all do not exceed; NaN of nothing."""
    wanted = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return float(value)
    return float("nan")
