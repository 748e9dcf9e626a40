"""What the figures say: tables in Markdown, ratios, and a picture of the ratios."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.load.servers import SERVERS

Figures = dict[str, Any]
"""What benchmarks/serving.py measured, as its --json file holds it."""

TITLES = {server.name: server.title for server in SERVERS}
ROLES = {server.name: server.role for server in SERVERS}


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def markdown(figures: Figures) -> str:
    """All of it."""
    parts = [_machine(figures)]
    for kind in figures["texts"]:
        parts += [_loads(figures, kind), _ratios(figures, kind)]
    parts += [_weights(figures), _engine(figures), _lists(figures), _one_review(figures)]
    parts.append(_left_out(figures))
    return "\n\n".join(part for part in parts if part)


def ratios(figures: Figures) -> list[dict[str, Any]]:
    """Ours over each other, median of the rounds' own ratios: a slow minute strikes both."""
    found = []
    ours = _rates(figures, "ours")
    for name in figures["servers"]:
        if name == "ours":
            continue
        theirs = _rates(figures, name)
        points = {(kind, clients) for _, kind, clients in ours.keys() & theirs.keys()}
        for kind, clients in sorted(points):
            by_round = [
                ours[key] / theirs[key]
                for key in sorted(ours.keys() & theirs.keys())
                if key[1:] == (kind, clients) and theirs[key]
            ]
            if by_round:
                found.append(
                    {
                        "server": name,
                        "kind": kind,
                        "clients": clients,
                        "ratio": median(by_round),
                        "lowest": min(by_round),
                        "highest": max(by_round),
                    }
                )
    return found


def plot(figures: Figures, path: Path) -> None:
    """Ours over each other server, a panel a kind of text, a bar a number of clients."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    found = ratios(figures)
    names = [name for name in figures["servers"] if any(one["server"] == name for one in found)]
    every = sorted({one["clients"] for one in found})
    kinds = list(figures["texts"])
    figure, panels = plt.subplots(
        1,
        len(kinds),
        figsize=(6 * len(kinds) + 2, 0.6 * len(names) + 2),
        sharey=True,
        squeeze=False,
    )
    height = 0.8 / len(every)
    for panel, kind in zip(panels[0], kinds, strict=True):
        for number, clients in enumerate(every):
            here = {
                one["server"]: one
                for one in found
                if (one["kind"], one["clients"]) == (kind, clients)
            }
            rows = [row for row, name in enumerate(names) if name in here]
            values = [here[names[row]]["ratio"] for row in rows]
            bars = panel.barh(
                [row + number * height for row in rows],
                [value - 1 for value in values],
                height,
                left=1,  # to the right ours is faster, to the left the other
                xerr=[
                    [here[names[row]]["ratio"] - here[names[row]]["lowest"] for row in rows],
                    [here[names[row]]["highest"] - here[names[row]]["ratio"] for row in rows],
                ],
                label=f"{clients} client{'s' * (clients > 1)}",
            )
            panel.bar_label(bars, [f" {value:.2f} " for value in values], padding=6, fontsize=7)
        panel.axvline(1, color="black", linewidth=1)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        panel.margins(x=0.15)
        panel.set_title(f"{kind} texts, {figures['texts'][kind]['mean_tokens']:.0f} tokens")
        panel.set_xlabel("requests/s of ours ÷ requests/s of the other")
        panel.set_yticks(
            [row + 0.4 - height / 2 for row in range(len(names))],
            [TITLES[name] for name in names],
        )
    panels[0][0].invert_yaxis()
    panels[0][-1].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _rates(figures: Figures, name: str) -> dict[tuple[int, str, int], float]:
    """Requests/s by round, kind and clients."""
    return {
        (one["round"], one["kind"], one["clients"]): one["requests_per_second"]
        for one in figures["servers"].get(name, {}).get("loads", [])
    }


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float) -> str:
    if value != value:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _machine(figures: Figures) -> str:
    options, machine = figures["options"], figures["machine"]
    texts = "; ".join(
        f"{kind}: {one['count']} texts, {one['mean_tokens']:.0f} tokens on average, "
        f"at most {one['max_tokens']}"
        for kind, one in figures["texts"].items()
    )
    return (
        f"{machine['processor']}, {machine['cores']} cores; model {figures['model']}; "
        f"ours stores in {figures['database']}; medians of {options['rounds']} rounds, "
        f"{options['seconds']:g} s a point. Texts: {texts}."
    )


def _loads(figures: Figures, kind: str) -> str:
    rows = []
    for name, measured in figures["servers"].items():
        here = [one for one in measured["loads"] if one["kind"] == kind]
        for clients in sorted({one["clients"] for one in here}):
            points = [one for one in here if one["clients"] == clients]
            columns = (
                [one[column] for one in points]
                for column in ("requests_per_second", "p50", "p95", "p99")
            )
            rows.append(
                [
                    TITLES[name],
                    str(clients),
                    *(_number(median(values)) for values in columns),
                    _errors(points),
                ]
            )
    if not rows:
        return ""
    head = ["server", "clients", "requests/s", "p50 ms", "p95 ms", "p99 ms", "errors"]
    return f"### {kind} texts\n\n" + _table(head, rows)


def _errors(points: list[dict[str, Any]]) -> str:
    """Over all rounds, against the answers."""
    sums: dict[str, int] = {}
    for point in points:
        for what, count in point["errors"].items():
            sums[what] = sums.get(what, 0) + count
    if not sums:
        return "none"
    answers = sum(point["requests"] for point in points)
    listed = ", ".join(f"{count} x {what}" for what, count in sorted(sums.items()))
    return f"**{listed}** of {answers}"


def _ratios(figures: Figures, kind: str) -> str:
    here = {(one["server"], one["clients"]): one for one in ratios(figures) if one["kind"] == kind}
    every = sorted({clients for _, clients in here})
    if not here:
        return ""
    groups = {"plain": "plain Django, its better form", "peer": "the best peer"}
    rows = []
    for role, what in groups.items():
        line = [f"**{what}**"]
        for clients in every:
            least = min(
                (one for key, one in here.items() if ROLES[key[0]] == role and key[1] == clients),
                key=lambda one: one["ratio"],
                default=None,
            )
            line.append("-" if least is None else f"{least['ratio']:.2f} ({least['server']})")
        rows.append(line)
    for name in figures["servers"]:
        if any((name, clients) in here for clients in every):
            cells = (here.get((name, clients)) for clients in every)
            rows.append([name, *("-" if one is None else f"{one['ratio']:.2f}" for one in cells)])
    heads = [f"{clients} client{'s' * (clients > 1)}" for clients in every]
    return f"### {kind} texts: requests/s of ours ÷ those of\n\n" + _table(["", *heads], rows)


def _weights(figures: Figures) -> str:
    rows = []
    for name, measured in figures["servers"].items():
        if measured["cold_start"]:
            same = measured["same_labels"].items()
            rows.append(
                [
                    TITLES[name],
                    _number(median(measured["memory_mb"])),
                    f"{median(measured['cold_start']):.2f}",
                    ", ".join(f"{kind} {said}" for kind, said in same) or "not compared",
                ]
            )
    head = ["server", "memory after load, MB", "cold start, s", "label as fp32 transformers"]
    return "### Memory (proportional set size), start, answers\n\n" + _table(head, rows)


def _engine(figures: Figures) -> str:
    rows = []
    for kind in figures["texts"]:
        here = [one for one in figures["engine"] if one["kind"] == kind]
        if here:
            clients = here[0]["clients"]
            shares = [one["http"] / one["engine"] for one in here]
            rows.append(
                [
                    kind,
                    _number(median([one["engine"] for one in here])),
                    f"{_number(median([one['http'] for one in here]))} at {clients} clients",
                    f"{100 * median(shares):.0f} %",
                ]
            )
    if not rows:
        return ""
    head = ["texts", "engine alone, texts/s", "over HTTP, requests/s", "share"]
    title = f"### Ours against its engine, {figures['machine']['cores']} processes x 1 thread"
    return f"{title}\n\n{_table(head, rows)}"


def _lists(figures: Figures) -> str:
    rows = []
    for clients in sorted({one["clients"] for one in figures["lists"]}):
        here = [one for one in figures["lists"] if one["clients"] == clients]
        gains = [one["lists"] / one["singles"] for one in here]
        rows.append(
            [
                str(clients),
                _number(median([one["singles"] for one in here])),
                _number(median([one["lists"] for one in here])),
                f"{median(gains):.2f}",
            ]
        )
    if not rows:
        return ""
    size = figures["options"]["list_size"]
    head = ["clients", "singly, reviews/s", f"lists of {size}, reviews/s", "lists ÷ singles"]
    return "### Ours: lists against single requests, long texts\n\n" + _table(head, rows)


def _one_review(figures: Figures) -> str:
    here = figures["one_review"]
    if not here:
        return ""
    rows = []
    for share in ("p50", "p99"):
        http, engine = ([one[f"{where}_{share}"] for one in here] for where in ("http", "engine"))
        rows.append(
            [
                share,
                f"{median(engine):.2f}",
                f"{median(http):.2f}",
                f"{median([a - b for a, b in zip(http, engine, strict=True)]):.2f}",
                f"{median([a / b for a, b in zip(http, engine, strict=True)]):.2f}",
            ]
        )
    head = ["", "engine alone, ms", "over HTTP, ms", "difference, ms", "ratio"]
    return "### Ours: one review of 200 words, one client\n\n" + _table(head, rows)


def _left_out(figures: Figures) -> str:
    lines = [
        f"- {TITLES[name]}: {measured['status'].splitlines()[0]}"
        for name, measured in figures["servers"].items()
        if measured["status"] != "measured"
    ]
    return "### Not measured, or not to the end\n\n" + "\n".join(lines) if lines else ""
