"""Texts to try a graph on: of every length, from one word to several windows."""

import random

SENTENCES = (
    "I laughed, I cried, and I would gladly see it again tomorrow.",
    "A waste of an evening.",
    "The acting is wooden and the plot makes no sense at all!",
    "Not bad, but not what I had hoped for after the first book.",
    "It arrived on time, works as described, and the battery lasts for two days.",
    "The waiter forgot our order twice; the soup, when it came, was cold.",
    "Superb.",
    "Honestly? I expected nothing and was surprised.",
    "The first half drags, the second half makes up for it.",
    "My daughter (7) loves it, my son (12) finds it childish.",
    "Terrible sound, terrible picture, terrible service: avoid.",
    "The room was clean and quiet, with a view of the old harbour.",
    "After 3 weeks of use the zip broke, and nobody answers my mails...",
    "One of the finest performances of her long career.",
    "It's fine. It does the job. Nothing more to say.",
    "I do not understand the praise it gets: dull, loud and far too long.",
    "Прекрасный фильм, смотрели всей семьёй и не скучали ни минуты.",
    "Очень разочарован: сюжет слабый, актёры играют без души.",
    "Заказал во второй раз, качество такое же хорошее.",
    "Un récit émouvant, servi par des acteurs formidables.",
    "Leider schon nach zwei Tagen kaputt, das Geld ist weg.",
    "10/10 would recommend :-)",
    "The director knows how to build tension, yet the ending falls flat.",
    "Side effects were mild and went away within a week; it helped me sleep.",
)
WORDS = (1, 2, 3, 5, 8, 12, 18, 26, 38, 55, 80, 115, 165, 240, 340, 480, 700)


def sample_texts(count: int, *, seed: int) -> list[str]:
    """Texts of the sentences above in random order, their lengths going through WORDS."""
    rng = random.Random(seed)  # noqa: S311 (nothing secret)
    texts = []
    for number in range(count):
        length = WORDS[number % len(WORDS)]
        words: list[str] = []
        while len(words) < length:
            words += rng.choice(SENTENCES).split()
        texts.append(" ".join(words[:length]))
    return texts
