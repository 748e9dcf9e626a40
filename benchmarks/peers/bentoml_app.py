"""BentoML: batches for torch, which it is made for; for int8 single texts and a worker a core.

PEERS/bin/bentoml serve bentoml_app:Batched    POST /predict {"texts": [text]}
PEERS/bin/bentoml serve bentoml_app:Single     POST /predict {"text": text}
"""

import os

import bentoml
from reading import Answer, load_reader

WORKERS = int(os.environ["PEER_WORKERS"])
TIMEOUT = 120  # seconds


@bentoml.service(
    workers=WORKERS, traffic={"timeout": TIMEOUT}, logging={"access": {"enabled": False}}
)
class Batched:
    def __init__(self) -> None:
        self.reader = load_reader()

    @bentoml.api(batchable=True, max_batch_size=32)
    def predict(self, texts: list[str]) -> list[Answer]:
        return self.reader(texts)


@bentoml.service(
    workers=WORKERS, traffic={"timeout": TIMEOUT}, logging={"access": {"enabled": False}}
)
class Single:
    def __init__(self) -> None:
        self.reader = load_reader()

    @bentoml.api
    def predict(self, text: str) -> Answer:
        return self.reader([text])[0]
