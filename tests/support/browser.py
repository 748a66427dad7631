"""A headless Chromium, driven over its debugging pipe: no package but the browser itself."""

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe about:blank"
).split()


class Browser:
    """One Chromium with one page. Use as a context manager."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands_in, self._out = os.pipe()
        self._in, replies_out = os.pipe()
        shell = f'exec "$0" "$@" 3<&{commands_in} 4>&{replies_out}'
        command = ["bash", "-c", shell, str(CHROMIUM), f"--user-data-dir={self.home.name}", *FLAGS]
        self._process = subprocess.Popen(command, pass_fds=(commands_in, replies_out), stderr=subprocess.DEVNULL)
        os.close(commands_in)
        os.close(replies_out)
        self._ids, self._buffer, self.events, self._session = itertools.count(1), b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self.home.cleanup()

    def call(self, method, **parameters):
        """Call a method of the DevTools protocol; returns its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (reply := self._receive()).get("id") != number:
            self.events.append(reply)
        assert "error" not in reply, (method, reply["error"])
        return reply["result"]

    def _receive(self):
        while b"\0" not in self._buffer:
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser ended"
            self._buffer += chunk
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def open(self, path, width=1200, height=900, dark=False, media="", script=True):
        """Open a file; returns seconds until it is loaded, as the browser counts them."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=Path(path).as_uri())
        self.wait_for_event("Page.loadEventFired")
        return self.run("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000") if script else 0.0

    def wait_for_event(self, name):
        while not any(event.get("method") == name for event in self.events):
            self.events.append(self._receive())

    def run(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        reply = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def until(self, expression, seconds=20):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.05)

    def press(self, key, code):
        """Press and release a key where the focus is."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, text=text if kind == "keyDown" else "",
                      windowsVirtualKeyCode={"Enter": 13, " ": 32, "Tab": 9}[key])  # fmt: skip

    def complaints(self):
        """Errors and warnings of the console, exceptions, and entries of the browser's log."""
        self.run("1")
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [e["params"] for e in self.events if e.get("method") in kinds]

    def requests(self):
        """Addresses that the page asked for, without its own."""
        found = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url[:100] for url in found if not url.startswith(("file:", "data:", "blob:"))]

    def screenshot(self, path, whole=False):
        """Write a picture of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


class Listener:
    """A port of this machine that counts who calls."""

    def __init__(self):
        self._server, self.calls = socket.create_server(("127.0.0.1", 0)), 0
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self):
        self._server.close()
