"""Show findings: on the terminal, on the page, in model cards. Reads only `Findings`."""
