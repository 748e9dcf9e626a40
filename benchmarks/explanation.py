"""What an explanation costs beside a rating, and whether the parts that it names matter.

    python benchmarks/explanation.py --reviews 100 --faithful 100

Cost: CPU time on one core, reviews of IMDB's test split with 200 words, a rating and an explanation
by turns; an explanation is timed with the reading of the whole text, which the site remembers.

Faithfulness: in reviews of 150 to 250 words the top sentence, and then the top three words, are
removed, and as a yardstick others at random; how far P(POSITIVE) moves is averaged. "every one left
out" knows the sentence that moves it most. IMDB is looked for in DATASETS_DIR.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import django

django.setup()

from django.conf import settings

from classifier.artefact import open_artefact
from classifier.explanation.contributions import Contribution, Contributions
from classifier.explanation.gradients import attributions, gradient_contributions
from classifier.explanation.occlusion import contributions_of
from classifier.explanation.parts import sentences, without, words
from classifier.predictor import Predictor, open_predictor
from training.config import DataConfig
from training.data.splits import load_split

WORDS = 200
REMOVED_WORDS = 3


class Counted:
    """Reads texts, and counts them."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.texts = 0

    def __call__(self, texts: Sequence[str]) -> list[float]:
        self.texts += len(texts)
        return [said.positive_probability for said in self._predictor.classify(texts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--reviews", type=int, default=100, help="timed (default: 100)")
    parser.add_argument("--faithful", type=int, default=100, help="taken apart (default: 100)")
    parser.add_argument("--gradients", action="store_true", help="of the torch engine, too")
    parser.add_argument("--times", type=float, default=settings.CLASSIFIER_EXPLAIN_COST)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    artefact = open_artefact(options.model, models_dir=settings.MODELS_DIR)
    predictor = open_predictor(artefact, engine=options.engine)
    frame, _ = load_split(DataConfig(dataset="imdb"), "test", datasets_dir=settings.DATASETS_DIR)
    texts = [text.strip() for text in frame["text"]]
    random.Random(options.seed).shuffle(texts)
    found: dict[str, Any] = {"cost": cost(predictor, texts, options)}
    follower = open_predictor(artefact, engine="torch") if options.gradients else None
    found["faithfulness"] = faithfulness(predictor, follower, texts, options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def explained(text: str, read: Counted, times: float) -> Contributions:
    [base] = read([text])
    return contributions_of(text, base, read, times=times)


def cost(predictor: Predictor, texts: list[str], options: argparse.Namespace) -> dict[str, float]:
    """Medians over reviews, and the worst."""
    chosen = [text for text in texts if len(text.split()) == WORDS][: options.reviews]
    plain, whole, ratios, readings, named, spoken = [], [], [], [], [], []
    for text in chosen:
        read = Counted(predictor)
        # The better of two: what else the machine does only ever adds.
        took = [
            (timed(read, [text]), timed(explained, text, read, options.times)) for _ in range(2)
        ]
        plain.append(min(rating for rating, _ in took))
        whole.append(min(explanation for _, explanation in took))
        ratios.append(whole[-1] / plain[-1])
        read = Counted(predictor)
        said = explained(text, read, options.times)
        readings.append(read.texts)
        named.append(len(said.sentences))
        spoken.append(len(said.words))
    figures = {
        "reviews": len(chosen),
        "rating, ms": 1e3 * statistics.median(plain),
        "explanation, ms": 1e3 * statistics.median(whole),
        "ratio": sum(whole) / sum(plain),
        "ratio, 95th percentile": sorted(ratios)[int(0.95 * len(ratios))],
        "texts read": statistics.fmean(readings),
        "texts read, most": max(readings),
        "sentences named": statistics.fmean(named),
        "sentences": statistics.fmean(len(sentences(text)) for text in chosen),
        "words named": statistics.fmean(spoken),
    }
    for name, value in figures.items():
        print(f"{name:24} {value:8.2f}")
    return figures


def timed(do: Callable[..., object], *arguments: object) -> float:
    """Seconds of CPU, of all threads."""
    started = time.process_time()
    do(*arguments)
    return time.process_time() - started


def faithfulness(
    predictor: Predictor,
    follower: Predictor | None,
    texts: list[str],
    options: argparse.Namespace,
) -> dict[str, float]:
    """How far P(POSITIVE) moves, on average, when parts are removed."""
    rng = random.Random(options.seed)
    read = Counted(predictor)
    moved: dict[str, list[float]] = {}
    fitting = (text for text in texts if 150 <= len(text.split()) <= 250)
    for _, text in zip(range(options.faithful), fitting, strict=False):
        parts = sentences(text)
        if len(parts) < 4:
            continue
        [base] = read([text])
        every = [base - p for p in read([without(text, span) for span in parts])]
        note(moved, "sentence: every one left out", max(map(abs, every)))
        note(moved, "sentence: at random", statistics.fmean(map(abs, every)))
        alone = read([text[slice(*span)] for span in parts])
        surest = max(range(len(parts)), key=lambda index: abs(alone[index] - 0.5))
        note(moved, "sentence: the surest alone", abs(every[surest]))
        of = {"occlusion": contributions_of(text, base, read, times=options.times)}
        if follower:
            of["gradients"] = gradient_contributions(text, attributions(text, follower))
        for method, said in of.items():
            if said.sentences:
                top = max(said.sentences, key=size)
                note(moved, f"sentence: {method}", abs(base - read([rest(text, [top])])[0]))
            if len(said.words) > REMOVED_WORDS:
                best = sorted(said.words, key=size)[-REMOVED_WORDS:]
                note(moved, f"words: {method}", abs(base - read([rest(text, best)])[0]))
                any_ = rng.sample(said.words, REMOVED_WORDS)
                other = abs(base - read([rest(text, any_)])[0])
                note(moved, f"words: {method}'s own, at random", other)
        spread = [
            Contribution(*span, 0.0)
            for span in rng.sample(words(text, (0, len(text))), REMOVED_WORDS)
        ]
        note(moved, "words: at random", abs(base - read([rest(text, spread)])[0]))
    means = {name: statistics.fmean(values) for name, values in moved.items()}
    for name, value in sorted(means.items()):
        print(f"{name:40} {value:.4f}  ({len(moved[name])} reviews)")
    return means


def note(figures: dict[str, list[float]], name: str, value: float) -> None:
    figures.setdefault(name, []).append(value)


def size(one: Contribution) -> float:
    return abs(one.contribution)


def rest(text: str, parts: Sequence[Contribution]) -> str:
    for part in sorted(parts, key=lambda part: -part.start):
        text = without(text, (part.start, part.end))
    return text


if __name__ == "__main__":
    main()
