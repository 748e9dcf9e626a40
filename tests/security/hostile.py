"""Models that mean harm, one function each: what is changed about the files of a good one."""

import io
import json
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Files = dict[str, bytes]
Change = Callable[[Files], Files]


class Canary:
    """What a pickle or a module of code would write, if anything ran it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)

    def sang(self) -> bool:
        return self.path.exists()

    def pickled(self) -> bytes:
        return pickle.dumps(self, protocol=2)  # as torch writes

    def code(self) -> bytes:
        """A module that does it as it is imported."""
        return (
            f"from pathlib import Path\nPath({str(self.path)!r}).touch()\nModel = object\n".encode()
        )


def with_json(name: str, **extra: Any) -> Change:
    def change(files: Files) -> Files:
        content = json.loads(files.get(name, b"{}")) | extra
        return {**files, name: json.dumps(content).encode()}

    return change


def with_file(name: str, content: bytes) -> Change:
    return lambda files: {**files, name: content}


def renamed(old: str, new: str) -> Change:
    return lambda files: {new if name == old else name: data for name, data in files.items()}


def weights(header: Any, *, length: int | None = None, data: bytes = b"") -> Change:
    """A safetensors file with this header, which may claim another length."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(encoded) if length is None else length
    return with_file("model.safetensors", struct.pack("<Q", size) + encoded + data)


def tokenizer(**parts: Any) -> Change:
    return with_json("tokenizer.json", **parts)


def replacing(pattern: Any, content: str, times: int) -> dict[str, Any]:
    rule = {"type": "Replace", "pattern": pattern, "content": content}
    return {"type": "Sequence", "normalizers": [rule] * times}


NESTED = {"text_config": {"deep": [{"auto_map": {"AutoModel": "evil.Model"}}]}}
TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

# What a repository of the Hub, or a folder of models, may hold.
OF_FILES: dict[str, Change] = {
    "auto_map": with_json("config.json", auto_map={"AutoModel": "evil.Model"}),
    "auto_map of a configuration": with_json("config.json", auto_map={"AutoConfig": "evil.Model"}),
    "trust_remote_code": with_json("config.json", trust_remote_code=True),
    "attention from elsewhere": with_json("config.json", _attn_implementation_internal="e/k"),
    "attention by its public name": with_json("config.json", attn_implementation="e/k"),
    "experts from elsewhere": with_json("config.json", experts_implementation="e/k"),
    "kernels": with_json("config.json", use_kernels=True),
    "weights of another name": with_json("config.json", transformers_weights="pytorch_model.bin"),
    "a pipeline of its own": with_json("config.json", custom_pipelines={"x": {"impl": "evil.P"}}),
    "a private key": with_json("config.json", _anything=1),
    "code in a nested configuration": with_json("config.json", **NESTED),
    "code of the tokenizer": with_json(
        "tokenizer_config.json", auto_map={"AutoTokenizer": ["e", 0]}
    ),
    "trust in the tokenizer": with_json("tokenizer_config.json", trust_remote_code=True),
    "a configuration without end": with_file("config.json", b'{"a":' * 100_000),
    "a configuration that is none": with_file("config.json", b"\x80\x04"),
    "a billion layers": with_json("config.json", num_hidden_layers=10**9),
    "a layer too many for its weights": with_json("config.json", num_hidden_layers=5_000),
    "a vocabulary of a trillion": with_json("config.json", vocab_size=10**12),
    "positions without end": with_json("config.json", max_position_embeddings=1e15),
    "a header of exabytes": weights(b"{}", length=1 << 62),
    "a header of all its bytes": weights(b"{}", length=(1 << 64) - 1),
    "a header without end": weights(b'{"a":' * 100_000),
    "a header that describes more": weights({"a": {**TENSOR, "data_offsets": [0, 1 << 40]}}),
    "a header that describes less": weights({"a": TENSOR}, data=b"\0" * 64),
    "a header of no tensors": weights({}),
    "a pickle as weights": with_file("model.safetensors", b"\x80\x04\x95"),
    "an empty file as weights": with_file("model.safetensors", b""),
    "a tokenizer without end": with_file("tokenizer.json", b"[" * 200_000),
    "a tokenizer that is none": with_file("tokenizer.json", b"\x80\x04"),
    "a tokenizer that doubles": tokenizer(normalizer=replacing({"String": "a"}, "aa", 40)),
    "a tokenizer that doubles by a rule": tokenizer(normalizer=replacing({"Regex": "."}, "aa", 40)),
    "a tokenizer that writes a book": tokenizer(
        normalizer=replacing({"String": "a"}, "b" * 999, 1)
    ),
}

# What only a repository may hold: a folder of models is the operator's own.
OF_REPOSITORIES: dict[str, Change] = {
    "weights as a pickle, .bin": renamed("model.safetensors", "pytorch_model.bin"),
    "weights as a pickle, .pt": renamed("model.safetensors", "model.pt"),
    "weights as a pickle, .pkl": renamed("model.safetensors", "model.pkl"),
    "weights as a pickle, .ckpt": renamed("model.safetensors", "model.ckpt"),
    "a file above its folder": with_file("../../outside.txt", b"x"),
    "a file of the system": with_file("/etc/cron.d/x", b"x"),
    "a file above, as Windows has it": with_file("a\\..\\..\\b", b"x"),
    "a name that commands a terminal": with_file("a\x1b[2Jb", b"x"),
    "a configuration of megabytes": with_file("config.json", b" " * (2 << 20)),
}


def _member(name: str, kind: bytes = tarfile.REGTYPE, **facts: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for fact, value in facts.items():
        setattr(member, fact, value)
    return member


def _sparse() -> tarfile.TarInfo:
    """It says of itself that it has a terabyte, and brings nothing."""
    return _member(
        "model.safetensors",
        pax_headers={
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.map": f"{1 << 40},0",
            "GNU.sparse.size": str(1 << 40),
        },
    )


# What an archive in the database may hold beside a good model.
MEMBERS: dict[str, tarfile.TarInfo] = {
    "a path above": _member("../../outside.txt"),
    "an absolute path": _member("/tmp/outside.txt"),
    "a symlink above": _member("link", tarfile.SYMTYPE, linkname="../../../etc/passwd"),
    "a symlink within": _member("link", tarfile.SYMTYPE, linkname="config.json"),
    "a hard link above": _member("link", tarfile.LNKTYPE, linkname="../../../etc/passwd"),
    "a pipe": _member("pipe", tarfile.FIFOTYPE),
    "a device": _member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a file of a terabyte": _sparse(),
}


def archive(files: Files, member: tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, content in files.items():
            if name != member.name:
                made.addfile(_member(name, size=len(content)), io.BytesIO(content))
        made.addfile(member, io.BytesIO())
    out.seek(0)
    return out
