"""More rows of the smallest classes by rules that keep a row's label.

The rules ask nothing of a language but that it writes words between spaces and ends sentences
with . ! ? or an ellipsis; the two that know words (opening phrases, words that turn a sentence's
meaning) know Russian and English, and leave a text of another language alone. Each function's
docstring says why the label stays. They go back to

- EDA (Wei and Zou 2019, arXiv:1901.11196): swapping and dropping a tenth of the words;
- AEDA (Karimi et al. 2021, arXiv:2108.13230): punctuation put in between words;
- the invariance tests of CheckList (Ribeiro et al. 2020, arXiv:2005.04118): typos, and phrases
  that add nothing;
- for question and passage, reading comprehension's finding that the sentences which share words
  with the question carry the evidence for its answer (Min et al. 2018, arXiv:1805.08092: one
  sentence is enough for nine questions in ten of SQuAD).

White space alone is left out on purpose: BERT's tokenizers drop it, so such a row would be a copy.
Rules that change the answer (a negated question, a passage of another question) are left out too:
they need a reader who says whether they did.
"""

from training.augmentation.rules.generation import PAIR_RULES, SINGLE_RULES, generate_rows
from training.augmentation.rules.language import sentences
from training.augmentation.rules.rule import Row, Rule

__all__ = ["PAIR_RULES", "SINGLE_RULES", "Row", "Rule", "generate_rows", "sentences"]
