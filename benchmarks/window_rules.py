"""Measure the rules that combine the windows of long texts, on the validation split of a recipe.

    python benchmarks/window_rules.py --model starter --recipe starter

Only texts that need more than one window count: the rules agree on all others.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

import numpy as np
from django.conf import settings
from tqdm import tqdm

from classifier.artefact import open_artefact
from classifier.engines.transformers_pipeline import TransformersEngine
from classifier.windows import RULES, WindowLogits, combine, softmax
from training.data.splits import load_splits
from training.evaluation.metrics import classification_metrics
from training.recipes import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--recipe", default="starter")
    parser.add_argument("--windows", type=int, nargs="+", default=[512, 256], help="tokens")
    options = parser.parse_args()

    config = load_recipe(options.recipe)
    splits = load_splits(config.data, datasets_dir=settings.DATASETS_DIR, seed=config.training.seed)
    artefact = open_artefact(options.model, models_dir=settings.MODELS_DIR)
    engine = TransformersEngine(artefact.directory)
    texts = splits.validation["text"].tolist()
    truth = splits.validation["label"].to_numpy()
    tokens = np.asarray([len(ids) for ids in engine.tokenizer(texts, verbose=False)["input_ids"]])

    print(f"{'window':>6} {'rule':10} {'rows':>5} {'accuracy':>8} {'roc_auc':>8}  of all rows")
    for window in options.windows:
        engine.max_tokens = window
        read: list[WindowLogits] = []
        for start in tqdm(range(0, len(texts), 64), leave=False, unit=" chunks"):
            read.extend(engine.read(texts[start : start + 64]))
        for rule in RULES:
            probabilities = np.stack([softmax(combine(windows, rule).logits) for windows in read])
            long = tokens > window
            cut = classification_metrics(probabilities[long], truth[long], splits.labels)
            whole = classification_metrics(probabilities, truth, splits.labels)
            print(
                f"{window:6} {rule:10} {long.sum():5} {cut['accuracy']:8.4f} {cut['roc_auc']:8.4f}"
                f"  {whole['accuracy']:.4f} {whole['roc_auc']:.4f}"
            )


if __name__ == "__main__":
    main()
