"""Makes the schema of the API, for one thread at a time."""

import threading
from typing import Any

from drf_spectacular.generators import SchemaGenerator

_turn = threading.RLock()


class OneAtATime(SchemaGenerator):
    """drf-spectacular finds the classes that it extends while it makes its first schema.

    Two threads that do so at once take away from each other what they look for, and one of them
    answers 500.
    """

    def get_schema(self, *args: Any, **kwargs: Any) -> Any:
        with _turn:
            return super().get_schema(*args, **kwargs)  # type: ignore[no-untyped-call]
