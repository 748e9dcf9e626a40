"""A small Hub on loopback: the real wire protocol, files in a folder, and faults on order.

It speaks as much of the protocol as huggingface_hub 2.4, transformers 5.23, datasets 5.2 and this
site use: repositories of models and of data sets, regular and LFS files, commits, downloads (LFS
by a redirect to another host name, as a CDN), search. Which request fails, and how, a test says
with `Fault`.
"""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_" + "StandInTokenThatNobodyMayEverSee"
USER = "someone"
INITIAL = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}
FaultKind = Literal["status", "hang", "reset", "lost"]


@dataclass(frozen=True)
class Blob:
    content: bytes
    lfs: bool = False
    listed_sha256: str = ""
    """What a hostile Hub lists in place of the truth."""

    @property
    def sha256(self) -> str:
        return self.listed_sha256 or hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's id of the blob: the content's, or of an LFS file the pointer's."""
        content = self.content
        if self.lfs:
            content = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{self.sha256}\nsize {len(self.content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def lfs_info(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "size": len(self.content), "pointerSize": 134}


@dataclass
class Repository:
    id: str
    private: bool
    kind: str = "models"
    """Or "datasets"."""
    commits: list[tuple[str, dict[str, Blob]]] = field(default_factory=list)
    """Commit id and all files at it, oldest first; the first is the Hub's own."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a search shows: downloads, tags ..."""

    @property
    def address(self) -> str:
        """Its path, by which `StandInHub.repositories` has it: models have no prefix."""
        return address(self.id, self.kind)

    def commit(self, files: dict[str, Blob]) -> str:
        oid = hashlib.sha1(f"{self.id} {len(self.commits)} {time.time_ns()}".encode()).hexdigest()
        self.commits.append((oid, files))
        return oid

    def at(self, revision: str) -> tuple[str, dict[str, Blob]] | None:
        if revision in {"main", "HEAD"}:
            return self.commits[-1]
        return next((found for found in self.commits if found[0] == revision), None)

    @property
    def pushes(self) -> int:
        return len(self.commits) - 1


@dataclass(frozen=True)
class Fault:
    """What happens to the request number `at`, counted from 0 since the fault was set."""

    at: int
    kind: FaultKind
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    always: bool = False
    """To every request from `at` on, not to one."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    authorized: bool
    host: str


class StandInHub:
    """The server; `asked` are the requests since `reset`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repositories: dict[str, Repository] = {}
        self.asked: list[Asked] = []
        self.fault: Fault | None = None
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self.server = _Server(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.cdn = f"http://localhost:{self.server.server_address[1]}"

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Self]:
        hub = cls(folder)
        thread = threading.Thread(target=hub.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.closing.set()
            hub.server.shutdown()
            hub.server.server_close()
            thread.join()

    def reset(self, fault: Fault | None = None) -> None:
        with self.lock:
            self.asked, self.fault = [], fault

    def put(self, repo_id: str, files: dict[str, bytes], **facts: Any) -> Repository:
        """A repository with these files, as if somebody had pushed them."""
        private, kind = facts.pop("private", False), facts.pop("kind", "models")
        repository = Repository(repo_id, private=private, kind=kind, facts=facts)
        repository.commit({name: Blob(content) for name, content in INITIAL.items()})
        repository.commit(
            {
                name: Blob(content, lfs=name.endswith(LFS))
                for name, content in {**INITIAL, **files}.items()
            }
        )
        self.repositories[repository.address] = repository
        return repository

    def files(self, path: str) -> dict[str, bytes]:
        """What the newest commit of a repository holds, without the Hub's own file.

        Args:
            path: its `address`.
        """
        _, files = self.repositories[path].commits[-1]
        return {name: blob.content for name, blob in files.items() if name not in INITIAL}

    def stored(self, sha256: str) -> Path:
        return self.folder / sha256


LFS = (".safetensors", ".bin", ".parquet")


def address(repo_id: str, kind: str | None) -> str:
    return f"datasets/{repo_id}" if kind in ("datasets", "dataset") else repo_id


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Answer(Exception):
    def __init__(self, status: int, code: str = "", body: Any = None, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if code:
            self.headers["X-Error-Code"] = code
        self.body = {"error": code or f"answer {status}"} if body is None else body


def _handler_of(hub: StandInHub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    return Handler


class _Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"
    # Else each answer waits 40 ms for the client to acknowledge its headers.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _handle(self) -> None:
        hub = self.hub
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.content = self._chunks()
        authorization = self.headers.get("Authorization")
        with hub.lock:
            index, fault = len(hub.asked), hub.fault
            hub.asked.append(
                Asked(
                    self.command,
                    self.path,
                    authorization is not None,
                    self.headers.get("Host", ""),
                )
            )
        hit = fault is not None and (index == fault.at or (fault.always and index > fault.at))
        if fault is None or not hit:
            self._answer()
        elif fault.kind == "status":
            # A server that quotes what it was sent, as some do.
            body = {"error": f"fault {fault.status}, you sent {authorization}"}
            self._send(fault.status, body, dict(fault.headers))
        elif fault.kind == "hang":
            hub.closing.wait(5)
            self.close_connection = True
        elif fault.kind == "reset":
            self._break_off()
        else:
            # The work is done, the answer lost on its way.
            self.wfile.close()
            self.wfile = open("/dev/null", "wb")  # noqa: SIM115
            self._answer()
            self._break_off()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def _answer(self) -> None:
        try:
            with self.hub.lock:
                route, found = self._route()
                self._send(200, route(self, **found))
        except _Answer as answer:
            self._send(answer.status, answer.body, answer.headers)

    def _route(self) -> "tuple[Callable[..., Any], dict[str, str]]":
        path = urlsplit(self.path).path
        for methods, pattern, route in ROUTES:
            if self.command in methods and (match := re.fullmatch(pattern, path)):
                found = match.groupdict()
                return route, {name: value and unquote(value) for name, value in found.items()}
        raise _Answer(404, "EntryNotFound")

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Length": str(len(content)), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _break_off(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    # What the routes use

    def _json(self) -> Any:
        return json.loads(self.content)

    def _authorized(self) -> bool:
        given = self.headers.get("Authorization")
        if given not in {None, f"Bearer {TOKEN}"}:
            raise _Answer(401, "", {"error": f"Invalid credentials: {given}"})
        return given is not None

    def _repository(self, repo: str, kind: str | None, *, write: bool = False) -> Repository:
        authorized = self._authorized()
        repository = self.hub.repositories.get(address(repo, kind))
        if repository is None or (repository.private and not authorized):
            raise _Answer(404, "RepoNotFound")
        if write and not authorized:
            raise _Answer(401)
        if write and not repo.startswith(f"{USER}/"):
            raise _Answer(403, "", {"error": "You have no right to write here"})
        return repository

    def _at(self, repository: Repository, revision: str) -> tuple[str, dict[str, Blob]]:
        found = repository.at(revision)
        if found is None:
            raise _Answer(404, "RevisionNotFound")
        return found

    # Routes

    def whoami(self) -> Any:
        if not self._authorized():
            raise _Answer(401)
        token = {"displayName": "tests", "role": "write"}
        return {
            "type": "user",
            "name": USER,
            "fullname": USER,
            "email": "someone@example.com",
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }

    def create(self) -> Any:
        asked = self._json()
        repo = f"{asked.get('organization') or USER}/{asked['name']}"
        if not self._authorized():
            raise _Answer(401)
        if not repo.startswith(f"{USER}/"):
            raise _Answer(403, "", {"error": "You have no right to this name"})
        kind = f"{asked.get('type') or 'model'}s"
        path = address(repo, kind)
        url = f"{self.hub.url}/{path}"
        if path in self.hub.repositories:
            raise _Answer(409, "", {"error": "You already created this repo", "url": url})
        repository = Repository(repo, private=asked.get("visibility") == "private", kind=kind)
        repository.commit({name: Blob(content) for name, content in INITIAL.items()})
        self.hub.repositories[path] = repository
        return {"url": url, "name": repo, "id": repo}

    def validate_yaml(self) -> Any:
        try:
            _card_data(self._json()["content"])
        except yaml.YAMLError as error:
            body = {"errors": [{"message": str(error)}], "warnings": []}
            raise _Answer(400, "", body) from error
        return {"errors": [], "warnings": []}

    def preupload(self, repo: str, kind: str, revision: str) -> Any:
        _, files = self._at(self._repository(repo, kind, write=True), revision)
        answers = []
        for asked in self._json()["files"]:
            blob = files.get(asked["path"])
            mode = "lfs" if asked["path"].endswith(LFS) else "regular"
            answer = {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False}
            if blob is not None:
                answer["oid"] = blob.sha256 if blob.lfs else blob.oid
            answers.append(answer)
        return {"files": answers}

    def lfs_batch(self, repo: str, kind: str | None) -> Any:
        self._repository(repo, kind, write=True)
        objects = []
        for asked in self._json()["objects"]:
            item = {"oid": asked["oid"], "size": asked["size"]}
            if not self.hub.stored(asked["oid"]).is_file():
                item["actions"] = {
                    "upload": {"href": f"{self.hub.cdn}/upload/{asked['oid']}", "header": {}},
                    "verify": {"href": f"{self.hub.url}/verify/{asked['oid']}", "header": {}},
                }
            objects.append(item)
        return {"transfer": "basic", "objects": objects}

    def upload(self, oid: str) -> Any:
        if hashlib.sha256(self.content).hexdigest() != oid:
            raise _Answer(400, "", {"error": "the content is another"})
        self.hub.stored(oid).write_bytes(self.content)
        return b""

    def verify(self, oid: str) -> Any:
        if self.hub.stored(oid).stat().st_size != self._json()["size"]:
            raise _Answer(400)
        return {}

    def commit(self, repo: str, kind: str, revision: str) -> Any:
        repository = self._repository(repo, kind, write=True)
        head, files = self._at(repository, revision)
        files = dict(files)
        for line in self.content.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                if value.get("parentCommit") not in {None, head}:
                    raise _Answer(412, "", {"error": "A commit has happened since"})
            elif item["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]))
            elif item["key"] == "lfsFile":
                files[value["path"]] = Blob(self.hub.stored(value["oid"]).read_bytes(), lfs=True)
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(files)
        return {
            "success": True,
            "commitOid": oid,
            "commitUrl": f"{self.hub.url}/{repository.address}/commit/{oid}",
            "hookOutput": "",
        }

    def info(self, repo: str, kind: str, revision: str = "main") -> Any:
        repository = self._repository(repo, kind)
        commit, files = self._at(repository, revision)
        card = _card_data(files["README.md"].content.decode()) if "README.md" in files else {}
        return {
            "_id": "0",
            "id": repo,
            "modelId": repo,
            "sha": commit,
            "private": repository.private,
            "tags": [],
            "cardData": card,
            "pipeline_tag": card.get("pipeline_tag"),
            "library_name": card.get("library_name"),
            **repository.facts,
            "siblings": [
                {
                    "rfilename": name,
                    "size": len(blob.content),
                    "blobId": blob.oid,
                    **({"lfs": blob.lfs_info} if blob.lfs else {}),
                }
                for name, blob in files.items()
            ],
        }

    def tree(self, repo: str, kind: str, revision: str, folder: str = "") -> Any:
        _, files = self._at(self._repository(repo, kind), revision)
        if folder and not any(name.startswith(f"{folder}/") for name in files):
            raise _Answer(404, "EntryNotFound")
        asked = parse_qs(urlsplit(self.path).query)
        recursive = asked.get("recursive", ["false"])[0].lower() in ("1", "true")
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for name, blob in files.items():
            if name.startswith(prefix):
                parents = _parents(name, below=prefix)
                entries |= {path: _folder(path) for path in (parents if recursive else parents[:1])}
                if recursive or not parents:
                    entries[name] = _entry(name, blob)
        return list(entries.values())

    def resolve(self, repo: str, kind: str | None, revision: str, name: str) -> Any:
        repository = self._repository(repo, kind)
        commit, files = self._at(repository, revision)
        if name not in files:
            raise _Answer(404, "EntryNotFound", X_Repo_Commit=commit)
        blob = files[name]
        if blob.lfs:
            raise _Answer(
                302,
                body=b"",
                X_Repo_Commit=commit,
                ETag=f'"{blob.oid}"',
                X_Linked_ETag=f'"{blob.sha256}"',
                X_Linked_Size=str(len(blob.content)),
                Location=f"{self.hub.cdn}/cdn/{repository.address}/{commit}/{name}",
            )
        self._download(blob, X_Repo_Commit=commit, ETag=f'"{blob.oid}"')

    def cdn(self, repo: str, kind: str | None, revision: str, name: str) -> Any:
        found = self.hub.repositories[address(repo, kind)].at(revision)
        assert found
        self._download(found[1][name], ETag='"cdn"')

    def _download(self, blob: Blob, **headers: str) -> None:
        content, status = blob.content, 200
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(asked[1])
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        raise _Answer(status, body=content, Accept_Ranges="bytes", **headers)

    def models(self) -> Any:
        return self._search("models")

    def datasets(self) -> Any:
        return self._search("datasets")

    def _search(self, kind: str) -> Any:
        self._authorized()
        asked = parse_qs(urlsplit(self.path).query)
        words = asked.get("search", [""])[0].casefold()
        task = [*asked.get("pipeline_tag", []), *asked.get("filter", [])]
        found = [
            {"id": repository.id, **repository.facts}
            for repository in self.hub.repositories.values()
            if words in repository.id.casefold()
            and repository.kind == kind
            and set(task)
            <= {repository.facts.get("pipeline_tag"), *repository.facts.get("tags", [])}
        ]
        found.sort(key=lambda item: -item.get("downloads", 0))
        return found[: int(asked.get("limit", ["1000"])[0])]


def _entry(name: str, blob: Blob) -> dict[str, Any]:
    """A file as `tree` and `paths-info` have it."""
    return {
        "type": "file",
        "path": name,
        "size": len(blob.content),
        "oid": blob.oid,
        **({"lfs": {**blob.lfs_info, "oid": blob.sha256}} if blob.lfs else {}),
    }


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}


def _parents(name: str, *, below: str = "") -> list[str]:
    """The folders of a file under the prefix `below`, the outermost first."""
    parts = name.removeprefix(below).split("/")
    return [below + "/".join(parts[:depth]) for depth in range(1, len(parts))]


def _card_data(card: str) -> dict[str, Any]:
    parts = card.split("---\n", 2)
    return yaml.safe_load(parts[1]) or {} if len(parts) == 3 and not parts[0] else {}


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_PATH = rf"(?:(?P<kind>datasets)/)?{_REPO}"
_API = rf"/api/(?P<kind>models|datasets)/{_REPO}"
_REVISION = r"(?P<revision>[^/]+)"
ROUTES: list[tuple[set[str], str, Callable[..., Any]]] = [
    ({"GET"}, "/api/whoami-v2", _Handler.whoami),
    ({"POST"}, "/api/repos/create", _Handler.create),
    ({"POST"}, "/api/validate-yaml", _Handler.validate_yaml),
    ({"GET"}, "/api/models", _Handler.models),
    ({"GET"}, "/api/datasets", _Handler.datasets),
    ({"POST"}, rf"{_API}/preupload/{_REVISION}", _Handler.preupload),
    ({"POST"}, rf"/{_PATH}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ({"PUT"}, "/upload/(?P<oid>[0-9a-f]{64})", _Handler.upload),
    ({"POST"}, "/verify/(?P<oid>[0-9a-f]{64})", _Handler.verify),
    ({"POST"}, rf"{_API}/commit/{_REVISION}", _Handler.commit),
    ({"GET"}, rf"{_API}/revision/{_REVISION}", _Handler.info),
    ({"GET"}, rf"{_API}/tree/{_REVISION}", _Handler.tree),
    ({"GET"}, rf"{_API}/tree/{_REVISION}/(?P<folder>.+)", _Handler.tree),
    ({"GET"}, _API, _Handler.info),
    ({"GET", "HEAD"}, rf"/cdn/{_PATH}/{_REVISION}/(?P<name>.+)", _Handler.cdn),
    ({"GET", "HEAD"}, rf"/{_PATH}/resolve/{_REVISION}/(?P<name>.+)", _Handler.resolve),
]
