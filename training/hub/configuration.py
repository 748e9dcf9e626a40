"""config.json of a model that was fetched, bounded to what models of its kind have.

transformers makes every key of the file an attribute of the model's configuration, and reads some
of them that no class names. classifier.artefact refuses those that have made it run code so far;
what is unknown to the class is left out here, so that the next such key does nothing.
"""

import json
import logging
from pathlib import Path
from typing import Any

from training.runs.export import write_json

logger = logging.getLogger(__name__)

# What transformers writes of every model, and what says what a classifier is for
GENERAL = {
    *("architectures", "model_type", "dtype", "torch_dtype", "transformers_version"),
    *("num_labels", "id2label", "label2id", "problem_type"),
}


def keep_known(directory: Path) -> None:
    """Leave out the keys of config.json that a configuration of its model_type does not have.

    A file that is not there, is no object, or is of a model_type that transformers does not know,
    stays as it is: no model is loaded by it.
    """
    from transformers import AutoConfig

    file = directory / "config.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if not isinstance(content, dict):
        return
    kind = str(content.get("model_type"))
    try:
        usual: Any = AutoConfig.for_model(kind)
    except ValueError:
        return
    unknown = content.keys() - GENERAL - vars(usual).keys() - usual.attribute_map.keys()
    if unknown:
        logger.warning("config.json: no %s has %s; left out", kind, ", ".join(sorted(unknown)))
        write_json(file, {key: content[key] for key in content if key not in unknown})
