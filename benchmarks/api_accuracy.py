"""Post labelled reviews to a running site and count what comes back.

    python benchmarks/api_accuracy.py --dataset imdb --split test --limit 1000

Rates the rows that `manage.py evaluate` draws with the same --dataset, --split and --limit, so the
two accuracies must be equal. --pick shortest or longest takes the texts at either end instead.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

from django.conf import settings

from training.config import DataConfig
from training.data.splits import draw_rows, load_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--pick", choices=["drawn", "shortest", "longest"], default="drawn")
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()

    frame, labels = load_split(
        DataConfig(dataset=options.dataset), options.split, datasets_dir=settings.DATASETS_DIR
    )
    if options.pick == "drawn":
        frame = draw_rows(frame, options.limit, seed=0)
    else:
        by_length = frame["text"].str.len().sort_values(ascending=options.pick == "shortest")
        frame = frame.loc[by_length.index[: options.limit]]

    def rate(text: str) -> str:
        request = urllib.request.Request(
            f"{options.url}/api/predict",
            data=json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return str(json.load(response)["label"])

    started = time.monotonic()
    with ThreadPoolExecutor(options.clients) as clients:
        rated = list(clients.map(rate, frame["text"]))
    seconds = time.monotonic() - started
    right = sum(labels[truth] == label for truth, label in zip(frame["label"], rated, strict=True))
    print(f"rows      {len(rated)}")
    print(f"accuracy  {right / len(rated):.4f}")
    print(f"rows/s    {len(rated) / seconds:.1f}")


if __name__ == "__main__":
    main()
