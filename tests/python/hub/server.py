"""A hub on 127.0.0.1 that speaks the protocol of huggingface.co, as far as downloads need it, and can go wrong.

    with Hub() as hub:
        commit = hub.add("org/name", {"model.gguf": data, "config.json": b"{}"})
        subprocess.run([...], env=hub.environment(tmp_path))

It is two hosts, like the real one: the hub redirects large files to a store, which must never see a token.
`requests` has every request: method, path, Range and the token.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

NO_PROXY = "127.0.0.1,127.0.0.2"
LARGE = (".gguf", ".safetensors")  # these lie in the store


@dataclass
class Repository:
    """revisions: a branch, a tag or a commit -> commit; files: commit -> name -> bytes."""

    revisions: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    token: str | None = None  # who has it may read the files
    private: bool = False  # without the token there is no such repository, not even its list of files


@dataclass
class Request:
    server: str  # "hub" or "store"
    method: str
    path: str
    range: str | None
    token: str | None


class Hub:
    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.broken: list[int] = []  # the next answers of the store end after so many bytes
        self.statuses: list[int] = []  # the next answers of the store are errors
        self.hangs = False  # whether a broken answer keeps its connection open
        self.ignores_ranges = False
        self.failure: tuple[int, bytes] | None = None  # the answer of the hub to everything
        self.told: dict[str, object] = {}  # lies: "info", a body; "headers" of the redirect to the store
        places = (("127.0.0.1", _Hub), ("127.0.0.2", _Store))
        self._servers = [ThreadingHTTPServer((host, 0), kind) for host, kind in places]
        for server in self._servers:
            server.hub, server.daemon_threads = self, True
        self.url, self.store = (f"http://{host}:{port}" for host, port in (x.server_address for x in self._servers))

    def __enter__(self):
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files, revision="main", **settings):
        """Adds a commit with these files to a repository and returns its hash."""
        repository = self.repositories.setdefault(name, Repository(**settings))
        commit = hashlib.sha1(repr((name, sorted(files.items()))).encode()).hexdigest()
        repository.files[commit] = dict(files)
        repository.revisions |= {revision: commit, commit: commit}
        return commit

    def environment(self, home, **more):
        """The variables of a process that uses this hub and a cache of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        proxies = dict.fromkeys(("NO_PROXY", "no_proxy"), NO_PROXY)
        return kept | proxies | {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"} | more

    def sent(self, server="store", method="GET"):
        return [request for request in self.requests if (request.server, request.method) == (server, method)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        request = Request(self.name, self.command, unquote(self.path), self.headers.get("Range"), self.token)
        self.hub.requests.append(request)
        self.answer(unquote(urlsplit(self.path).path))

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class _Hub(_Handler):
    name = "hub"

    def answer(self, path):
        if self.hub.failure is not None:
            self.send(*self.hub.failure)
        elif path.startswith("/api/models/"):
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self.info(name, revision)
        else:
            name, _, rest = path[1:].partition("/resolve/")
            revision, _, file = rest.partition("/")
            self.resolve(name, revision, file)

    def repository(self, name):
        """The repository, if this request may know of it. The hub does not tell apart what is missing and private."""
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self.token != found.token):
            self.send(401, json.dumps({"error": "Repository not found"}).encode(), X_Error_Code="RepoNotFound")
            return None
        return found

    def info(self, name, revision):
        repository = self.repository(name)
        if repository is None:
            return
        if revision not in repository.revisions:
            self.send(404, b'{"error": "Invalid rev id"}', X_Error_Code="RevisionNotFound")
            return
        commit = repository.revisions[revision]
        siblings = [{"rfilename": file, "size": len(data)} for file, data in repository.files[commit].items()]
        answer = {"id": name, "sha": commit, "siblings": siblings}
        body = self.hub.told.get("info", json.dumps(answer).encode())
        self.send(200, body, Content_Type="application/json")

    def resolve(self, name, revision, file):
        repository = self.repository(name)
        if repository is None:
            return
        if repository.token is not None and self.token != repository.token:
            status = 401 if self.token is None else 403
            self.send(status, b'{"error": "restricted"}', X_Error_Code="GatedRepo")
            return
        commit = repository.revisions.get(revision)
        data = repository.files.get(commit, {}).get(file)
        if data is None:
            self.send(404, b'{"error": "Entry not found"}', X_Error_Code="EntryNotFound")
            return
        headers = {"X_Repo_Commit": commit}
        if file.endswith(LARGE):
            headers |= {"X_Linked_Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X_Linked_Size": str(len(data))}
            where = f"{self.hub.store}/{quote(name)}/{commit}/{quote(file)}"
            self.send(302, **{"Location": where} | headers | self.hub.told.get("headers", {}))
            return
        etag = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.send(200, data, ETag=f'"{etag}"', **headers)


class _Store(_Handler):
    name = "store"

    def answer(self, path):
        _, organisation, name, commit, file = path.split("/", 4)
        data = self.hub.repositories[f"{organisation}/{name}"].files[commit][file]
        if self.hub.statuses:
            self.send(self.hub.statuses.pop(0))
            return
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if self.hub.ignores_ranges or not self.headers.get("Range"):
            begin, status, headers = 0, 200, {}
        else:
            status, headers = 206, {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}
        end = begin + self.hub.broken.pop(0) if self.hub.broken else len(data)
        headers["Content_Length"] = str(len(data) - begin)
        self.send(status, data[begin:end], **headers)
        if end < len(data):
            while self.hub.hangs:
                time.sleep(0.01)
            self.close_connection = True
