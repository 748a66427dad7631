"""A stand-in for the Hub: the routes that the real client asks for, on loopback, over the files of a folder."""

import hashlib
import http.server
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class StandIn:
    """Serves `repos`: id -> {revision: folder}. Use as a context manager; `seen` lists (method, path) of all requests."""

    def __init__(self, repos, token=None):
        self.repos, self.token = repos, token
        self.seen, self.tokens = [], set()
        self.gated = set()
        """Ids that answer 403, as models whose terms must be accepted."""
        self.broken = 0
        """Status that every request is answered with; 0: none."""
        self.cut = set()
        """Names of files whose connection is closed after half of them."""

    def __enter__(self):
        handler = type("Bound", (Handler,), {"hub": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def downloaded(self):
        """Names of the files that were fetched, each request counted."""
        return sorted(path.rpartition("/")[2] for method, path in self.seen if method == "GET" and "/resolve/" in path)


def commit_of(folder):
    """A made-up commit: a hash of the folder's files."""
    return hashlib.sha1(b"".join(f.read_bytes() for f in sorted(Path(folder).iterdir()))).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    hub: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append((self.command, path))
        given = self.headers.get("Authorization")
        self.hub.tokens.add(given)
        parts = path.strip("/").split("/")
        repo, rest = ("/".join(parts[2:4]), parts[4:]) if parts[0] == "api" else ("/".join(parts[:2]), parts[2:])
        if self.hub.broken:
            self._answer(self.hub.broken, b"broken")
        elif repo not in self.hub.repos or (self.hub.token and given != f"Bearer {self.hub.token}"):
            self._answer(401, b"", {"X-Error-Message": "Invalid username or password."})  # as the Hub does for both
        elif repo in self.hub.gated:
            self._answer(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        else:
            self._serve(repo, rest)

    def _serve(self, repo, rest):
        revisions = self.hub.repos[repo]
        kind, revision = rest[0], rest[1]
        folder = next((f for name, f in revisions.items() if revision in (name, commit_of(f))), None)
        if folder is None:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif kind == "revision":
            files = [{"rfilename": f.name} for f in sorted(Path(folder).iterdir())]
            self._json({"id": repo, "sha": commit_of(folder), "siblings": files})
        elif kind == "tree":
            self._json([_entry(f) for f in sorted(Path(folder).iterdir())])
        else:
            self._file(Path(folder) / "/".join(rest[2:]), commit_of(folder))

    def _file(self, path, commit):
        if not path.is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        content = path.read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {"ETag": f'"{_oid(path)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        half = len(content) // 2 if path.name in self.hub.cut else None
        self._answer(206 if start else 200, content[start:], headers, half)

    def _json(self, value):
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status, body, headers=None, most=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:most])
            if most is not None:
                self.close_connection = True


def _oid(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _entry(path):
    return {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": _oid(path)}
