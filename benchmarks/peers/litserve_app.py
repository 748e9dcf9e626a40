"""LitServe: batches for torch, which it is made for; for int8 single texts and a worker a core.

PEERS/bin/python litserve_app.py PORT WORKERS BATCH
"""

import sys
from typing import Any

import litserve
from reading import Answer, load_reader


class Reviews(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.reader = load_reader()

    def decode_request(self, request: dict[str, str], **kwargs: Any) -> str:
        return request["text"]

    def predict(self, x: str | list[str], **kwargs: Any) -> Answer | list[Answer]:
        return self.reader(x) if isinstance(x, list) else self.reader([x])[0]

    def encode_response(self, output: Answer, **kwargs: Any) -> Answer:
        return output


if __name__ == "__main__":
    port, workers, batch = map(int, sys.argv[1:])
    waiting = {"batch_timeout": 0.01} if batch > 1 else {}  # seconds; one client does not wait long
    litserve.LitServer(
        Reviews(max_batch_size=batch, **waiting),
        accelerator="cpu",
        workers_per_device=workers,
        timeout=False,
    ).run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
