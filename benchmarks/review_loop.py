"""Whether review pays: accuracy after some verdicts, chosen by the queue or at random.

    python benchmarks/review_loop.py --folder FOLDER --plot docs/pictures/review-loop.png

A model that has read single sentences (Rotten Tomatoes) serves long reviews (IMDB, training split).
A script is the reviewer: through the admin's own pages it says of each review what its author
meant, in the one arm in the order of the review queue, in the other of reviews drawn at random.
After so many verdicts the model is trained again on what was said (`--recipe reviewed`), and
measured on reviews of IMDB's test split. What has been done lies in the folder and is not done
again. IMDB and Rotten Tomatoes are looked for in DATASETS_DIR.
"""

import argparse
import json
import os
import random
import re
import shutil
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import matplotlib.pyplot as plt
import pandas as pd

from tests.site import Site

BASE = "sentences"
PASSWORD = "open sesame, said the reviewer"
LIST = 50
PREDICTIONS = "/admin/classifier/prediction/"
PER_RATING = {True: 9, False: 2}  # a rating for each sentiment; IMDB's stars are not asked for
MEASURES = ("accuracy", "roc_auc")
COLOURS = {"queue": "#1d5fa8", "random": "#c46a00"}

Figures = dict[str, dict[str, list[dict[str, float]]]]
"""Of each arm, by the number of verdicts, the measures of each seed's run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--reviews", type=int, default=3000, help="served, of the training split")
    parser.add_argument("--verdicts", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the training runs")
    parser.add_argument("--limit", type=int, default=0, help="test rows; default: all")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    datasets = Path(os.environ["DATASETS_DIR"]).resolve()
    rows = pd.read_parquet(datasets / "imdb" / "train.parquet")
    rows = rows.sample(options.reviews, random_state=0)

    site = Site.prepared(options.folder / "served", CLASSIFIER_MODEL=BASE, OMP_NUM_THREADS="2")
    _finetune(site, BASE, "--dataset", "rotten_tomatoes", "--max-length", "64")
    truth = _serve(site, rows, options.folder)
    figures: Figures = {}
    untrained = _measured(site, BASE, options.limit)
    for arm in COLOURS:
        folder = options.folder / arm
        if not folder.exists():
            shutil.copytree(site.var_dir, folder)
        figures[arm] = {"0": [untrained]}
        for count in sorted(options.verdicts):
            with Site.started(folder, CLASSIFIER_MODEL=BASE) as copy:
                done = _review(copy, arm, truth, count)
            measured = []
            for seed in options.seeds:
                name = f"{arm}-{count}-{seed}"
                if done > count and not (folder / "models" / name).exists():
                    raise RuntimeError(
                        f"{name} learns from {count} verdicts, but {folder} has {done}. Give all "
                        "--seeds at once, in a new --folder."
                    )
                _finetune(
                    copy,
                    name,
                    *("--recipe", "reviewed", "--base-model", BASE, "--seed", str(seed)),
                    *("--replay-dataset", "rotten_tomatoes"),
                )
                measured.append(_measured(copy, name, options.limit))
            figures[arm][str(count)] = measured
            print(arm, count, measured, flush=True)
    (options.folder / "figures.json").write_text(json.dumps(figures, indent=2))
    print(_table(figures))
    if options.plot:
        _plot(figures, options.plot)


def _finetune(site: Site, name: str, *arguments: str) -> None:
    if not (site.var_dir / "models" / name).exists():
        site.manage("finetune", "--name", name, *arguments, timeout=7200)


def _measured(site: Site, name: str, limit: int) -> dict[str, float]:
    output = site.var_dir / f"{name}.json"
    if not output.exists():
        rows = ("--limit", str(limit)) if limit else ()
        test = ("--dataset", "imdb", "--output", str(output), *rows)
        site.manage("evaluate", "--model", name, *test, timeout=7200)
    found = json.loads(output.read_text())
    return {measure: found[measure] for measure in MEASURES}


def _serve(site: Site, rows: pd.DataFrame, folder: Path) -> dict[str, bool]:
    """Have the site rate the reviews; whether each prediction's review is positive, by its id."""
    known = folder / "truth.json"
    if known.exists():
        found: dict[str, bool] = json.loads(known.read_text())
        return found
    truth = {}
    with Site.started(site.var_dir, CLASSIFIER_MODEL=BASE) as served:
        for start in range(0, len(rows), LIST):
            part = rows.iloc[start : start + LIST]
            request = urllib.request.Request(
                f"{served.url}/api/predict",
                json.dumps({"texts": part["text"].tolist()}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as response:
                results = json.load(response)["results"]
            for result, label in zip(results, part["label"], strict=True):
                truth[result["id"]] = bool(label)
        served.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
        account = ("--username", "reviewer", "--email", "reviewer@reviews.example")
        served.manage("createsuperuser", "--no-input", *account)
    known.write_text(json.dumps(truth))
    return truth


def _review(site: Site, arm: str, truth: dict[str, bool], count: int) -> int:
    """Give verdicts until there are `count`; how many there are."""
    reviewer = Reviewer(site.url)
    given = int(site.manage("shell", "--no-imports", "--command", COUNT_VERDICTS))
    drawn = random.Random(0).sample(sorted(truth), len(truth))
    for number in range(given, count):
        if arm == "queue":
            reviewer.judge_next(truth)
        else:
            reviewer.judge(drawn[number], truth)
    return max(given, count)


COUNT_VERDICTS = "from classifier.models import Verdict; print(Verdict.objects.count())"


class Reviewer:
    """Somebody at a browser without JavaScript."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._post("/admin/login/?next=/admin/", {"username": "reviewer", "password": PASSWORD})

    def judge_next(self, truth: dict[str, bool]) -> None:
        """Judge what the queue shows."""
        place = f"{PREDICTIONS}review/"
        page = self._get(place)
        key = _found(r'name="prediction" value="([^"]+)"', page)
        self._post(place, {"prediction": key, "rating": str(PER_RATING[truth[key]])}, page)

    def judge(self, key: str, truth: dict[str, bool]) -> None:
        """Judge a prediction on its own page."""
        place = f"{PREDICTIONS}{key}/change/"
        page = self._get(place)
        fields = dict(re.findall(r'name="([^"]+_FORMS|[^"]+-prediction)" value="([^"]*)"', page))
        verdict = {
            "verdict-0-label": "POSITIVE" if truth[key] else "NEGATIVE",
            "verdict-0-rating": str(PER_RATING[truth[key]]),
        }
        self._post(place, fields | verdict, page)

    def _get(self, path: str) -> str:
        with self._browser.open(self._url + path) as response:
            return str(response.read().decode())

    def _post(self, path: str, fields: dict[str, str], page: str = "") -> None:
        token = _found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page or self._get(path))
        data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
        self._browser.open(self._url + path, data).close()


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    if match is None:
        raise RuntimeError(f"The page must have {pattern}, but it is: {page[:2000]}")
    return match[1]


def _mean(runs: list[dict[str, float]], measure: str) -> float:
    return sum(run[measure] for run in runs) / len(runs)


def _table(figures: Figures) -> str:
    arms = list(figures)
    lines = [
        "| verdicts | " + " | ".join(arms) + " |",
        "| ---: |" + " ---: |" * len(arms),
    ]
    for count in figures[arms[0]]:
        cells = (
            ", ".join(f"{_mean(figures[arm][count], measure):.4f}" for measure in MEASURES)
            for arm in arms
        )
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _plot(figures: Figures, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for arm, points in figures.items():
        counts = [int(count) for count in points]
        means = [100 * _mean(runs, MEASURES[0]) for runs in points.values()]
        axes.plot(
            counts,
            means,
            "o-",
            color=COLOURS[arm],
            label=f"chosen by the {arm}" if arm == "queue" else "chosen at random",
        )
    axes.set_xlabel("verdicts")
    axes.set_ylabel("accuracy on IMDB test, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
