"""A command on a terminal of its own, as a person has one."""

import os
import pty
import subprocess


def on_terminal(arguments, typed="", **env):
    """(exit code, everything shown) of a command whose input and output are a terminal."""
    controller, terminal = pty.openpty()
    clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"} | env
    with subprocess.Popen(arguments, stdin=terminal, stdout=terminal, stderr=terminal, env=clean) as process:
        os.close(terminal)
        os.write(controller, typed.encode())
        shown = b""
        while True:
            try:
                part = os.read(controller, 65536)
            except OSError:  # how Linux says that the other end is closed
                part = b""
            if not part:
                break
            shown += part
        code = process.wait(60)
    os.close(controller)
    return code, shown.decode()
