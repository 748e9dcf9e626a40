"""The data card of verdicts: README.md beside the files, with the front matter that the Hub reads.

Form: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

from collections.abc import Mapping, Sequence

from classifier.labels import NEGATIVE, POSITIVE
from classifier.ratings import HIGHEST, LOWEST
from classifier.review.split import FROZEN_SHARE, TEST, TRAIN
from training.hub.dataset import TAG

# The Hub's own classes of sizes, by the rows above which each begins.
SIZES = {
    10**9: "n>1B",
    10**8: "100M<n<1B",
    10**7: "10M<n<100M",
    10**6: "1M<n<10M",
    10**5: "100K<n<1M",
    10**4: "10K<n<100K",
    10**3: "1K<n<10K",
    0: "n<1K",
}
MEANINGS = {
    "prediction": "id of the prediction on the site that made it",
    "text": "the review, as its visitor wrote it",
    "text_pair": "empty: a data set of verdicts has those on one text alone",
    "text_sha256": "SHA-256 of the text",
    "label": f"what the reviewer says: {NEGATIVE} or {POSITIVE}",
    "rating": f"what the reviewer says: {LOWEST} (worst) to {HIGHEST} (best)",
    "note": "the reviewer's remark; mostly empty",
    "reviewer": "name of the reviewer's account",
    "chosen_by": "why it was reviewed: a visitor disagreed (disagreed), close to the boundary "
    "(boundary), part of a random share (random), the reviewer's choice (reviewer), or imported "
    "(import)",
    "reviewed_at": "when the verdict was given, ISO 8601",
    "split": f"{TRAIN} or {TEST}",
    "model_label": "what the model had said",
    "model_rating": "what the model had said",
    "model_rating_low": "lower end of the interval that the model had given with it, if it had",
    "model_rating_high": "its upper end",
    "positive_probability": "P(POSITIVE) that the model had given, 0 to 1",
    "model": "name and digest of the model",
    "predicted_at": "when the model had said it, ISO 8601",
}


def verdict_card(
    counts: Mapping[str, Mapping[str, int]], columns: Sequence[str], *, language: str = ""
) -> str:
    """The card as Markdown.

    Args:
        counts: rows of each split and label.
        columns: of the files.
        language: of the texts, as ISO 639; empty where it is not known.
    """
    labels = (NEGATIVE, POSITIVE)
    table = "\n".join(
        f"| {split} | "
        + " | ".join(f"{of[label]:,}" for label in labels)
        + f" | {sum(of.values()):,} |"
        for split, of in counts.items()
    )
    meanings = "\n".join(f"| `{name}` | {MEANINGS[name]} |" for name in columns)
    return f"""---
{_front_matter(counts, language)}---

# Reviewed predictions

Reviews that visitors of a Reviewsite had rated by a model, each with the verdict of a person: the
label and the rating that the text deserves.

## Rows

| split | {" | ".join(labels)} | together |
|---|{"---:|" * (len(labels) + 1)}
{table}

**The test split is frozen.** A text belongs to it where the first eight hexadecimal digits of its
SHA-256, as a number, are below {FROZEN_SHARE:g} · 16⁸: one in {1 / FROZEN_SHARE:g}, decided by the
text alone. The same text is in the same split on every site and in every later version, so a model
that learns from `{TRAIN}` is never measured on what it has learned.

## Columns

| column | is |
|---|---|
{meanings}

## Where it comes from

The texts are what visitors and programs have sent to be rated, unchanged but for the white space
around them; texts that the site had purged are left out. Most of them were reviewed because they
are hard: a visitor disagreed, or the model was unsure. `chosen_by` says which, so a figure of
the model's quality needs those alone that were chosen by chance.

The texts are the words of people who did not write them for this data set and may name themselves
and others. Look at them before you share it.

## Use

    from datasets import load_dataset

    verdicts = load_dataset("USER/NAME")  # this repository; {TRAIN} and {TEST}

`manage.py pull_verdicts USER/NAME` gives them to another Reviewsite.
"""


def _front_matter(counts: Mapping[str, Mapping[str, int]], language: str) -> str:
    import yaml

    rows = sum(sum(of.values()) for of in counts.values())
    front = {
        "pretty_name": "Reviewed predictions",
        **({"language": [language]} if language else {}),
        "task_categories": ["text-classification"],
        "task_ids": ["sentiment-classification"],
        "size_categories": [next(name for least, name in SIZES.items() if rows >= least)],
        "tags": [TAG],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.parquet"} for split in counts
                ],
            }
        ],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
